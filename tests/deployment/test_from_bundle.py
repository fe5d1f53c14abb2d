"""A lake's functions run out of the unpacked zip: what was left out of it is not missed.

The zip is built for the Python and the machine that run this suite, with the same choice of packages and files as for
AWS. It runs in a Python without any installed package, against S3, SQS, DynamoDB and Glue of moto. What this cannot
show is arm64 and Lambda's own machine image: of these, `test_bundle.py` looks at what libraries need.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from penstock.declaration import load
from penstock.deployment.bundle import build
from penstock.deployment.functions import WORK
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump, event_of
from tests.told import say

pytestmark = pytest.mark.timeout(600)  # a whole bundle is built, and functions run

PROGRAM = Path(__file__).with_name("from_bundle.py")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
LAKE = """\
lake: shop
tables:
  sales.orders:
    files: "*.csv"
    steps:
      - parse: {ordered: date}
      - derive: {month: month(ordered)}
      - python: steps/shout.py:shout
    checks:
      - {between: {amount: [0, 100]}, on_breach: quarantine}
    partition: [month]
  events: {files: "*.json"}
"""
STEP = """\
import pyarrow as pa
import pyarrow.compute as pc


def shout(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index("who"), "who", pc.utf8_upper(batch.column("who")))
"""
ORDERS = "id,who,ordered,amount\n1,ann,2026-01-05,10\n2,bob,2026-02-06,20\n3,eve,2026-02-07,700\n"
LANDED = {
    "a.csv": ORDERS,
    "b.csv": "id,who,ordered,amount,city\n4,zoe,2026-03-01,5,Paris\n",
    "bad.csv": "",
    "c.json": '{"at": "2026-01-01T00:00:00Z", "of": {"kind": "open"}}\n',
}
"""A file, one with another column, one that is no CSV file, and one of another format."""
SQL = "SELECT id, who, month, amount FROM sales.orders ORDER BY id"


@pytest.fixture
def lake(tmp_path: Path) -> CloudLake:
    """A deployed lake with a step in Python, a check and partitions."""
    folder = tmp_path / "shop"
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "shout.py").write_text(STEP)
    return deploy(folder, LAKE)


def test_the_functions_run_from_the_unpacked_zip(
    lake: CloudLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files land, are worked on by `intake`, kept by `upkeep` and asked for, with nothing but what is in the zip."""
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "cache"))
    bundle = build(lake.folder, load(lake.folder), MACHINES[platform.machine()], python=HERE)
    root = tmp_path / "task"
    with zipfile.ZipFile(bundle.path) as archive:
        archive.extractall(root)
    for key, text in LANDED.items():
        lake.land(key, text.encode())
    messages = Pump(lake.deployed.intake_queue, lambda _event, _context: {}).receive()
    assert len(messages) == len(LANDED)
    (tmp_path / "event.json").write_text(json.dumps(event_of(messages)))
    environment = {**os.environ, **lake.deployed.environment, WORK: str(tmp_path / "disk"), "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(root), str(tmp_path / "event.json"), SQL],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["answer"] == {"batchItemFailures": []}, done.stdout
    assert facts["rows"] == [[1, "ANN", 1, 10], [2, "BOB", 2, 20], [4, "ZOE", 3, 5]]
    assert [letter["file"] for letter in lake.dead_letters()] == ["bad.csv"]
    assert facts["elsewhere"] == []
    assert "tables" in facts["tended"]["done"]
    said = f"{len(LANDED)} files, one of them dead, 5 rows in, 4 out, 1 aside"
    say("bundle", f"ran from the unpacked zip: {bundle.runtime} on {bundle.architecture}, {said}")
