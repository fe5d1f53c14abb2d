"""Saved queries: what is asked by name, and what it found last, one Parquet file each in the zone enriched.

A result is written aside and takes its place whole, so that whoever reads it has the old rows or the new ones. With
the rows stand the SELECT, the time, and the snapshots of the tables that were read. Results are files, never tables:
nothing is built upon them, and each of them can be had again by asking.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from penstock.clock import Clock, iso, moment_of
from penstock.declaration import SavedQuery, sql_of
from penstock.errors import QueryError
from penstock.naming import did_you_mean, literal
from penstock.queries.query import Result
from penstock.storage import Zone
from penstock.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType

ALL = "all"
LEFT_SECONDS = 3600.0
"""Age from which an unfinished file is taken to be left by a process that was killed."""
UNKEPT = frozenset({"interval", "union", "time with time zone", "time_tz", "bit", "bignum", "uhugeint"})
"""Types of which Parquet has no equal, by DuckDB's name."""
NESTED = frozenset({"struct", "list", "array", "map"})
PREFIX = "penstock."
"""Beginning of the keys of what stands with the rows."""


@dataclass(frozen=True)
class Saved:
    """A result that is in the zone enriched.

    Attributes:
        name: The query.
        key: Where it is, below the zone.
        rows: How many there are.
        bytes: The file's size.
        saved: When it was asked, seconds since 1970.
        engine: Who answered: `duckdb` or `athena`.
        sql: What was asked.
        snapshots: Of the tables that were read, by name; `7 to 8` where a table was written to meanwhile, and one of
            these was read.
        scanned: Bytes that Athena read, for a result that was just saved.
    """

    name: str
    key: str
    rows: int
    bytes: int
    saved: float
    engine: str
    sql: str
    snapshots: Mapping[str, str]
    scanned: int | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What stands with the rows."""
        return {
            "query": self.name,
            "sql": self.sql,
            "saved": iso(self.saved),
            "engine": self.engine,
            "snapshots": json.dumps(dict(sorted(self.snapshots.items()))),
            "version": __version__,
        }


def key_of(name: str) -> str:
    """Where the rows of a query are, below the zone enriched."""
    return f"{name}/{name}.parquet"


class SavedQueries:
    """The saved queries of a lake."""

    def __init__(self, declared: Mapping[str, SavedQuery], folder: Path, enriched: Zone, clock: Clock) -> None:
        """Keep the rows of `declared`, whose files are in the lake's folder, in `enriched`."""
        self.declared = declared
        self._folder, self._enriched, self._clock = folder, enriched, clock

    def named(self, names: list[str]) -> list[str]:
        """The queries that are meant, each once: all of them, where `all` stands alone.

        Raises:
            QueryError: One of them is not declared.
        """
        return list(self.declared) if names == [ALL] else [self._known(name) for name in dict.fromkeys(names)]

    def _known(self, name: str) -> str:
        if name not in self.declared:
            near = did_you_mean(name, [*self.declared, ALL])
            hint = f"saved queries: {', '.join(self.declared) or 'none; declare some below queries: in lake.yaml'}"
            raise QueryError(f'no saved query "{name}" is declared{near}', hint=hint)
        return name

    def sql(self, name: str) -> str:
        """What a query asks.

        Raises:
            QueryError: It is not declared, or its file cannot be read.
        """
        return sql_of(self.declared[self._known(name)], self._folder)

    def keep(self, name: str, ask: Callable[[str], Result], engine: str = "duckdb") -> Saved:
        """Ask a query, and put its rows in the place of those that it found before.

        Raises:
            QueryError: It failed, or a column is of a type that Parquet does not have; the rows from before stay.
        """
        sql, now = self.sql(name), moment_of(iso(self._clock.now())) or 0.0
        result = ask(sql)
        _assert_kept(result)
        snapshots = {str(table): found for table, found in result.snapshots.items()}
        saved = Saved(name, key_of(name), 0, 0, now, engine, sql.strip(), snapshots)
        part = Path(self._enriched.staging(f"{name}/{uuid.uuid4().hex}.parquet"))
        _sweep(part.parent)
        try:
            rows = _written(result, part, saved.facts)
            size = self._enriched.replace(str(part), saved.key)
        finally:
            part.unlink(missing_ok=True)
        scanned = result.told.scanned if hasattr(result, "told") else None
        return replace(saved, rows=rows, bytes=size, scanned=scanned)

    def last(self, name: str) -> Saved | None:
        """What a query found last; None where nothing was saved yet.

        Raises:
            QueryError: The file in its place is none that was saved.
        """
        key = key_of(self._known(name))
        found = self._enriched.stat(key)
        if found is None:
            return None
        return _read(name, key, self._enriched.location(key, found.mark), found.size)

    def reading(self, saved: Saved) -> str:
        """A SELECT over a result that is there."""
        return f"SELECT * FROM read_parquet({literal(self._enriched.location(saved.key))})"


def _assert_kept(result: Result) -> None:
    """Refuse what would come back as something else, or not at all."""
    seen = set[str]()
    for name, kind in zip(result.columns, result.kinds, strict=True):
        if found := next(_unkept(kind), None):
            what = f'the column "{name}" is of the type {found}, which Parquet does not have'
            raise QueryError(what, hint=f"cast it, for example: CAST({name} AS VARCHAR)")
        if name.lower() in seen:
            raise QueryError(f'two columns are called "{name}"', hint="give one of them another name with AS")
        seen.add(name.lower())


def _unkept(kind: DuckDBPyType) -> Iterator[str]:
    """Types that cannot be kept, within others as well."""
    if kind.id in UNKEPT:
        yield str(kind).split("(", 1)[0]
    for _, inner in kind.children if kind.id in NESTED else ():
        if not isinstance(inner, (int, list)):  # the size of an array
            yield from _unkept(inner)


def _written(result: Result, part: Path, facts: Mapping[str, str]) -> int:
    """Write rows as they come; gives how many there are."""
    import pyarrow.parquet as pq

    batches = result.batches()
    told = {f"{PREFIX}{key}": text for key, text in facts.items()}
    schema = batches.schema.with_metadata({**(batches.schema.metadata or {}), **told})
    rows = 0
    with pq.ParquetWriter(part, schema, compression="snappy") as writer:
        for batch in _whole(batches):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _whole(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Batches of a query; when it fails on the way, it says so like any other."""
    import pyarrow as pa

    try:
        yield from batches
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        raise QueryError(str(error).strip()) from None


def _read(name: str, key: str, path: str, size: int) -> Saved:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(path)
        told = {key.decode(): text.decode() for key, text in (footer.metadata or {}).items()}
        facts = {key: told[f"{PREFIX}{key}"] for key in ("sql", "saved", "engine", "snapshots")}
        saved, snapshots = moment_of(facts["saved"]) or 0.0, json.loads(facts["snapshots"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        what = "is no result that was saved"
        raise QueryError(what, where=f"enriched/{key}", hint=f"save it again: penstock query --saved {name}") from error
    return Saved(name, key, footer.num_rows, size, saved, facts["engine"], facts["sql"], snapshots)


def _sweep(folder: Path) -> None:
    """Take away what killed processes left unfinished."""
    old = time.time() - LEFT_SECONDS
    for left in folder.glob(".*.tmp"):
        try:
            if left.stat().st_mtime < old:
                left.unlink()
        except FileNotFoundError:  # another process was faster
            continue
