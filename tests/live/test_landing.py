"""Every way in which a file can land beside a running `penstock up`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.up import COMMAND, Up, csv, drop, ids, make_lake, up, waiting

WRITER = """
import sys
with open(sys.argv[1], "a") as file:
    for part in sys.argv[2:]:
        file.write(part.replace("|", chr(10)))
        file.flush()
        print("written", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One lake that is up, for all tests of this file; each uses ids of its own."""
    with up(make_lake(tmp_path_factory.mktemp("lake"))) as running:
        yield running


class Writer:
    """A process that writes a file piece by piece, and keeps it open in between."""

    def __init__(self, path: Path, *parts: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), *parts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.heard()

    def heard(self) -> None:
        """Wait until the next piece is in the file."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "written\n"

    def on(self) -> None:
        """Let it go on: write the next piece, or close the file and end."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Wait until it has closed the file and ended."""
        self.process.communicate("\n", timeout=60)


def _create(target: Path, content: str) -> None:
    target.write_text(content)


def _rename(target: Path, content: str) -> None:
    drop(target.parents[2], f"orders/{target.name}", content)


def _hidden(target: Path, content: str) -> None:
    hidden = target.with_name(f".{target.name}.tmp")
    hidden.write_text(content)
    hidden.rename(target)


def _link(target: Path, content: str) -> None:
    aside = target.parents[2] / "aside.csv"
    aside.write_text(content)
    target.hardlink_to(aside)
    aside.unlink()


def _copy(target: Path, content: str) -> None:
    aside = target.parents[2] / "aside.csv"
    aside.write_text(content)
    subprocess.run(["cp", str(aside), str(target)], check=True)


def _in_new_folders(target: Path, content: str) -> None:
    drop(target.parents[2], f"orders/new/folders/deep/{target.name}", content)


LANDINGS: list[Callable[[Path, str], None]] = [_create, _rename, _hidden, _link, _copy, _in_new_folders]


@pytest.mark.parametrize("land", LANDINGS)
def test_a_file_is_picked_up_however_it_lands(live: Up, land: Callable[[Path, str], None]) -> None:
    """Created, renamed into place, shown by a rename, linked, copied, or in folders that are new: its rows are in."""
    first = 1_000 + 100 * LANDINGS.index(land)
    land(live.lake / "raw" / "orders" / f"by{land.__name__}.csv", csv(first))
    name = f"by{land.__name__}.csv"
    live.wait_until(lambda: any(one["file"].endswith(name) for one in live.of("finished")), name)
    assert set(range(first, first + 10)) <= set(ids(live.lake))


def test_a_file_is_not_touched_while_its_writer_pauses(live: Up) -> None:
    """A writer stops in the middle for three seconds, the file open: nothing of it is read before it is closed."""
    path = live.lake / "raw" / "orders" / "slow.csv"
    writer = Writer(path, "id,name|2001,a|20", "02,b|")
    live.wait("growing", file="orders/slow.csv")
    with pytest.raises(subprocess.TimeoutExpired):
        writer.process.wait(3.0)
    assert waiting(live.lake) == []
    assert not live.of("finished", file="orders/slow.csv")
    writer.on()
    writer.heard()
    writer.end()
    live.wait("finished", file="orders/slow.csv", rows_in=2)
    assert {2001, 2002} <= set(ids(live.lake))
    assert 20 not in ids(live.lake)


def test_others_do_not_wait_for_a_file_that_grows(live: Up) -> None:
    """While one file is being written, the next one is taken in."""
    writer = Writer(live.lake / "raw" / "orders" / "open.csv", "id,name|2101,a|")
    live.wait("growing", file="orders/open.csv")
    drop(live.lake, "orders/beside.csv", csv(2110))
    live.wait("finished", file="orders/beside.csv")
    assert not live.of("finished", file="orders/open.csv")
    writer.end()
    live.wait("finished", file="orders/open.csv")


def test_what_is_appended_replaces_what_was_there(live: Up) -> None:
    """Written and closed, appended to and closed again: the rows are those of the last version, each once."""
    path = live.lake / "raw" / "orders" / "append.csv"
    path.write_text("id,name\n2201,a\n")
    live.wait("finished", file="orders/append.csv", rows_in=1)
    with path.open("a") as file:
        file.write("2202,b\n")
    live.wait("finished", file="orders/append.csv", rows_in=2)
    assert [found for found in ids(live.lake) if 2200 < found < 2300] == [2201, 2202]


def test_a_folder_of_files_moved_in_is_taken_in_whole(live: Up) -> None:
    """Five hundred files come with one rename, of which the kernel tells only the folder's name."""
    aside = live.lake / "many"
    aside.mkdir()
    for at in range(500):
        (aside / f"{at}.csv").write_text(f"id,name\n{10_000 + at},x\n")
    aside.rename(live.lake / "raw" / "orders" / "many")
    live.wait_until(lambda: sum("many/" in one["file"] for one in live.of("finished")) == 500, "500 files")
    assert [found for found in ids(live.lake) if found >= 10_000] == list(range(10_000, 10_500))


def test_a_file_that_goes_again_leaves_nothing_behind(live: Up) -> None:
    """A file that is removed before its writer is done is forgotten, and the next of that name is taken in."""
    path = live.lake / "raw" / "orders" / "gone.csv"
    writer = Writer(path, "id,name|2301,a|")
    live.wait("growing", file="orders/gone.csv")
    path.unlink()
    writer.end()
    drop(live.lake, "orders/gone.csv", csv(2310, 1))
    live.wait("finished", file="orders/gone.csv")
    assert [found for found in ids(live.lake) if 2300 < found < 2400] == [2310]


def test_a_name_that_is_not_utf_8_is_taken_in(live: Up) -> None:
    """The library that watches stumbles over such a name; watching goes on, and the file is found."""
    folder = os.fsencode(live.lake / "raw" / "orders")
    with open(folder + b"/caf\xe9.csv", "w") as file:  # noqa: PTH123 - a path has no bytes
        file.write(csv(2400, 1))
    live.wait_until(lambda: any("caf" in one["file"] for one in live.of("finished")), "a name in Latin-1")
    drop(live.lake, "orders/after.csv", csv(2410, 1))
    live.wait("finished", file="orders/after.csv")


def test_a_file_that_no_table_wants_is_named_once(live: Up) -> None:
    """It is said that nobody wants it, and nothing is recorded; hidden and unfinished files are nobody's business."""
    for name in ("notes.txt", ".hidden.csv", "half.csv.part"):
        (live.lake / "raw" / "orders" / name).write_text("x")
    (live.lake / "raw" / "orders" / "notes.txt").write_text("y")
    drop(live.lake, "orders/marker.csv", csv(2500, 1))
    live.wait("finished", file="orders/marker.csv")
    assert [one["file"] for one in live.of("unclaimed")] == ["orders/notes.txt"]


def test_the_raw_folder_may_be_replaced(tmp_path: Path) -> None:
    """Somebody removes raw/ and makes it anew: what lands in the new one is taken in."""
    lake = make_lake(tmp_path / "lake")
    with up(lake) as running:
        shutil.rmtree(lake / "raw")
        (lake / "raw" / "orders").mkdir(parents=True, exist_ok=True)
        drop(lake, "orders/a.csv", csv(1))
        running.wait("finished", file="orders/a.csv")


def test_run_leaves_a_file_that_is_being_written(tmp_path: Path) -> None:
    """`penstock run` says that a file is being written, however long ago it changed, and takes it in once closed."""
    lake = make_lake(tmp_path / "lake")
    writer = Writer(lake / "raw" / "orders" / "slow.csv", "id,name|1,a|")
    call = [*COMMAND, "-C", str(lake), "run", "--json"]
    while_open = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert '"growing": [\n    "orders/slow.csv"\n  ]' in while_open
    writer.end()
    subprocess.run(call, capture_output=True, text=True, check=True)
    assert ids(lake) == [1]
