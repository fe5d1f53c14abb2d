"""Files of which no row is left, on AWS: nothing is written, and the run says so, as on one machine."""

from __future__ import annotations

from pathlib import Path

import penstock
from penstock import aws
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump
from tests.told import say

DECLARATION = """
lake: nothing
tables:
  t: {files: "*.csv", steps: [{require: [diagnostic]}]}
"""
FILES = {
    "blank.csv": b"id,diagnostic\n1,\n2,   \n",
    "header.csv": b"id,diagnostic\n",
}
ASKED = "SELECT file, state, rows_in, rows_out FROM penstock.arrivals ORDER BY file"
RUNS = "SELECT state, rows_in, rows_out, rows_dropped::VARCHAR FROM penstock.runs ORDER BY ALL"


def data_files(lake: CloudLake) -> list[str]:
    """The Parquet files of the zone processed."""
    listed = aws.client("s3").list_objects_v2(Bucket=lake.deployed.processed_bucket).get("Contents", [])
    return [one["Key"] for one in listed if one["Key"].endswith(".parquet")]


def test_nothing_is_written_where_no_row_is_left(tmp_path: Path) -> None:
    """Rows that are all dropped, and a header without rows, leave no data file, no dead letter, and runs that say so.

    A file that comes later is in as ever.
    """
    lake, here = deploy(tmp_path / "there", DECLARATION), tmp_path / "here"
    (here / "raw").mkdir(parents=True)
    (here / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    for key, content in FILES.items():
        (here / "raw" / key).write_bytes(content)
        lake.land(key, content)
    pump = Pump(lake.deployed.intake_queue, lake.runtime().take)
    pump.drain()
    with penstock.open(here) as local, lake.open() as deployed:
        local.run()
        files, runs = local.query(ASKED).fetchall(), local.query(RUNS).fetchall()
        assert deployed.query(ASKED).fetchall() == files
        assert deployed.query(RUNS).fetchall() == runs
    assert [(file, state, rows_out) for file, state, _, rows_out in files] == [
        ("blank.csv", "finished", 0),
        ("header.csv", "finished", 0),
    ]
    assert {event["rows_out"] for event in lake.events("finished")} == {0}
    assert data_files(lake) == []
    assert lake.dead_letters() == []
    lake.land("good.csv", b"id,diagnostic\n3,grippe\n")
    pump.drain()
    assert len(data_files(lake)) == 1
    say("parity", f"files of which no row is left: {files}, runs {runs}")
