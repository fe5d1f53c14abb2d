"""The journal: what is kept, rotation, and following across it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from penstock.clock import HeldClock, SystemClock
from penstock.runs import Journal, Limits
from penstock.runs.journal import FILE

WRITER = """
import sys
from pathlib import Path
from penstock.clock import SystemClock
from penstock.runs import Journal, Limits
folder, who, count, size, files = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
journal = Journal(folder, SystemClock(), lambda: Limits(size, files))
for number in range(count):
    journal.write({"event": "note", "who": who, "number": number, "text": "x" * (number % 90)})
"""


def journal_of(folder: Path, size: int = 2_000, files: int = 3) -> Journal:
    """A journal that rotates soon, and whose clock stands still."""
    return Journal(folder, HeldClock(), lambda: Limits(size, files))


def numbers(folder: Path) -> list[int]:
    """The numbers of every line of every file, oldest file first."""
    names = sorted(folder.glob(f"{FILE}*"), key=lambda path: -int(path.name.removeprefix(FILE)[1:] or 0))
    return [json.loads(line)["number"] for path in names for line in path.read_text().splitlines()]


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    """A file of the declared size gets the next number; more than the declared number of files is never kept."""
    journal = journal_of(tmp_path)
    for number in range(200):
        journal.write({"event": "note", "number": number})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [FILE, f"{FILE}.1", f"{FILE}.2", f"{FILE}.3"]
    kept = numbers(tmp_path)
    assert kept == list(range(200))[-len(kept) :]
    assert 2_000 <= (tmp_path / f"{FILE}.1").stat().st_size < 2_100


def test_fewer_files_are_kept_once_fewer_are_declared(tmp_path: Path) -> None:
    """Lowering the number removes what is beyond it at the next rotation."""
    many = journal_of(tmp_path, files=6)
    for number in range(400):
        many.write({"event": "note", "number": number})
    assert (tmp_path / f"{FILE}.6").exists()
    few = journal_of(tmp_path, files=2)
    for number in range(400, 440):
        few.write({"event": "note", "number": number})
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, f"{FILE}.1", f"{FILE}.2"]


def test_the_last_events_come_from_as_many_files_as_are_needed(tmp_path: Path) -> None:
    """`tail` reads on in older files, and stops at the mark although more was written since."""
    journal = journal_of(tmp_path, files=9)
    for number in range(80):
        journal.write({"event": "note", "number": number})
    with journal.mark() as mark:
        for number in range(80, 120):
            journal.write({"event": "note", "number": number})
        assert [event["number"] for event in journal.tail(60, mark=mark)] == list(range(20, 80))
        assert [event["number"] for event in journal.tail(2, lambda event: event["number"] % 10 == 0, mark)] == [60, 70]
    assert [event["number"] for event in journal.tail(3)] == [117, 118, 119]


def test_what_is_too_old_is_left_out(tmp_path: Path) -> None:
    """With a moment, only events from then on are given."""
    clock = HeldClock()
    journal = Journal(tmp_path, clock)
    for number in range(10):
        journal.write({"event": "note", "number": number})
        clock.sleep(100)
    found = journal.tail(1_000, since=clock.now() - 250)
    assert [event["number"] for event in found] == [8, 9]


def test_a_torn_line_takes_no_other_with_it(tmp_path: Path) -> None:
    """After a line that a full disk cut off, the next event stands on a line of its own."""
    journal = journal_of(tmp_path)
    journal.write({"event": "note", "number": 1})
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"time": "2026-')
    journal.write({"event": "note", "number": 2})
    assert [event["number"] for event in journal.tail(10)] == [1, 2]


def test_following_starts_where_the_tail_ended(tmp_path: Path) -> None:
    """What is written between the two, rotations included, is followed once."""
    journal = journal_of(tmp_path, files=9)
    for number in range(30):
        journal.write({"event": "note", "number": number})
    with journal.mark() as mark:
        for number in range(30, 150):
            journal.write({"event": "note", "number": number})
        following = journal.follow(mark)
        assert [next(following)["number"] for _ in range(120)] == list(range(30, 150))
        following.close()


def test_an_empty_journal_is_followed_from_its_first_line(tmp_path: Path) -> None:
    """Who follows before anything was written misses nothing."""
    journal = journal_of(tmp_path / "logs")
    with journal.mark() as mark:
        journal.write({"event": "note", "number": 0})
        following = journal.follow(mark)
        assert next(following)["number"] == 0
        following.close()


def test_files_that_went_before_they_were_followed_are_told(tmp_path: Path) -> None:
    """Where rotation was faster than the reader, the reader hears of the gap instead of a silent jump."""
    journal = journal_of(tmp_path, files=1)
    journal.write({"event": "note", "number": 0})
    with journal.mark() as mark:
        for number in range(1, 200):
            journal.write({"event": "note", "number": number})
        following = journal.follow(mark)
        found = [next(following)]
        while found[-1].get("number") != 199:
            found.append(next(following))
        following.close()
    gap = [event["event"] for event in found].index("gap")
    after = [event["number"] for event in found[gap + 1 :]]
    assert [event["number"] for event in found[:gap]] == list(range(1, 1 + gap))
    assert after == list(range(after[0], 200))
    assert after[0] > gap + 1


def test_several_processes_write_while_one_follows(tmp_path: Path) -> None:
    """Four processes write through dozens of rotations: every line is followed once, each writer's in its order."""
    writers, count = 4, 2_000
    size, files = 20_000, 1_000
    reader = Journal(tmp_path, SystemClock(), lambda: Limits(size, files))
    tmp_path.mkdir(exist_ok=True)
    found: list[tuple[str, int]] = []
    done = threading.Event()

    def follow() -> None:
        with reader.mark() as mark:
            for event in reader.follow(mark):
                found.append((event["who"], event["number"]))
                if len(found) == writers * count:
                    break
        done.set()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    arguments = [str(count), str(size), str(files)]
    commands = [[sys.executable, "-P", "-c", WRITER, str(tmp_path), f"w{who}", *arguments] for who in range(writers)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=60) for process in processes] == [0] * writers
    assert done.wait(30), f"only {len(found)} of {writers * count} lines were followed"
    for who in range(writers):
        assert [number for name, number in found if name == f"w{who}"] == list(range(count))
    assert len(list(tmp_path.glob(f"{FILE}.*"))) > 20
