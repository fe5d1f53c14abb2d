"""Lakes for the tests of the road: small, dirty, and comparable row by row."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import penstock
from penstock import faults
from penstock.arrivals import Summary
from penstock.lake import Lake

PATIENT = "retry: {attempts: 1000}  # who is killed again and again is not to blame"
DECLARATION = f"""
lake: storm
{PATIENT}
tables:
  events:
    files: "events*.csv"
    steps:
      - parse: {{at: date}}
      - derive: {{twice: amount * 2}}
      - require: [name]
  curated.codes:
    files: "codes/*.csv"
"""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["penstock.lake", "penstock.arrivals", "pyiceberg.catalog.sql", "pyiceberg.io.pyarrow"])


def make_lake(folder: Path, declaration: str = DECLARATION) -> Path:
    """Make a lake without files."""
    (folder / "raw" / "codes").mkdir(parents=True)
    (folder / "lake.yaml").write_text(declaration, encoding="utf-8")
    return folder


def land(lake: Path, key: str, content: bytes) -> None:
    """Let a file land the way careful writers do: written aside, then renamed."""
    target = lake / "raw" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(target)


def run(lake: Path, **options: Any) -> Summary:
    """One run over everything that is new."""
    with penstock.open(lake) as opened:
        return opened.run(**options)


def ask(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with penstock.open(lake) as opened:
        return opened.query(sql).fetchall()


def drop(lake: Path, key: str, seed: int, rows: int = 40) -> None:
    """Let a file of random rows land, some of which are dropped or set aside."""
    chance = random.Random(seed)
    lines = ["id,name,amount,at"]
    for at in range(rows):
        name = chance.choice(["Zoë", "", "O'Hara", '"a, b"', "x"])
        date = chance.choice(["2024-01-05", "2024-02-30", "2023-12-31"])
        lines.append(f"{seed * 1000 + at},{name},{chance.randint(0, 99)},{date}")
    land(lake, key, ("\n".join(lines) + "\n").encode())


def contents(lake: Path) -> dict[str, Any]:
    """Everything that must be the same however the lake was processed: rows, quarantine, and accounts per file."""
    with penstock.open(lake) as opened:
        return contents_of(opened)


def contents_of(opened: Lake) -> dict[str, Any]:
    """The same of a lake that is open, wherever it stands."""
    rows = {table: sorted(map(repr, opened.query(f"SELECT * FROM {table}").fetchall())) for table in opened.tables}
    quarantine = sorted(map(repr, opened.query("SELECT * FROM penstock.quarantine").fetchall()))
    accounts = sorted(
        map(
            repr,
            opened.query(
                "SELECT table_name, file, version, rows_in, rows_out, rows_dropped, rows_quarantined "
                "FROM penstock.arrivals WHERE state = 'finished'"
            ).fetchall(),
        )
    )
    waiting = opened.query("SELECT count(*) FROM penstock.arrivals WHERE state IN ('pending', 'working')").fetchall()
    return {"rows": rows, "quarantine": quarantine, "accounts": accounts, "waiting": waiting[0][0]}


def recomputed(lake: Path, folder: Path) -> dict[str, Any]:
    """What an undisturbed lake makes of the same raw files."""
    make_lake(folder)
    for file in sorted((lake / "raw").rglob("*.csv")):
        target = folder / "raw" / file.relative_to(lake / "raw")
        target.write_bytes(file.read_bytes())
    start(folder).join()
    return contents(folder)


def digest(found: dict[str, Any]) -> str:
    """A short name for contents, for messages."""
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:12]


def start(lake: Path, kill_at: int | None = None) -> ForkServerProcess:
    """Run the lake once in a process of its own, killed by SIGKILL at the n-th fault place if given."""
    process = CONTEXT.Process(target=_run, args=(str(lake), kill_at))
    process.start()
    return process


def _run(lake: str, kill_at: int | None) -> None:
    if kill_at is not None:
        faults.install(killer(kill_at))
    with penstock.open(lake) as opened:
        opened.run()


def killer(at: int) -> Callable[[str], None]:
    """Ends the process by SIGKILL at the n-th fault place that it reaches."""
    left = at

    def reach(_place: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def places_reached(lake: Path) -> int:
    """How many fault places one undisturbed run reaches; the run is made in this process."""
    count = 0

    def reach(_place: str) -> None:
        nonlocal count
        count += 1

    faults.install(reach)
    try:
        with penstock.open(lake) as opened:
            opened.run()
    finally:
        faults.install(None)
    return count
