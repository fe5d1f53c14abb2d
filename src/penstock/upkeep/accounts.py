"""The accounts: every row that came in is in the table, dropped by rule or set aside, and the files agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from penstock.declaration import Table
from penstock.naming import ArrivalName, TableName
from penstock.quality.quarantine import FATE, quarantine_key
from penstock.state import Arrival, DataFile, State
from penstock.storage import Zone
from penstock.upkeep.files import Files
from penstock.upkeep.findings import REPAIR, Report

Content = tuple[str, str]
"""A key and a version, as data files name them."""


class Accounts:
    """Compares what the state store says of arrivals with what the tables hold."""

    def __init__(self, state: State, raw: Zone, processed: Zone, files: Files, report: Report) -> None:
        """Read `state`, look at files in `raw`, and of the quarantine in `processed`; note what is found."""
        self._state, self._raw, self._processed = state, raw, processed
        self._files, self._report = files, report

    def compare(self, name: TableName, table: Table | None, live: Iterable[DataFile], displaced: str) -> None:
        """Compare one table.

        Args:
            name: The table.
            table: What is declared of it, if anything is.
            live: Its data files.
            displaced: Arrivals whose rows another writer took away, as the table remembers them.
        """
        rows, parts = _rows(live)
        arrivals = self._state.arrivals.find(name)
        finished = [arrival for arrival in arrivals if arrival.state == "finished"]
        for arrival in finished:
            self._adds_up(arrival)
            if str(arrival.name) not in displaced:
                self._is_in(arrival, table, rows)
            self._is_set_aside(arrival, table)
        known = {content_of(arrival) for arrival in arrivals if arrival.state != "superseded"}
        lost = {*rows, *parts} - known
        there = {ArrivalName.of(version.key, "").key_id for version in self._raw.list("**")} if lost else set()
        if named := [content for content in lost if content[0] in there]:
            what = f"{len(named)} of the files whose rows it holds are not finished in the state store"
            self._report.find("unknown", name, what, REPAIR)
        if gone := len(lost) - len(named):
            self._report.notes.append(f"{name}: {gone} of the files whose rows it holds are neither known nor in raw/")

    def _adds_up(self, arrival: Arrival) -> None:
        figures = arrival.accounting
        if not figures.adds_up:
            what = (
                f"the account of {arrival.key} does not add up: {figures.rows_in:,} rows in, {figures.rows_out:,} out, "
                f"{sum(figures.dropped.values()):,} dropped, {figures.quarantined:,} quarantined"
            )
            self._report.find("account", arrival.table, what, REPAIR)

    def _is_in(self, arrival: Arrival, table: Table | None, rows: Counter[Content]) -> None:
        """Whether a finished arrival's rows are those that the table holds of it."""
        content, wanted = content_of(arrival), arrival.accounting.rows_out
        ignores = table is not None and table.on_reupload == "ignore"
        if content not in rows and ignores and any(key == content[0] for key, _ in rows):
            return
        if rows[content] != wanted:
            what = f"{arrival.key} gave it {wanted:,} rows, and its data files hold {rows[content]:,} of them"
            self._report.find("rows", arrival.table, what, REPAIR)

    def _is_set_aside(self, arrival: Arrival, table: Table | None) -> None:
        """Whether the rows that were quarantined are where they were put."""
        wanted, stem = arrival.accounting.quarantined, arrival.quarantine_stem
        if stem is None:
            purged = table is not None and table.quarantine.keep is not None
            if wanted and not purged:
                what = f"{wanted:,} rows of {arrival.key} were quarantined, and no file holds them"
                self._report.find("quarantine", arrival.table, what, REPAIR)
            return
        path = self._processed.location(quarantine_key(arrival.table, stem))
        hint = f"put it back from a copy, or: penstock run --reprocess {arrival.table}"
        if self._files.is_whole(path, str(arrival.table), "quarantine file", hint):
            found = quarantined_rows(path)
            if found != wanted:
                what = f"{wanted:,} rows of {arrival.key} were quarantined, and {path} holds {found}"
                self._report.find("quarantine", arrival.table, what, hint)

    def look_at_raw(self, name: TableName) -> None:
        """Compare files in `raw/` with what was read of them."""
        newest = {arrival.key: arrival for arrival in self._state.arrivals.find(name, ("finished",))}
        for arrival in newest.values():
            there = self._raw.stat(arrival.key)
            if there is None:
                self._report.notes.append(f"{name}: {arrival.key} is not in raw/ any more; its rows stay")
                continue
            self._report.files, self._report.bytes = self._report.files + 1, self._report.bytes + there.size
            if self._raw.digest(arrival.key) != arrival.version:
                what = f"{arrival.key} is not what was read any more: its rows are those of the bytes before"
                self._report.find("raw", name, what, "penstock run reads what it is now")


def content_of(arrival: Arrival) -> Content:
    """An arrival's key and version as data files name them."""
    return (arrival.name.key_id, arrival.name.version_id)


def _rows(live: Iterable[DataFile]) -> tuple[Counter[Content], set[Content]]:
    """Rows by content, and contents with rows that came back from quarantine."""
    rows, parts = Counter[Content](), set[Content]()
    for file in live:
        for member in file.members:
            content = (member.arrival.key_id, member.arrival.version_id)
            if member.part is None:
                rows[content] += member.rows
            else:
                parts.add(content)
    return rows, parts


def quarantined_rows(path: str) -> int | None:
    """Rows of a quarantine file that were quarantined; None where it cannot be read."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(Path(path)) as file:
            fates = file.read(columns=[FATE]).column(FATE)
    except (pa.ArrowException, OSError):
        return None
    return int(pc.sum(pc.equal(fates, "quarantined")).as_py() or 0)
