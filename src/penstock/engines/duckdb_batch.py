"""Many small files in one go: their records, one file after the other in one text, are worked on by one query.

What a query costs before its first row is paid once instead of per file. Which rows are whose is told by the records'
ordinals, because it is known how many each file has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from penstock.engines.duckdb_sql import with_source
from penstock.engines.engine import FATE, ORDINAL, Work, Written, flag_column
from penstock.naming import identifier

if TYPE_CHECKING:
    import duckdb

TABLE = "penstock_batch"
FILE, LAST = "__penstock_file", "__penstock_last"
FLAGGED = ("warned", "added")


class DuckDBBatch:
    """The rows of several files, worked on and not yet written; keeps the contract of `Batch`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, work: Work, counts: Sequence[int]) -> None:
        """Do the work on a text that holds files with that many records each."""
        self._connection, self._work = connection, work
        self._last = list(accumulate(counts))
        connection.execute("SET preserve_insertion_order=true")
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {self._rows()}")
            self.written = self._counted(len(counts))
        except BaseException:
            self.close()
            raise
        finally:
            connection.execute("SET preserve_insertion_order=false")

    def _rows(self) -> str:
        work = self._work
        columns = [
            f"CAST({identifier(column.name)} AS {column.type}) AS {identifier(column.name)}" for column in work.columns
        ]
        flags = [flag_column(at) for at, rule in enumerate(work.rules) if rule.fate in FLAGGED]
        select = f"SELECT {', '.join([*columns, FATE, *flags, ORDINAL])} FROM ({work.select})"
        return with_source(work.source, select, ordered=True)

    def _counted(self, files: int) -> tuple[Written, ...]:
        """What became of each file's rows."""
        conditions = [
            flag_column(at) if rule.fate in FLAGGED else f"{FATE} = {at}" for at, rule in enumerate(self._work.rules)
        ]
        counts = ", ".join(
            ["count(*)", *(f"count(*) FILTER ({condition})" for condition in [f"{FATE} IS NULL", *conditions])]
        )
        ends = f"SELECT unnest({self._last}) AS {LAST}, unnest(range({files})) AS {FILE}"
        rows = self._connection.execute(
            f"SELECT {FILE}, {counts} FROM {TABLE} ASOF LEFT JOIN ({ends}) ON {ORDINAL} <= {LAST} GROUP BY {FILE}"
        ).fetchall()
        found = {row[0]: Written(row[1], row[2], tuple(row[3:]), (), 0) for row in rows}
        none = Written(0, 0, (0,) * len(conditions), (), 0)
        last = found.get(files - 1, none)
        found[files - 1] = replace(last, rows_in=last.rows_in + found.pop(None, none).rows_in)
        return tuple(found.get(at, none) for at in range(files))

    def select(self, without: Collection[int]) -> str:
        """SELECT over the rows to keep, in the order of the files, leaving some files out."""
        columns = ", ".join(identifier(column.name) for column in self._work.columns)
        starts = [0, *self._last]
        gone = "".join(f" AND NOT ({ORDINAL} BETWEEN {starts[at] + 1} AND {self._last[at]})" for at in sorted(without))
        return f"SELECT {columns} FROM {TABLE} WHERE {FATE} IS NULL{gone} ORDER BY {ORDINAL}"

    def close(self) -> None:
        """Let go of the rows."""
        self._connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
