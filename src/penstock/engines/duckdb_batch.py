"""Many small files in one go: their records, one file after the other, are worked on by one query.

What a query costs before its first row is paid once instead of per file. Which rows are whose is told by the records'
ordinals, because it is known how many each file has.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from penstock.engines.duckdb_feed import RAGGED
from penstock.engines.duckdb_sql import FEED, cells, with_source
from penstock.engines.engine import FATE, ORDINAL, PLACE, ROW, Parsed, Rejected, SetAside, Work, Written, flag_column
from penstock.errors import AccountingError
from penstock.formats.csv import feed
from penstock.formats.csv.certain import arrow_integers, arrow_type, certain_columns
from penstock.naming import identifier

if TYPE_CHECKING:
    import duckdb

TABLE = "penstock_batch"
FILE, LAST, CELLS = "__penstock_file", "__penstock_last", "__penstock_cells"
FLAGGED = ("warned", "added")


class DuckDBBatch:
    """The rows of several files, worked on and not yet written; keeps the contract of `Batch`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, work: Work, files: Sequence[Parsed]) -> None:
        """Do the work on the records of several files."""
        self._connection, self._work, self._files = connection, work, files
        self._last = list(accumulate(file.records.num_rows for file in files))
        connection.register(FEED, _stream(work, files))
        connection.execute("SET preserve_insertion_order=true")
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {self._rows()}")
            self.written = self._counted()
        except BaseException:
            self.close()
            raise
        finally:
            connection.execute("SET preserve_insertion_order=false")
            connection.unregister(FEED)

    def _rows(self) -> str:
        work = self._work
        columns = [
            f"CAST({identifier(column.name)} AS {column.type}) AS {identifier(column.name)}" for column in work.columns
        ]
        flags = [flag_column(at) for at, rule in enumerate(work.rules) if rule.fate in FLAGGED]
        texts = f"CASE WHEN {FATE} IS NOT NULL THEN [{cells(work)}] END AS {CELLS}"
        select = f"SELECT {', '.join([*columns, FATE, *flags, texts, PLACE[1], ROW, ORDINAL])} FROM ({work.select})"
        return with_source(replace(work.source, fed=True), select, ordered=True)

    def _counted(self) -> tuple[Written, ...]:
        """What became of each file's rows."""
        rules = self._work.rules
        conditions = [flag_column(at) if rule.fate in FLAGGED else f"{FATE} = {at}" for at, rule in enumerate(rules)]
        counts = ", ".join(
            ["count(*)", *(f"count(*) FILTER ({condition})" for condition in [f"{FATE} IS NULL", *conditions])]
        )
        found = {row[0]: row[1:] for row in self._of_files(f"{counts} ", f"GROUP BY {FILE}")}
        noted: dict[int, list[SetAside]] = {}
        asked = ", ".join(str(at) for at, rule in enumerate(rules) if rule.fate == "quarantined")
        facts = f"{FATE}, {CELLS}, {PLACE[1]}, {ROW} "
        for file, fate, texts, offset, made in self._of_files(facts, f"WHERE {FATE} IN ({asked})") if asked else ():
            noted.setdefault(file, []).append(SetAside(0, fate, texts, None, offset, None, made))
        return tuple(
            self._written(at, found.get(at, (0,) * (len(rules) + 2)), noted.get(at, []))
            for at in range(len(self._files))
        )

    def _of_files(self, what: str, which: str) -> list[tuple[Any, ...]]:
        """Facts of the rows, with the number of their file."""
        ends = f"SELECT unnest({self._last}) AS {LAST}, unnest(range({len(self._files)})) AS {FILE}"
        sql = f"SELECT {FILE}, {what} FROM {TABLE} ASOF LEFT JOIN ({ends}) ON {ORDINAL} <= {LAST} {which}"
        return self._connection.execute(sql).fetchall()

    def _written(self, at: int, counts: Sequence[int], noted: list[SetAside]) -> Written:
        parsed = self._files[at]
        if counts[0] != parsed.records.num_rows:
            raise AccountingError(
                f"{parsed.records.num_rows:,} records were read, but {counts[0]:,} reached the engine",
                hint="nothing was committed; please report this with the file, it is a defect",
            )
        refused = tuple(Rejected(record.offset, RAGGED, record.reason, record.raw) for record in parsed.refused)
        return Written(counts[0] + len(refused), counts[1], tuple(counts[2:]), refused, 0, tuple(noted))

    def select(self, without: Collection[int]) -> str:
        """SELECT over the rows to keep, in the order of the files, leaving some files out."""
        columns = ", ".join(identifier(column.name) for column in self._work.columns)
        starts = [0, *self._last]
        gone = "".join(f" AND NOT ({ORDINAL} BETWEEN {starts[at] + 1} AND {self._last[at]})" for at in sorted(without))
        return f"SELECT {columns} FROM {TABLE} WHERE {FATE} IS NULL{gone} ORDER BY {ORDINAL}"

    def close(self) -> None:
        """Let go of the rows."""
        self._connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def _stream(work: Work, files: Sequence[Parsed]) -> Any:
    """All records one after the other, numbered, as an Arrow stream that can be taken once.

    Which values are certain is not found out: that would take longer for small files than to read their texts.
    """
    import pyarrow as pa

    records = pa.concat_tables([file.records for file in files])
    ordinals = arrow_integers(array("q", range(1, records.num_rows + 1)))
    numbered = records.append_column(feed.ORDINAL, ordinals)
    for name, (_, kind) in certain_columns(work.select, work.source.width).items():
        numbered = numbered.append_column(name, pa.nulls(records.num_rows, arrow_type(kind)))
    return numbered.to_reader().__arrow_c_stream__()
