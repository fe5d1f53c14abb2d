"""What a person is asked at a terminal before a lake comes to AWS, changes there, or leaves it.

Real processes on pseudo-terminals against moto's server. Of the functions' code, the packages are left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import aws
from tests.aws import cloud
from tests.aws.terminal import ASKED, CTRL_C, STACK, Person, stacks

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("empty_aws")]

RAW = f"{STACK}-raw-{cloud.ACCOUNT}-{cloud.REGION}"
ARTIFACTS = f"penstock-artifacts-{cloud.ACCOUNT}-{cloud.REGION}"
NAMED = "type the lake's name, consultations, to remove it"


@pytest.mark.parametrize(("keys", "code"), [("n\n", 1), (CTRL_C, 130)])
def test_a_first_deployment_that_nobody_agrees_to_makes_nothing(tmp_path: Path, keys: str, code: int) -> None:
    """No or Ctrl-C at the question: no stack is left, and one line says so, without one of removing."""
    person = Person(tmp_path)
    with person.calls("deploy") as screen:
        screen.until(ASKED)
        screen.type(keys)
        assert screen.end() == code, screen.shown
    said = [line for line in screen.after(ASKED).splitlines()[1:] if line]
    assert said == [f"nothing was created; the uploaded code waits in s3://{ARTIFACTS}/{STACK}/"]
    assert stacks() == {}


def test_a_person_deploys_changes_their_mind_and_removes(tmp_path: Path) -> None:
    """Yes makes the lake; no to a change leaves it; a wrong name removes nothing, the right one everything."""
    person = Person(tmp_path)
    with person.calls("deploy") as screen:
        screen.until(ASKED)
        screen.type("y\n")
        assert screen.end() == 0, screen.shown
    assert f"deployed: consultations as {STACK} in {cloud.REGION}\n  raw        s3://{RAW}\n" in screen.shown
    person.declare(", log_keep: 30d")
    with person.calls("deploy") as screen:
        screen.until(ASKED)
        screen.type("n\n")
        assert screen.end() == 1
    assert screen.after(ASKED).splitlines()[1:] == ["nothing was changed"]
    with person.calls("destroy") as screen:
        screen.until(NAMED)
        screen.type("nonsense\n")
        assert screen.end() == 1
    assert "that is not its name; nothing was removed" in screen.shown
    assert stacks() == {STACK: "CREATE_COMPLETE"}
    with person.calls("destroy") as screen:
        screen.until(NAMED)
        screen.type(CTRL_C)
        assert screen.end() == 130
    assert screen.after(NAMED).endswith("\nnothing was removed\n")
    with person.calls("destroy") as screen:
        screen.until(NAMED)
        screen.type("consultations\n")
        assert screen.end() == 0
    assert stacks() == {}
    left = screen.after("what is left:\n")
    (key,) = aws.client("kms", cloud.REGION).list_keys()["Keys"]
    assert left.count(key["KeyId"]) == 2, "the key, and how to keep it"
    assert f"aws kms cancel-key-deletion --region {cloud.REGION} --key-id {key['KeyId']}\n" in left


def test_what_holds_data_is_not_replaced_unless_that_is_said(tmp_path: Path) -> None:
    """Another name of the raw bucket: refused with --yes, and asked for on a terminal, with a warning."""
    person = Person(tmp_path)
    person.deploy()
    person.declare(", buckets: {raw: another-name-of-raw}")
    with person.calls("deploy", "--yes") as screen:
        assert screen.end() == 1
    refusal = screen.after("error: ")
    assert refusal == (
        f"{STACK}: what holds data would be replaced or removed: RawBucket\n"
        "  read the plan; if that is meant, call it without --yes, or with --replace-data\n"
    )
    assert "! RawBucket (S3 Bucket) holds data: a new, empty one takes its place" in screen.shown
    with person.calls("deploy") as screen:
        screen.until(ASKED)
        assert "! RawBucket (S3 Bucket) holds data" in screen.shown
        screen.type("n\n")
        assert screen.end() == 1
    assert aws.client("s3", cloud.REGION).head_bucket(Bucket=RAW)


def test_without_a_terminal_nothing_is_left_behind(tmp_path: Path) -> None:
    """Nobody can be asked: refused with what to call, and what was prepared for the question is gone."""
    person = Person(tmp_path)
    code, err = person.calls_blindly("deploy")
    assert code == 1
    assert err.splitlines() == [
        f"error: {STACK}: somebody has to agree, and standard input is no terminal",
        f"  agree beforehand: penstock -C {person.lake} deploy --yes",
    ]
    assert stacks() == {}
