"""The walk through a deployed lake that users with an account take for real, on the emulator as far as it carries.

What the emulator does not do is named: it runs no functions (the handlers are called here, with the messages of the
real queue), no queries in Athena, and evaluates no alarms. What people do with the command line `aws`, the walk does
with the same calls of boto3.
"""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from penstock import aws
from penstock.deployed import Deployed
from penstock.deployment.functions import FOLDER, WORK, Runtime
from tests.aws import cloud
from tests.aws.pump import Pump
from tests.told import say

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "walk.py"
KNOWN = {
    "Deliver a file": "deliver_file",
    "Follow the log": "read_log",
    "List the Parquet files": "list_files",
    "Ask the catalog": "ask_catalog",
    "Count by age group": "ask_athena",
    "Fetch the rows": "fetch_rows",
    "Deliver a bad file": "deliver_bad_file",
    "See it fail": "hear_alarm",
    "The queue's own figure": "read_queue",
}
"""The steps that users know, as the documentation lists them, and those of the walk."""


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("walk", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["walk"] = module
    spec.loader.exec_module(module)
    return module


class Functions:
    """The lake's functions, in the place of those that the emulator does not run; what they write is their log."""

    def __init__(self, folder: Path, work: Path, deployed: Deployed) -> None:
        """Switch the emulator's own mapping off, which takes messages and has nobody to give them to."""
        functions = aws.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        self._log = io.StringIO()
        variables = {**deployed.environment, FOLDER: str(folder), WORK: str(work)}
        self._runtime = Runtime(variables, self._log)
        self._pump = Pump(deployed.intake_queue, self._runtime.take)
        self._group, self._written = deployed.log_group("intake"), 0
        aws.client("logs").create_log_stream(logGroupName=self._group, logStreamName="one")

    def run(self) -> None:
        """Work on what waits in the queue."""
        self._pump.drain()
        lines = [line for line in self._log.getvalue().splitlines() if line.strip()][self._written :]
        self._written += len(lines)
        events = [{"timestamp": round(time.time() * 1000), "message": line} for line in lines]
        if events:
            aws.client("logs").put_log_events(logGroupName=self._group, logStreamName="one", logEvents=events)


def test_every_step_that_users_know_is_taken(program: ModuleType, tmp_path: Path) -> None:
    """Each step of the documentation's table is one of the walk's, and the table has them all."""
    page = (PROGRAM.parents[1] / "docs" / "laptop.md").read_text(encoding="utf-8")
    rows = page.partition("| Step | Command |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(KNOWN)
    steps = {step.__name__ for step, _ in program.Walk(tmp_path).steps()}
    assert set(KNOWN.values()) <= steps


def test_the_walk(program: ModuleType, tmp_path: Path) -> None:
    """Deployed by the real command, delivered to, asked, broken, mended, and gone without a trace but the key's."""
    cloud.start()
    cloud.reset()
    folder = tmp_path / "lake"
    program.make_lake(folder)
    functions: list[Functions] = []

    def meanwhile() -> None:
        for one in functions:
            one.run()

    walk = program.Walk(folder, say=lambda _: None, meanwhile=meanwhile, athena=False, alarms=False)
    first, *others = walk.steps()
    first[0]()
    functions.append(Functions(folder, tmp_path / "function", walk.deployed))
    walk.done.append("deploy")
    left = walk.go(others)
    assert left == ["ask_athena: the emulator runs no queries", "hear_alarm: the emulator evaluates no alarms"]
    assert len(walk.done) == len(walk.steps()) - len(left)
    walk.destroy()
    assert json.loads(walk.penstock("plan", "--json"))
    assert not aws.client("s3").list_buckets()["Buckets"]
    assert not aws.client("sqs").list_queues().get("QueueUrls")
    say("walk", f"{len(walk.done)} steps; left out: {'; '.join(left)}")
