"""Repair: whatever is lost or old, the next run reads nothing twice and forgets nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.errors import IntegrityError, StateError
from tests.integrity.flips import answers
from tests.road.lakes import contents, drop, make_lake, recomputed, start


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with a replaced file, quarantined and dropped rows."""
    made = make_lake(tmp_path / "lake")
    for seed in range(3):
        drop(made, f"events{seed}.csv", seed)
    drop(made, "codes/1.csv", 7, rows=5)
    (made / "raw" / "events8.csv").write_text('id,name,amount,at\n1,a,2,2024-01-01\n2,b,"3,2024-01-01\n')
    run(made)
    drop(made, "events1.csv", 30)
    run(made)
    return made


def run(lake: Path) -> int:
    """One run; gives the number of files that were taken in."""
    with penstock.open(lake) as opened:
        return sum(opened.run().files.values())


def mend(lake: Path) -> list[str]:
    """One repair; gives the kinds of things done."""
    with penstock.open(lake) as opened:
        done = opened.repair()
    assert not done.left, done.left
    return [deed.kind for deed in done.deeds]


def findings(lake: Path) -> list[str]:
    """What verify finds."""
    with penstock.open(lake) as opened:
        return list(map(str, opened.verify(raw=True).findings))


def data_files(lake: Path) -> list[Path]:
    """Live data files of the table events."""
    with penstock.open(lake) as opened:
        head = opened.catalog.head(next(name for name in opened.catalog.tables() if str(name) == "events"))
    return sorted(Path(file.path) for file in (head.files if head else ()))


def forget(lake: Path) -> None:
    """Lose the state store."""
    for path in (lake / ".penstock").glob("state.db*"):
        path.unlink()


def events(lake: Path) -> list[dict[str, Any]]:
    """What the log holds."""
    lines = (lake / ".penstock" / "logs" / "penstock.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def damage(file: Path) -> None:
    """Change the last byte of a file."""
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def assert_whole(lake: Path, before: dict[str, Any]) -> None:
    """Everything is as it was, nothing is found, and nothing is read twice."""
    assert contents(lake) == before
    assert findings(lake) == []
    assert run(lake) == 0, "nothing is read twice"


def test_a_lost_store_comes_back_whole(lake: Path) -> None:
    """With the log, everything is as it was: rows, quarantine, accounts, runs; and nothing is left to do."""
    before, runs = contents(lake), history(lake)
    forget(lake)
    assert "finished" in mend(lake)
    assert history(lake) == runs
    assert_whole(lake, before)
    assert mend(lake) == [], "a second repair changes nothing"


def history(lake: Path) -> list[tuple[object, ...]]:
    """Runs and where their rows went."""
    with penstock.open(lake) as opened:
        sql = "SELECT run, table_name, state, rows_in, rows_out, rows_quarantined FROM penstock.runs ORDER BY 1"
        return opened.query(sql).fetchall()


def test_without_the_log_rows_and_quarantine_come_back(lake: Path) -> None:
    """What cannot be known is said: how many rows were dropped."""
    before = contents(lake)
    shutil.rmtree(lake / ".penstock")
    with penstock.open(lake) as opened:
        done = opened.repair()
    assert any("were dropped is not known any more" in note for note in done.notes)
    after = contents(lake)
    assert (after["rows"], after["quarantine"]) == (before["rows"], before["quarantine"])
    assert findings(lake) == []
    assert run(lake) == 0


def test_a_damaged_store_is_moved_aside_and_what_can_be_read_is_kept(lake: Path) -> None:
    """A flipped byte in the store: queries refuse, repair takes over the sound rows and mends the rest."""
    before, file = contents(lake), lake / ".penstock" / "state.db"
    content = file.read_bytes()
    at = content.index(b"events2.csv") if b"events2.csv" in content else content.index(b"events")
    file.write_bytes(content[:at] + b"E" + content[at + 1 :])
    with pytest.raises(StateError, match="penstock repair"), penstock.open(lake) as opened:
        opened.query("SELECT * FROM events")
    assert any("state store" in found for found in findings(lake))
    assert mend(lake)[:2] == ["state", "state"]
    assert list((lake / ".penstock" / "damaged").glob("*/state.db")), "the damaged store is kept"
    assert_whole(lake, before)


def test_an_older_copy_of_the_store_is_brought_up_to_date(lake: Path, tmp_path: Path) -> None:
    """The store is behind the tables: a file was replaced and another came since; nothing is read twice."""
    shutil.copytree(lake / ".penstock", tmp_path / "old")
    drop(lake, "events0.csv", 40)
    drop(lake, "events5.csv", 50)
    run(lake)
    before = contents(lake)
    logs = (lake / ".penstock" / "logs" / "penstock.jsonl").read_bytes()
    shutil.rmtree(lake / ".penstock")
    shutil.copytree(tmp_path / "old", lake / ".penstock")
    (lake / ".penstock" / "logs" / "penstock.jsonl").write_bytes(logs)
    assert findings(lake)
    assert "finished" in mend(lake)
    assert_whole(lake, before)


def test_older_tables_get_back_what_they_lack(lake: Path, tmp_path: Path) -> None:
    """The tables are behind the store: what they lack is read again, and the newest version wins."""
    shutil.copytree(lake / "processed", tmp_path / "old")
    drop(lake, "events0.csv", 41)
    drop(lake, "events6.csv", 60)
    run(lake)
    shutil.rmtree(lake / "processed")
    shutil.copytree(tmp_path / "old", lake / "processed", copy_function=shutil.copy2)
    assert findings(lake)
    assert mend(lake).count("waits") == 2
    assert run(lake) == 2
    assert contents(lake) == recomputed(lake, tmp_path / "again")
    assert findings(lake) == []


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_data_file_is_written_anew_from_its_raw_file(lake: Path, tmp_path: Path, harm: str) -> None:
    """A live file that is gone or changed: queries refuse, repair lets its raw file wait, the run mends the table."""
    victim = data_files(lake)[0]
    if harm == "missing":
        victim.unlink()
    else:
        damage(victim)
    with pytest.raises(IntegrityError, match="penstock repair"), penstock.open(lake) as opened:
        opened.query("SELECT * FROM events")
    assert any(str(victim) in found for found in findings(lake))
    assert "waits" in mend(lake)
    assert "waits" not in mend(lake), "once is enough"
    run(lake)
    assert contents(lake)["rows"] == recomputed(lake, tmp_path / "again")["rows"]
    assert all("of an earlier snapshot" in found for found in findings(lake)), "the past cannot be mended"


def test_a_data_file_without_its_raw_file_is_said_plainly(lake: Path) -> None:
    """Nothing is made up: what cannot be mended is left, refused by queries, and named."""
    victim = next(path for path in data_files(lake))
    damage(victim)
    for path in (lake / "raw").glob("events*.csv"):
        path.unlink()
    with penstock.open(lake) as opened:
        done = opened.repair()
        assert [found.kind for found in done.left] == ["damaged"]
        assert str(victim) in done.left[0].what
        with pytest.raises(IntegrityError):
            opened.query("SELECT * FROM events")


def test_a_dry_run_changes_nothing(lake: Path) -> None:
    """A dry run says what a repair would do, and leaves every byte."""
    forget(lake)
    files = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    with penstock.open(lake) as opened:
        told = [str(deed) for deed in opened.repair(dry_run=True).deeds]
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == files
    with penstock.open(lake) as opened:
        assert [str(deed) for deed in opened.repair().deeds] == told


def test_repair_refuses_while_a_worker_lives_and_clears_up_after_dead_ones(lake: Path) -> None:
    """A worker that holds its lock keeps repair away; once it is killed, what it left is removed."""
    drop(lake, "events9.csv", 90, rows=4000)
    worker = start(lake)
    workers = lake / ".penstock" / "workers"
    while not any(workers.iterdir()):
        assert worker.is_alive()
    with pytest.raises(StateError, match="at work"), penstock.open(lake) as opened:
        opened.repair()
    worker.kill()
    worker.join()
    (lake / ".penstock" / "scratch" / "left").mkdir(parents=True, exist_ok=True)
    kinds = mend(lake)
    assert "workers" in kinds
    assert "leftovers" in kinds
    assert list(workers.iterdir()) == []
    run(lake)
    assert findings(lake) == []


def test_lost_and_damaged_seals_are_made_anew(lake: Path) -> None:
    """Without seals, files that read well are sealed when they are seen; a damaged database of seals is moved aside."""
    before, seals = answers(lake, with_state=True), lake / "processed" / "seals.db"
    seals.unlink()
    assert answers(lake, with_state=True) == before
    assert any(event["event"] == "sealed" for event in events(lake)), "sealing without a witness is said"
    seals.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    with pytest.raises(IntegrityError, match="seals are damaged"):
        answers(lake, with_state=True)
    assert mend(lake)[0] == "seals"
    assert answers(lake, with_state=True) == before


def test_what_is_done_stands_in_the_log(lake: Path) -> None:
    """Every deed of a repair is an event of the log."""
    forget(lake)
    with penstock.open(lake) as opened:
        deeds = opened.repair().deeds
    logged = [event["what"] for event in events(lake) if event["event"] == "repaired"]
    assert logged == [deed.what for deed in deeds]
