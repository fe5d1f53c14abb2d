"""Lakes with bad files beside good ones: one table per case, so that one run shows what becomes of them all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import penstock

GOOD = b"id,name,amount\n1,ann,10\n2,bob,20\n3,eve,30\n"
GOOD_ROWS = [(1, "ann", 10), (2, "bob", 20), (3, "eve", 30)]
HEAD = b"id,name,amount\n"
BAD_PYTHON = ("Error:", "Exception", "Traceback", "TypeError", "KeyError", "internal error", "/scratch/", "NoneType")
Content = bytes | Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A bad file, and what must become of it.

    Attributes:
        content: Its bytes, or what makes it at a path.
        key: Its name.
        rows: Rows of it that are in the table.
        quarantined: Line and reason of rows that are not.
        dead: How the reason of its dead letter starts; the file is not in the table then.
        alone: Whether the table has no good file beside it, so that this one decides the columns.
    """

    content: Content
    key: str = "bad.csv"
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[tuple[int, str]] = field(default_factory=list)
    dead: str | None = None
    alone: bool = False


@dataclass(frozen=True)
class Became:
    """What became of a bad file.

    Attributes:
        rows: Rows of the table, without the good file's.
        good: Whether the good file's rows are in.
        quarantined: Line and reason, by line.
        raw: Raw text of the quarantined rows, by line.
        dead: The reason of its dead letter.
        seconds: How long it took.
        accounts: Rows in, out and quarantined of the file.
    """

    rows: list[tuple[Any, ...]]
    good: bool
    quarantined: list[tuple[int, str]]
    raw: list[str]
    dead: str | None
    seconds: float
    accounts: tuple[int, int, int]


def put(folder: Path, key: str, content: Content, at: float = 2_000_000_000.0) -> Path:
    """Put a file into a folder, with a time of its own."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    os.utime(path, (at, at), follow_symlinks=False)
    return path


def lake_of(folder: Path, cases: Mapping[str, Case], extra: str = "") -> Path:
    """A lake with a table and a folder per case."""
    lines = ["lake: hostile", "tables:"]
    for name, case in cases.items():
        lines.append(f'  {name}: {{files: "{name}/**"{extra}}}')
        if not case.alone:
            put(folder / "raw" / name, "good.csv", GOOD, 1_000_000_000.0)
        put(folder / "raw" / name, case.key, case.content)
    (folder / "lake.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def bytes_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder with its time and, unless it is large, its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            content = path.read_bytes() if facts.st_size < 5_000_000 else str(facts.st_size).encode()
            found[str(path)] = (facts.st_mtime_ns, content)
        else:
            found[str(path)] = (facts.st_mtime_ns, b"")
    return found


def contents(lake: Path) -> dict[str, list[str]]:
    """What a second run must not change: rows, quarantine, arrivals."""
    asked = [
        "SELECT * FROM penstock.quarantine",
        "SELECT * FROM penstock.warnings",
        "SELECT * FROM penstock.dead_letters",
        "SELECT table_name, file, version, state, rows_in, rows_out FROM penstock.arrivals",
    ]
    with penstock.open(lake) as opened:
        asked += [f"SELECT * FROM {table}" for table in opened.tables]
        return {sql: sorted(map(repr, opened.query(sql).fetchall())) for sql in asked}


def assert_settled(lake: Path) -> None:
    """Another run finds nothing to do."""
    before = contents(lake)
    with penstock.open(lake) as opened:
        assert opened.run().files == {}
    assert contents(lake) == before


def run(lake: Path) -> dict[str, float]:
    """Run a lake once; gives the seconds of work that each bad file took, by table."""
    began: dict[tuple[str, str], float] = {}
    seconds: dict[str, float] = {}

    def start(facts: dict[str, Any]) -> None:
        began[facts["table"], facts["file"]] = time.process_time()

    def end(facts: dict[str, Any]) -> None:
        if not facts["file"].endswith("good.csv"):
            seconds[facts["table"]] = time.process_time() - began[facts["table"], facts["file"]]

    with penstock.open(lake) as opened:
        opened.signals.listen("started", start)
        opened.signals.listen("finished", end)
        opened.signals.listen("dead", end)
        opened.run()
    return seconds


def become(lake: Path, cases: Mapping[str, Case]) -> dict[str, Became]:
    """Run a lake twice, hold what must always hold, and tell what became of every case."""
    before = bytes_of(lake / "raw")
    seconds = run(lake)
    after = contents(lake)
    run(lake)
    assert contents(lake) == after, "a second run changed something"
    assert bytes_of(lake / "raw") == before, "raw/ was touched"
    assert not list((lake / ".penstock").rglob("scratch/*")), "something was left behind"
    with penstock.open(lake) as opened:
        return {name: _became(opened, name, case, seconds[name]) for name, case in cases.items()}


def _became(opened: penstock.Lake, name: str, case: Case, seconds: float) -> Became:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        return opened.query(sql).fetchall()

    rows = ask(f"SELECT * FROM {name} ORDER BY ALL") if name in opened.tables else []
    good = case.alone or all(row in rows for row in GOOD_ROWS)
    mine = rows if case.alone else [row for row in rows if row[: len(GOOD_ROWS[0])] not in GOOD_ROWS]
    aside = ask(f"SELECT line, reason, raw FROM penstock.quarantine WHERE table_name = '{name}' ORDER BY line")
    dead = ask(f"SELECT reason FROM penstock.dead_letters WHERE table_name = '{name}'")
    (account,) = ask(
        "SELECT rows_in, rows_out, rows_quarantined FROM penstock.arrivals "
        f"WHERE table_name = '{name}' AND file NOT LIKE '%good.csv'"
    )
    return Became(
        rows=mine,
        good=good,
        quarantined=[(line, reason) for line, reason, _ in aside],
        raw=[raw for _, _, raw in aside],
        dead=dead[0][0] if dead else None,
        seconds=seconds,
        accounts=account,
    )


def assert_became(case: Case, became: Became) -> None:
    """Hold a case to what was written of it."""
    assert became.good, "the good file was harmed"
    assert (became.dead or "").startswith(case.dead or "")
    assert (became.dead is None) == (case.dead is None), became.dead
    assert became.rows == case.rows
    assert became.quarantined == case.quarantined
    rows_in, rows_out, quarantined = became.accounts
    assert rows_in == rows_out + quarantined
    assert not [word for word in BAD_PYTHON if word in (became.dead or "")]
    assert became.seconds < 5, f"{became.seconds:.1f} s"
