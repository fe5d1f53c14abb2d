"""One byte of a lake's files flipped: what a query gives then, and what verify finds."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import penstock
from penstock.errors import PenstockError
from tests.road.lakes import drop, make_lake

TABLES = ("events", "curated.codes")
ASIDE = "SELECT * FROM penstock.quarantine"
ACCOUNTS = (
    "SELECT table_name, file, version, rows_in, rows_out, rows_dropped, rows_quarantined "
    "FROM penstock.arrivals WHERE state = 'finished'"
)
Rows = dict[str, list[str]]


def make(folder: Path) -> Path:
    """A small lake with files that were replaced, rows that were set aside and several commits."""
    lake = make_lake(folder)
    for seed in range(2):
        drop(lake, f"events{seed}.csv", seed, rows=30)
        drop(lake, f"codes/{seed}.csv", 50 + seed, rows=5)
        with penstock.open(lake) as opened:
            opened.run()
    drop(lake, "events1.csv", 9, rows=12)
    (lake / "raw" / "events8.csv").write_text('id,name,amount,at\n1,a,2,2024-01-01\n2,b,"3,2024-01-01\n')
    with penstock.open(lake) as opened:
        opened.run()
    return lake


def answers(lake: Path, *, with_state: bool) -> Rows:
    """What queries give: all tables, and with the state store what was set aside and the accounts."""
    found: Rows = {}
    with penstock.open(lake) as opened:
        statements = [f"SELECT * FROM {table}" for table in TABLES]
        statements += [ASIDE, ACCOUNTS] if with_state else []
        for sql in statements:
            found[sql] = sorted(map(repr, opened.query(sql).fetchall()))
    return found


@dataclass
class Original:
    """A lake's files as they were, to be put back."""

    lake: Path
    copy: Path

    def keep(self) -> None:
        """Take a copy of what queries may change or a flip may damage."""
        for name in (".penstock", "processed"):
            shutil.copytree(self.lake / name, self.copy / name)

    def put_back(self, file: Path) -> None:
        """Put one file back, and the databases that queries write to."""
        state = self.lake / ".penstock"
        databases = [*state.glob("state.db*"), *(self.lake / "processed").glob("*.db*")]
        for path in {*databases, file}:
            path.unlink(missing_ok=True)
            kept = self.copy / path.relative_to(self.lake)
            if kept.exists():
                shutil.copy2(kept, path)
        for kept in (*(self.copy / ".penstock").glob("state.db*"), *(self.copy / "processed").glob("*.db*")):
            path = self.lake / kept.relative_to(self.copy)
            if not path.exists():
                shutil.copy2(kept, path)


def flip(file: Path, chance: random.Random, *, hidden: bool) -> int:
    """Flip one bit of one byte; where `hidden`, the time of the last change is set back. Gives the byte's place."""
    facts = file.stat()
    at = _place(file.read_bytes(), chance)
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ (1 << chance.randrange(8))]))
    if hidden:
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return at


def _place(content: bytes, chance: random.Random) -> int:
    """A byte's place; mostly one that is not zero, for much of a database is empty."""
    used = [at for at, byte in enumerate(content) if byte]
    return chance.choice(used) if chance.random() < 0.9 else chance.randrange(len(content))


def outcome(lake: Path, truth: Rows, *, with_state: bool) -> str:
    """`right` rows, or a clear `error`; anything else is `wrong`, with what it was."""
    try:
        found = answers(lake, with_state=with_state)
    except PenstockError:
        return "error"
    wanted = {sql: rows for sql, rows in truth.items() if sql in found}
    return "right" if found == wanted else "wrong"


def tell(title: str, counts: dict[str, Counter[str]]) -> str:
    """One line with the outcomes by kind of file."""
    parts = [f"{kind}: {', '.join(f'{n} {what}' for what, n in sorted(c.items()))}" for kind, c in counts.items()]
    return f"{title}: {sum(c.total() for c in counts.values())} flips; {'; '.join(parts)}"


def kind_of(file: Path) -> str:
    """What a file of a lake is."""
    if file.suffix == ".db":
        return file.name
    if file.name.endswith(".metadata.json"):
        return "metadata"
    if file.suffix == ".avro":
        return "manifest list" if file.name.startswith("snap-") else "manifest"
    return "quarantine" if "_quarantine" in file.parts else "data"
