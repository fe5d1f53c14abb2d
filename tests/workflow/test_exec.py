"""Programs that workflows start: only where allowed, as they are written, within their time, and without secrets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.state import WorkflowRun
from tests.workflow.worlds import START, settle

CANARY = "canary-5f3a-tell-nobody"
Started = Callable[..., WorkflowRun]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake's folder with a table."""
    (tmp_path / "raw" / "orders").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Started]:
    """Run a workflow with one `exec` step to its end, by hand."""
    lakes: list[Lake] = []

    def run(*command: str, allow: bool = True, **more: Any) -> WorkflowRun:
        step = {"exec": list(command), "retry": {"attempts": 1}, **more}
        tables = {"orders": {"files": "orders/*.csv"}}
        text = json.dumps({"lake": "shop", "allow_exec": allow, "tables": tables, "workflows": {"w": step}})
        (folder / "lake.yaml").write_text(text)
        lakes.append(Lake(folder, HeldClock(START)))
        workflows = lakes[-1].workflows()
        return workflows.finish(workflows.start("w"))

    yield run
    for lake in lakes:
        lake.close()


def output(run: WorkflowRun) -> str:
    """What the program printed."""
    return str(run.steps[0].outcome["output"])


def everything_written(folder: Path) -> bytes:
    """All bytes below `.penstock/`."""
    return b"".join(file.read_bytes() for file in (folder / ".penstock").rglob("*") if file.is_file())


def test_programs_are_off_until_they_are_allowed(start: Started, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `allow_exec` nothing is started, and the reason says how to; the environment can allow it, too."""
    run = start("touch", "made", allow=False)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.startswith("exec touch: exec is off, so touch was not started")
    assert "allow_exec: true" in run.error
    assert not (folder / "made").exists()
    monkeypatch.setenv("PENSTOCK_ALLOW_EXEC", "1")
    assert start("touch", "made", allow=False).state == "finished"
    assert (folder / "made").exists()


def test_arguments_reach_the_program_as_they_stand(start: Started, folder: Path) -> None:
    """There is no shell: nothing in an argument is cut, expanded or carried out."""
    hostile = ["a b", "; touch made", "$(touch made)", "`touch made`", "$HOME", "*", "| touch made", "'\"", "\\n", ""]
    run = start("printf", "%s\\n", *hostile)
    assert output(run).splitlines() == hostile
    assert not (folder / "made").exists()


def test_names_of_files_and_reasons_are_told_without_harm(folder: Path) -> None:
    """What an event says reaches the program in its environment, whatever it is made of, and is carried out nowhere."""
    text = """
lake: shop
allow_exec: true
tables: {orders: {files: "orders/*.csv"}}
workflows:
  w: {on: {dead: orders}, exec: [sh, -c, 'printf "%s|%s|%s" "$PENSTOCK_EVENT" "$PENSTOCK_EVENT_FILE" "$1"', sh, "$X"]}
"""
    (folder / "lake.yaml").write_text(text)
    names = ["$(touch made).csv", "`touch made`;touch made.csv", "a\nb.csv", "é\0.csv", "x" * 200_000]
    told = []
    for name in names:
        with Lake(folder, HeldClock(START)) as lake:
            lake.workflows().attend()
            lake.state.events.add("dead", TableName.parse("orders"), {"file": name, "reason": "; touch made"})
            settle(lake)
            run = lake.workflows().runs("w", 1)[0]
            assert run.state == "finished", run.error
            told.append(output(run))
    assert told[:3] == [f"dead|{name}|$X" for name in names[:3]]
    assert told[3] == "dead|é\\0.csv|$X"
    assert told[4].endswith("xxx|$X")
    assert not (folder / "made").exists()


def test_a_program_gets_a_small_environment(start: Started, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets where programs are and facts of the run, what is declared for it, and nothing else of Penstock's own."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("SOMETHING_ELSE", "seen")
    run = start("env", environment={"REGION": "eu-west-3"})
    given = dict(line.split("=", 1) for line in output(run).splitlines())
    assert given["REGION"] == "eu-west-3"
    assert given["PATH"] == os.environ["PATH"]
    assert given["PENSTOCK_LAKE"] == "shop"
    assert given["PENSTOCK_FOLDER"] == str(folder)
    assert given["PENSTOCK_WORKFLOW"] == "w"
    assert given["PENSTOCK_RUN"] == run.run
    assert given["PENSTOCK_TRIGGER"] == run.trigger
    assert "SOMETHING_ELSE" not in given
    assert CANARY not in output(run)


def test_secrets_that_a_program_prints_are_hidden(
    start: Started, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is declared for a program, and one it finds by itself, is nowhere below `.penstock/`."""
    monkeypatch.setenv("API_TOKEN", CANARY)
    monkeypatch.setenv("DB_PASSWORD", f"{CANARY}-db")
    program = f'echo "token $API_TOKEN"; echo "found {CANARY}-db"; echo "last $API_TOKEN" >&2; exit 3'
    run = start("sh", "-c", program, environment={"API_TOKEN": "${API_TOKEN}"})
    assert run.state == "failed"
    assert run.error == "exec sh: sh ended with exit code 3: last ***"
    journal = (folder / ".penstock" / "logs" / "penstock.jsonl").read_text()
    assert "token ***\\nfound ***\\nlast ***" in journal
    well = start("sh", "-c", f"echo found {CANARY}-db")
    assert output(well) == "found ***\n"
    assert CANARY.encode() not in everything_written(folder)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["./missing.sh"], "exec ./missing.sh: ./missing.sh cannot be started: No such file or directory"),
        (["./plain"], "exec ./plain: ./plain cannot be started: Permission denied"),
        (["no-such-program-anywhere"], "exec no-such-program-anywhere: no-such-program-anywhere cannot be started"),
        (["sh", "-c", "kill -9 $$"], "exec sh: sh was ended by SIGKILL"),
        (["false"], "exec false: false ended with exit code 1"),
    ],
)
def test_a_program_that_fails_says_how(start: Started, folder: Path, command: list[str], reason: str) -> None:
    """What cannot be started and what ends badly is told apart, in words."""
    (folder / "plain").write_text("#!/bin/sh\n")
    run = start(*command)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.startswith(reason)


def test_a_program_stands_in_the_lake(start: Started, folder: Path) -> None:
    """Programs are started in the lake's folder, from which a relative path counts."""
    script = folder / "tell.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    assert output(start("./tell.sh")) == f"{folder}\n"


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(start: Started, folder: Path) -> None:
    """After its time a program is asked to end, and so is what it started."""
    run = start("sh", "-c", "sh -c 'echo $$ > child; exec sleep 60' & echo $$ > parent; wait", timeout="1s")
    assert run.state == "failed"
    assert run.error == "exec sh: took longer than 1s"
    for name in ("child", "parent"):
        assert not is_alive(folder / name)


def test_a_program_that_does_not_hear_is_killed(start: Started, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that ignores being asked to end is killed after its grace."""
    monkeypatch.setattr("penstock.workflow.program.GRACE_SECONDS", 0.3)
    began = time.monotonic()
    run = start("sh", "-c", "trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done", timeout="1s")
    assert run.error == "exec sh: took longer than 1s"
    assert time.monotonic() - began < 20
    assert not is_alive(folder / "pid")


def test_a_flood_of_output_is_cut_and_says_so(start: Started, folder: Path) -> None:
    """The end of a long output is kept, and the journal says how much is left out."""
    run = start("sh", "-c", "yes | head -c 5000000; echo the end")
    assert run.state == "finished"
    assert output(run).endswith("y\nthe end\n")
    lines = (folder / ".penstock" / "logs" / "penstock.jsonl").read_text().splitlines()
    (told,) = [event for event in map(json.loads, lines) if event["event"] == "workflow_output"]
    assert len(told["output"]) == 64 * 1024
    assert told["left_out"] == 5_000_008 - 64 * 1024


def is_alive(file: Path) -> bool:
    """Whether the process whose number stands in a file still runs; one that only waits to be counted does not."""
    try:
        return psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
