"""Upkeep of tables whose files are in a bucket, by machines that forget: each here has a disk of its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from penstock import aws, faults
from penstock.clock import HeldClock
from penstock.deployed import database_name
from penstock.errors import IntegrityError
from penstock.lake import Lake
from penstock.site.aws import AwsSite
from penstock.state import Arrival
from penstock.upkeep.maintain import Maintained
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Context
from tests.aws.scene import Scene

DAY = 86_400.0
LAKE = """
lake: tidy
upkeep: {automatic: false, max_snapshots: 2, min_snapshots: 1}
tables:
  t:
    files: "*.csv"
    checks: [{between: {id: [0, 99]}, on_breach: quarantine}]
    quarantine: {keep: 2d}
"""
STRANGE = "main/t/data/precious.parquet"
LEFT = (
    f"main/t/data/pack-{'a' * 32}.parquet",
    "main/t/metadata/snap-123-0-01234567-89ab-cdef-0123-456789abcdef.avro",
)


class Tidy:
    """A deployed lake whose time a test moves, and on which a new machine works each time."""

    def __init__(self, folder: Path) -> None:
        self.cloud: CloudLake = deploy(folder, LAKE)
        self.clock, self._machines = HeldClock(time.time()), 0

    def machine(self) -> Lake:
        """The lake, opened by a machine that has nothing yet."""
        self._machines += 1
        work = self.cloud.work / f"machine{self._machines}"
        return Lake(
            self.cloud.folder, self.clock, site=lambda lake: AwsSite(self.cloud.deployed, work, lake.note_sealed)
        )

    def land(self, *ids: int) -> None:
        """Let files land, and process each in a commit of its own."""
        with self.machine() as lake:
            for number in ids:
                self.cloud.land(f"{number}.csv", f"id\n{number}\n".encode())
                lake.run()

    def maintain(self, days: float = 0.0) -> Maintained:
        """Let time pass, and look after the table."""
        self.clock.sleep(days * DAY)
        with self.machine() as lake:
            (done,) = lake.maintain().tables
        return done

    def rows(self) -> list[int]:
        """The rows."""
        with self.machine() as lake:
            return [row[0] for row in lake.query("SELECT id FROM t ORDER BY id").fetchall()]

    def keys(self, prefix: str) -> set[str]:
        """Objects of the tables."""
        s3, bucket = aws.client("s3"), self.cloud.deployed.processed_bucket
        return {found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])}

    def put(self, key: str, content: bytes) -> None:
        """Put an object beside those of the tables."""
        aws.client("s3").put_object(Bucket=self.cloud.deployed.processed_bucket, Key=key, Body=content)


@pytest.fixture
def tidy(tmp_path: Path) -> Tidy:
    """A lake to be looked after."""
    return Tidy(tmp_path / "lake")


def test_orphans_wait_and_go(tidy: Tidy) -> None:
    """Three commits become one file; what nothing names goes a day later, though every machine forgot what it saw.

    What attempts left in the bucket goes with it; a file that is nobody's stays, and is told of.
    """
    tidy.land(1, 2, 3)
    for key in (*LEFT, STRANGE):
        tidy.put(key, b"left")
    first = tidy.maintain()
    assert (first.error, first.joined) == (None, 3)
    assert first.swept.waiting > len(LEFT)
    assert first.swept.foreign == ("data/precious.parquet",)
    assert tidy.maintain(0.9).swept.removed == 0
    assert tidy.keys("") >= {*LEFT}
    late = tidy.maintain(0.2)
    assert (late.error, late.swept.removed, late.swept.waiting) == (None, first.swept.waiting, 0)
    data = tidy.keys("main/t/data/")
    assert STRANGE in data
    assert len(data) == 2
    assert not tidy.keys("") & {*LEFT}
    assert tidy.rows() == [1, 2, 3]


def test_quarantined_rows_are_kept_as_long_as_declared(tidy: Tidy) -> None:
    """Rows set aside can be queried from any machine, and their files go once they are older than declared."""
    tidy.land(1, 100)
    with tidy.machine() as lake:
        assert lake.query("SELECT file FROM penstock.quarantine").fetchall() == [("100.csv",)]
    assert len(tidy.keys("_quarantine/")) == 1
    tidy.clock.sleep(3 * DAY)
    with tidy.machine() as lake:
        (found,) = lake.purge(lake.declared).values()
        assert [(purged.file, purged.rows) for purged in found] == [("100.csv", 1)]
        assert lake.query("SELECT file FROM penstock.quarantine").fetchall() == []
    assert tidy.keys("_quarantine/") == set()
    assert tidy.rows() == [1]


def test_no_raw_file_stays_on_the_machine(tidy: Tidy) -> None:
    """Files are copied to be worked on, alone or many together, and none is left when the work is done."""
    tidy.land(1)
    with tidy.machine() as lake:
        for number in range(2, 12):
            tidy.cloud.land(f"{number}.csv", f"id\n{number}\n".encode())
        lake.run()
        left = [path.name for path in lake.raw.root.rglob("*") if path.is_file()]
        assert left == [".users"]  # which says that somebody is at work here
    assert tidy.rows() == list(range(1, 12))


def test_a_damaged_data_file_is_never_served(tidy: Tidy) -> None:
    """A machine that has the rows' file still answers; one that would have to fetch damaged bytes says so instead."""
    from moto.s3.models import s3_backends

    tidy.land(1, 2)
    with tidy.machine() as lake:
        assert lake.query("SELECT count(*) FROM t").fetchall() == [(2,)]
        bucket = s3_backends[tidy.cloud.deployed.account]["aws"].buckets[tidy.cloud.deployed.processed_bucket]
        kept = bucket.keys[min(tidy.keys("main/t/data/"))]
        kept.value = kept.value[:-9] + bytes([kept.value[-9] ^ 1]) + kept.value[-8:]
        assert lake.query("SELECT count(*) FROM t").fetchall() == [(2,)]
    with tidy.machine() as lake, pytest.raises(IntegrityError, match="not those that were sent"):
        lake.query("SELECT count(*) FROM t")


def test_one_archived_file_stops_no_other(tidy: Tidy) -> None:
    """A file that S3 has put into an archive ends as a dead letter that says so; the others are in the table."""
    for number in (1, 2):
        tidy.cloud.land(f"{number}.csv", f"id\n{number}\n".encode())
    aws.client("s3").put_object(
        Bucket=tidy.cloud.deployed.raw_bucket, Key="3.csv", Body=b"id\n3\n", StorageClass="GLACIER"
    )
    with tidy.machine() as lake:
        summary = lake.run()
        ((reason,),) = lake.query("SELECT reason FROM penstock.dead_letters").fetchall()
    assert [arrival.key for arrival in summary.dead] == ["3.csv"]
    assert "in an archive" in reason
    assert tidy.rows() == [1, 2]


GROUPS = """
lake: groups
upkeep: {automatic: false}
tables:
  t: {files: "*.csv", partition: [kind]}
"""


def test_compaction_needs_the_disk_of_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched to be joined goes before the next files are fetched: the disk need not hold the whole table."""
    monkeypatch.setattr("penstock.deployment.functions.KEPT_BYTES", 0)
    scene, kinds, each = Scene(tmp_path / "lake", GROUPS), 4, 3
    for at in range(each):
        for kind in range(kinds):
            scene.lake.land(f"{kind}-{at}.csv", f"id,kind\n{at},k{kind}\n".encode())
        scene.drain()
    scene.runtime.close()
    scene.runtime = scene.lake.runtime(scene.clock, "upkeep")
    copies = list[int]()

    def look(place: str) -> None:
        if place == "engine.write":
            copies.append(len(list((scene.lake.work / "upkeep/processed").rglob("*.parquet"))))

    faults.install(look)
    scene.runtime.tend({}, Context())
    (told,) = scene.lake.events("maintained")
    assert (told["files_joined"], told["files_after"]) == (kinds * each, kinds)
    assert max(copies) == each
    assert scene.rows("SELECT count(*), count(DISTINCT kind) FROM t") == [(kinds * each, kinds)]
    scene.close()


class Fading:
    """A context whose time is over once a number of files wait again."""

    def __init__(self, left: int) -> None:
        self.left = left

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return 900_000 if self.left > 0 else 100


def test_a_lost_table_is_made_again_over_several_invocations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are made to wait as far as the time goes, and none is put into it before all of them do."""
    scene = Scene(tmp_path / "lake")
    for at in range(5):
        scene.lake.land(f"t/{at}.csv", f"id\n{at}\n".encode())
    scene.drain()
    aws.client("glue").delete_table(DatabaseName=database_name(scene.lake.deployed.lake, "main"), Name="t")
    monkeypatch.setattr("penstock.arrivals.work.RESTORED_AT_ONCE", 1)
    monkeypatch.setattr("penstock.arrivals.queue.holding.LOOK_SECONDS", 0.02)
    context, requeue = Fading(2), scene.runtime.lake.state.arrivals.requeue

    def requeued(arrival: Arrival, generation: int) -> bool:
        context.left -= 1
        done = requeue(arrival, generation)
        time.sleep(0.0 if context.left > 0 else 0.2)  # in which it is seen that the time is over
        return done

    monkeypatch.setattr(scene.runtime.lake.state.arrivals, "requeue", requeued)
    scene.runtime._queue_worker.catch_up(lambda: context.get_remaining_time_in_millis() / 1000)
    assert [(event["note"]) for event in scene.lake.events("noticed")] == [
        "the table was gone; its files are processed again: 2; 3 more the next time"
    ]
    states = "SELECT state, count(*) FROM penstock.arrivals GROUP BY state ORDER BY state"
    assert scene.rows(states) == [("finished", 3), ("pending", 2)]
    monkeypatch.undo()
    scene.runtime.tend({}, Context())
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(at,) for at in range(5)]
    assert scene.rows(states) == [("finished", 5)]
    scene.close()
