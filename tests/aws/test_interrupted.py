"""Deployments that are broken off with Ctrl-C, at each of their stages, and two of them at once.

Real processes on pseudo-terminals against moto's server. Moto does at once what CloudFormation takes minutes for: where
the middle is meant, `held` lets it last, and a wire in front of moto holds what is uploaded. Of the functions' code,
the packages are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.aws.deploying import backend, held
from tests.aws.proxy import Wire, wire
from tests.aws.terminal import ASKED, CTRL_C, STACK, Person, Terminal, stacks

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("empty_aws")]


# --- Ctrl-C -----------------------------------------------------------------------------------


def test_ctrl_c_while_code_is_uploaded(tmp_path: Path) -> None:
    """The wire holds the upload: Ctrl-C ends the command at once, nothing is deployed, and the next call deploys."""
    person = Person(tmp_path)
    held_back = Event()
    with wire() as line:
        come = hold(line, "PUT", ".zip", held_back)
        with person.calls("deploy", "--yes") as screen:
            assert come.wait(60), screen.shown
            begun = time.monotonic()
            screen.type(CTRL_C)
            code = screen.end()
            took = time.monotonic() - begun
        held_back.set()
    assert code == 130, screen.shown
    assert took < 10
    assert screen.last_line == (
        f"broken off; the lake on AWS is as it was; go on with: penstock -C {person.lake} deploy"
    )
    assert "Traceback" not in screen.shown
    assert stacks() == {}
    assert "deployed: consultations" in person.deploy()


def hold(line: Wire, method: str, part: str, let_go: Event) -> Event:
    """Let requests wait on the wire; gives what is set when the first has come."""
    come = Event()

    def rule(asked: str, path: str) -> None:
        if asked == method and part in path:
            come.set()
            let_go.wait(60)

    line.rule = rule
    return come


def test_ctrl_c_while_cloudformation_works(tmp_path: Path) -> None:
    """What AWS does goes on; the next call follows it to its end, and finds nothing left to do."""
    person = Person(tmp_path)
    with held():
        with person.calls("deploy", "--yes") as screen:
            screen.until("stack: CREATE_IN_PROGRESS")
            screen.type(CTRL_C)
            assert screen.end() == 130, screen.shown
        assert screen.last_line == (
            f"broken off; what AWS is doing goes on, and is followed by: penstock -C {person.lake} deploy"
        )
        assert stacks() == {STACK: "CREATE_IN_PROGRESS"}
        with person.calls("deploy", "--yes") as again:
            again.until("something is being done to")
            assert "(CREATE_IN_PROGRESS): following that first" in again.shown.replace("\n", " ")
            again.type(CTRL_C)
            assert again.end() == 130
    assert stacks() == {STACK: "CREATE_COMPLETE"}
    assert "nothing to change: what is deployed is what lake.yaml declares" in person.deploy()


# --- Two at once ------------------------------------------------------------------------------


def test_the_second_of_two_deployments_says_that_one_is_going_on(tmp_path: Path) -> None:
    """It begins nothing, follows the first to its end, and then finds nothing to do; both end well."""
    person = Person(tmp_path)
    with held(), person.calls("deploy", "--yes") as one:
        one.until("stack: CREATE_IN_PROGRESS")
        with person.calls("deploy", "--yes") as two:
            two.until(f"something is being done to {STACK} already, by an earlier call or by somebody else")
            assert stacks() == {STACK: "CREATE_IN_PROGRESS"}
            let_go()
            assert (one.end(), two.end()) == (0, 0), one.shown + two.shown
    assert "deployed: consultations" in one.shown
    assert "nothing to change" in two.shown


def let_go() -> None:
    """CloudFormation comes to its end."""
    for stack in backend().stacks.values():
        stack.status = stack.status.replace("_IN_PROGRESS", "_COMPLETE")


@contextmanager
def both_asked(person: Person) -> Iterator[tuple[Terminal, Terminal]]:
    """Two calls of deploy, both at their question."""
    with person.calls("deploy") as one, person.calls("deploy") as two:
        one.until(ASKED)
        two.until(ASKED)
        yield one, two


def test_two_at_the_same_question(tmp_path: Path) -> None:
    """Both see the plan; one agrees, the other a moment later: it is done once, and both are told that it is there."""
    person = Person(tmp_path)
    with both_asked(person) as (one, two):
        one.type("y\n")
        assert one.end() == 0, one.shown
        two.type("y\n")
        assert two.end() == 0, two.shown
    assert "somebody else changed the stack meanwhile, or is changing it: looking again" in two.shown
    assert "nothing to change" in two.after(ASKED)


def test_one_declines_what_another_agrees_to(tmp_path: Path) -> None:
    """The one who says no takes nothing away from the one who says yes afterwards: it is prepared anew, and asked."""
    person = Person(tmp_path)
    with both_asked(person) as (one, two):
        one.type("n\n")
        assert one.end() == 1, one.shown
        two.shown = ""
        two.type("y\n")
        two.until(ASKED)
        two.type("y\n")
        assert two.end() == 0, two.shown
    assert stacks() == {STACK: "CREATE_COMPLETE"}
