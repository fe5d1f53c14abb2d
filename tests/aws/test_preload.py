"""What a function loads before its snapshot is taken: everything that the first file and the first upkeep import.

Another process plays the function, as in this one everything is imported already. What moto does not have is the
snapshot itself, and how long a start from it takes.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.aws.lakes import deploy
from tests.aws.pump import Pump, event_of
from tests.aws.test_notices import Topics
from tests.told import say

LAKE = """
lake: preload
notices: [{name: uploads, when: [dead, committed], to: "mailto:ops@example.org"}]
tables:
  csv:
    files: "csv/*.csv"
    steps: [{parse: {day: date}}, {derive: {year: year(day)}}, {dedupe: {key: [id]}}]
    checks: [{between: {id: [0, 9]}, on_breach: quarantine}]
  lines: {files: "lines/*.jsonl"}
  columns: {files: "columns/*.parquet"}
"""
FUNCTION = """
import json, os, sys

class Context:
    def get_remaining_time_in_millis(self):
        return 900_000

from penstock.deployment import handlers
answers, loaded = [], []
for name, event in json.loads(sys.stdin.read()):
    before = set(sys.modules)
    answers.append(getattr(handlers, name)(event, Context()))
    loaded.append(sorted(set(sys.modules) - before))
print(json.dumps({"answers": answers, "loaded": loaded}), file=sys.stderr)
"""


def called(variables: dict[str, str], *calls: tuple[str, dict[str, Any]]) -> list[tuple[dict[str, Any], list[str]]]:
    """Call functions in a process that has just begun; gives each answer, and what was imported meanwhile."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", FUNCTION],
        input=json.dumps(calls),
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stderr.splitlines()[-1])
    return list(zip(found["answers"], found["loaded"], strict=True))


@pytest.mark.parametrize("snapshot", [True, False])
def test_the_first_file_imports_nothing(tmp_path: Path, *, snapshot: bool) -> None:
    """On Lambda, the first files of every kind, and upkeep, find all that they need there already."""
    lake = deploy(tmp_path / "lake", LAKE)
    Topics("uploads", stack=lake.deployed.stack)
    written = io.BytesIO()
    pq.write_table(pa.table({"id": [1]}), written)
    lake.land("csv/a.csv", b"id,day\n1,2024-01-01\n77,2024-01-01\n")
    lake.land("csv/broken.csv", b"")
    lake.land("lines/a.jsonl", b'{"id": 1, "inner": {"a": [1]}}\n')
    lake.land("columns/a.parquet", written.getvalue())
    messages = Pump(lake.deployed.intake_queue, lambda *_: {}).receive()
    variables = {**lake.variables, **({"AWS_LAMBDA_FUNCTION_NAME": "intake"} if snapshot else {})}
    first, upkeep = called(variables, ("intake", event_of(messages)), ("upkeep", {"whole": True}))
    answer, loaded = first
    assert answer == {"batchItemFailures": []}
    assert len(lake.dead_letters()) == 1
    say("cold starts", f"the first files import {len(loaded)} modules, {'with' if snapshot else 'without'} preloading")
    assert (loaded == []) is snapshot
    assert "notices" in upkeep[0]["done"]
    assert not (snapshot and upkeep[1])
