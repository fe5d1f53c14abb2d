"""How long quarantined rows are kept: files of them are removed once they are older than the table declares.

What counts is when the rows were set aside. What shows rows that came back to be in the table stays for as long as they
are. Files that nothing names any more, left by attempts that were replaced or killed, go too, a day after at the
earliest: until then a slow worker may still name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.naming import TableName
from penstock.quality.quarantine import FATE, quarantine_key
from penstock.quality.readmitted import part_name, parts_of
from penstock.state import Head, State
from penstock.storage import Zone

HOUR = 3600.0
UNITS = {"h": HOUR, "d": 24 * HOUR, "w": 7 * 24 * HOUR}
SLOWEST = 24 * HOUR
RECORD = ".readmitted"
ENDING = ".parquet"


@dataclass(frozen=True)
class Purged:
    """Quarantined rows of a file that were removed.

    Attributes:
        file: The file that they came from; None for what an attempt left that nothing names.
        rows: Their number.
        set_aside: When they were set aside, in seconds.
    """

    file: str | None
    rows: int
    set_aside: float


def seconds_of(keep: str) -> float:
    """How long `90d`, `12h` or `2w` is."""
    return int(keep[:-1]) * UNITS[keep[-1]]


def purge(
    state: State, processed: Zone, name: TableName, head: Head | None, before: float, now: float
) -> Iterator[Purged]:
    """Remove the quarantined rows of a table that were set aside before a moment; the caller holds the table's lease.

    Args:
        state: Names the files of quarantined rows.
        processed: Where they stand.
        name: The table.
        head: What it holds.
        before: Rows set aside before this moment are removed, in seconds.
        now: The moment it is.
    """
    for arrival in state.arrivals.find(name, ("finished", "superseded")):
        stem, moment = arrival.quarantine_stem, arrival.finished_at
        if stem is None or moment is None or moment > before:
            continue
        rows = _rows(processed, quarantine_key(name, stem))
        with state.together():
            removed = state.arrivals.requarantine(arrival, None)
            if removed:
                processed.delete(quarantine_key(name, stem))
        if removed and rows:
            yield Purged(arrival.key, rows, moment)
    yield from _sweep(state, processed, name, head, min(before, now - SLOWEST))


def _sweep(state: State, processed: Zone, name: TableName, head: Head | None, before: float) -> Iterator[Purged]:
    """Remove what nothing names."""
    named = {arrival.quarantine_stem for arrival in state.arrivals.find(name)}
    named |= {f"{part_name(part)}{RECORD}" for part in parts_of(head)}
    folder = quarantine_key(name, "").removesuffix(f"/{ENDING}")
    for version in list(processed.everything(folder)):
        stem, moment = version.key[len(folder) + 1 :].removesuffix(ENDING), version.modified_ns / 1e9
        if stem in named or moment > before or not _is_aside(version.key, stem):
            continue
        key = quarantine_key(name, stem)
        rows = 0 if stem.endswith(RECORD) else _rows(processed, key)
        processed.delete(key)
        if rows:
            yield Purged(None, rows, moment)


def _is_aside(key: str, stem: str) -> bool:
    """Whether a file below a table's folder of quarantined rows is one of them, and not somebody else's."""
    return key.endswith(ENDING) and "/" not in stem and not stem.startswith((".", "_"))


def _rows(processed: Zone, key: str) -> int:
    """Rows of a file that are in quarantine."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if processed.stat(key) is None:
        return 0
    fates = pq.read_table(processed.location(key), columns=[FATE], partitioning=None).column(FATE)
    return int(pc.sum(pc.equal(fates, "quarantined")).as_py() or 0)
