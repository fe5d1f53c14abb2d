"""The life of a lake that is up: its start, other processes beside it, changes of its declaration, and its end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import penstock
from tests.live.up import COMMAND, DECLARATION, csv, drop, ids, make_lake, up, waiting

BACKLOG = int(os.environ.get("PENSTOCK_BACKLOG", "1000"))
FILES = 60


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake without files."""
    return make_lake(tmp_path / "lake")


def _run(lake: Path, *arguments: str) -> None:
    subprocess.run([*COMMAND, "-C", str(lake), *arguments], capture_output=True, check=True)


def test_files_that_landed_before_are_found_at_the_start(lake: Path) -> None:
    """What came while nobody watched is taken in, also what a killed process had recorded and not finished."""
    for at in range(5):
        drop(lake, f"orders/{at}.csv", csv(at * 10))
    with up(lake) as running:
        running.wait("finished", 5)
        drop(lake, "orders/later.csv", csv(100))
        running.wait("finished", file="orders/later.csv")
    assert ids(lake) == [*range(50), *range(100, 110)]


def test_sigterm_ends_in_order(lake: Path) -> None:
    """SIGTERM lets the files at hand be finished and gives back the rest; what is left is done by the next start."""
    for at in range(FILES):
        drop(lake, f"log/{at}.jsonl", f'{{"id": {at}}}\n')
    with up(lake) as running:
        running.wait("finished", 1)
        assert running.stop() == 0
        assert running.of("down")[0]["drained"]
    done = len(running.of("finished"))
    assert 0 < done < FILES
    assert len(ids(lake, "log")) == done
    assert waiting(lake, ("working",)) == []
    with up(lake) as again:
        again.wait("finished", FILES - done)
    assert ids(lake, "log") == list(range(FILES))


def test_a_killed_one_is_followed_by_the_next(lake: Path) -> None:
    """SIGKILL in the middle of the work: the next start finds everything, and every row is there once."""
    for at in range(120):
        drop(lake, f"orders/{at}.csv", csv(at * 10))
    with up(lake) as running:
        running.wait("started" if running.of("started") else "finished")
        running.process.kill()
        running.process.wait()
    with up(lake) as again:
        drop(lake, "orders/after.csv", csv(5_000))
        again.wait("finished", file="orders/after.csv")
        again.wait_until(lambda: not waiting(lake), "everything to be done")
    assert ids(lake) == [*range(1_200), *range(5_000, 5_010)]


def test_it_hears_what_another_process_recorded(lake: Path) -> None:
    """A dead letter that another process lets wait again is worked on at once: the bell rings."""
    drop(lake, "orders/a.csv", csv(0))
    drop(lake, "orders/bad.csv", "id,name\n1,\x00\xff\n\x00")
    with up(lake) as running:
        running.wait("dead", file="orders/bad.csv")
        _run(lake, "dead", "replay", "--all")
        running.wait("dead", 2, file="orders/bad.csv")


def test_two_of_them_share_one_lake(lake: Path) -> None:
    """Two lakes that are up for one folder: each file is taken in once, by one of them."""
    with up(lake) as one, up(lake) as two:
        for at in range(60):
            drop(lake, f"orders/{at}.csv", csv(at * 10))
        one.wait_until(lambda: not waiting(lake) and len(ids(lake)) == 600, "all files to be in")
        assert len(one.of("finished")) + len(two.of("finished")) == 60
    assert ids(lake) == list(range(600))


def test_a_sound_change_of_the_declaration_is_worked_by(lake: Path) -> None:
    """A new table in lake.yaml takes in its files, those that were nobody's included, without a restart."""
    drop(lake, "more/a.csv", csv(0))
    with up(lake) as running:
        running.wait("unclaimed", file="more/a.csv")
        (lake / "lake.yaml").write_text(DECLARATION + '  more: {files: "more/*.csv"}\n')
        running.wait("declaration_changed")
        running.wait("finished", table="more")
    assert ids(lake, "more") == list(range(10))


def test_a_change_that_is_not_sound_is_refused(lake: Path) -> None:
    """With a mistake in lake.yaml, all goes on as it was declared before, and the mistake is told with its place."""
    with up(lake) as running:
        (lake / "lake.yaml").write_text(DECLARATION + "  more: {filez: x}\n")
        refused = running.wait("declaration_refused")
        assert "lake.yaml:11:3" in refused["problems"][0]
        drop(lake, "orders/a.csv", csv(0))
        running.wait("finished", file="orders/a.csv")


def test_a_backlog_is_worked_off_in_bounded_memory(tmp_path: Path) -> None:
    """Thousands of recorded arrivals take no more memory than a few, at the start and while they are worked off."""
    small, large = make_lake(tmp_path / "small"), make_lake(tmp_path / "large")
    for lake, files in ((small, BACKLOG // 20), (large, BACKLOG)):
        for at in range(files):
            (lake / "raw" / "orders" / f"{at:05}.csv").write_text(csv(at * 10))
        _record(lake)
    assert _peak(large, BACKLOG) < _peak(small, BACKLOG // 20) + 80_000_000


def _record(lake: Path) -> None:
    with penstock.open(lake) as opened:
        opened.discover()


def _peak(lake: Path, files: int) -> int:
    """The most memory that a start and the work on its backlog take."""
    with up(lake) as running:
        running.wait("finished", files)
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1_024
