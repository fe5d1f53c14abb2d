"""The engine on one machine: DuckDB.

Rows that are not kept are counted in the same pass that writes the others: the filter's CASE calls `nextval` of a
sequence of their rule, which costs nothing measurable, where a second pass costs a parse and partitioned output a third
more. Rows that go to quarantine are noted in the engine's log by the same CASE, so that the file need not be read again
for them. How many records the scan delivered is read from the profile: the accounting has an independent side.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import duckdb

from penstock import faults
from penstock.engines import hashing
from penstock.engines.duckdb_batch import DuckDBBatch
from penstock.engines.duckdb_feed import fed, refused_by
from penstock.engines.duckdb_sql import MAX_LINE_BYTES, NOTE, NOTE_LEVEL, cells, copy_sql, gather_sql, with_source
from penstock.engines.engine import (
    FATE,
    ORDINAL,
    PLACE,
    ROW,
    SOURCE,
    Parsed,
    Rejected,
    SetAside,
    Source,
    Work,
    Written,
    raw_column,
)
from penstock.errors import BadFileError, DamagedFileError, ExpressionError
from penstock.formats import holds_sql, pointed_sql
from penstock.state.store import Column

MEMORY = "300MB"
MEMORY_VARIABLE = "PENSTOCK_MEMORY"
FETCH = 2_000
UNDOUBTED, COLUMN_BYTES = 1_000, 280_000
"""Width that is always tried, and what each column of text costs in memory, its type being read and verified."""
UNNOTED = ("dropped", "added", "consumed")
QUOTES = "UNQUOTED VALUE"
SCANS = ("READ_CSV", "ARROW_SCAN")
_WORDS = {
    "MISSING COLUMNS": "too few fields",
    "TOO MANY COLUMNS": "too many fields",
    QUOTES: "a quote that is not closed, or text after a closing quote",
    "LINE SIZE OVER MAXIMUM": f"longer than {MAX_LINE_BYTES:,} bytes",
    "INVALID ENCODING": "not UTF-8",
    "INVALID STATE": "quotes that do not match",
}


class DuckDBEngine:
    """DuckDB in this process; keeps the contract of `Engine`."""

    def __init__(self, temporary: Path, memory: str | None = None, threads: int | None = None) -> None:
        """Spill to the folder `temporary`, use at most `memory` and `threads` (all cores when left out).

        Memory is taken from the environment variable `PENSTOCK_MEMORY` when left out, and is 300 MB without it.
        """
        self._memory = memory or os.environ.get(MEMORY_VARIABLE, MEMORY)
        temporary.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary
        self._hashes = False
        self._threads = threads or len(os.sched_getaffinity(0))
        self._connection = duckdb.connect(
            config={
                "memory_limit": self._memory,
                "temp_directory": str(temporary),
                "threads": self._threads,
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._connection.execute(f"CALL enable_logging(level='{NOTE_LEVEL}', storage='memory')")
        self._connection.execute("SET enable_progress_bar=false")  # it would write over the output of the one who asks
        self._connection.execute("SET TimeZone='UTC'")  # what rows come out must not depend on the machine
        self._connection.execute("SET enable_external_file_cache=false")  # each file is read once; memory stays small
        self._connection.execute("SET ieee_floating_point_ops=false")  # dividing by zero gives null, not infinity

    def describe(self, source: Source, select: str) -> list[tuple[str, str]]:
        """Names and types that `select` gives over `source`."""
        try:
            with fed(self._connection, source, select):
                rows = self._connection.execute(f"DESCRIBE {with_source(source, select)}").fetchall()
        except duckdb.Error as error:
            raise BadFileError(_first_line(error)) from error
        return [(row[0], row[1]) for row in rows if row[0] != FATE]

    def fits(
        self, source: Source, columns: dict[int, tuple[str, ...]]
    ) -> dict[int, tuple[dict[str, bool], str | None]]:
        """For columns by position: which of the types hold every value of the whole file."""
        asked = [(at, kind) for at, kinds in columns.items() for kind in kinds]
        decimal = source.dialect.decimal
        holds = {(at, kind): holds_sql(kind, pointed_sql(kind, raw_column(at), decimal)) for at, kind in asked}
        tests = [
            f"coalesce(bool_and({holds[at, kind]}) FILTER ({raw_column(at)} IS NOT NULL), true)" for at, kind in asked
        ]
        for at, kinds in columns.items():
            any_of = " OR ".join(holds[at, kind] for kind in kinds)
            tests.append(f"any_value({raw_column(at)}) FILTER ({raw_column(at)} IS NOT NULL AND NOT ({any_of}))")
        sql = with_source(source, f"SELECT {', '.join(tests)} FROM {SOURCE}")
        self._forget_rejects()
        try:
            with fed(self._connection, source, sql):
                row = self._connection.execute(sql).fetchall()[0]
        except duckdb.Error as error:
            raise _translated(error) from error
        found: dict[int, tuple[dict[str, bool], str | None]] = {
            at: ({}, example) for at, example in zip(columns, row[len(asked) :], strict=True)
        }
        for (at, kind), fit in zip(asked, row, strict=False):
            found[at][0][kind] = bool(fit)
        return found

    def write(self, work: Work, path: str) -> Written:
        """Stream what the work keeps into one Parquet file at `path`."""
        faults.reach("engine.write")
        self._assert_room(work.source)
        try:
            outcome, scanned, rejected = self._copy(work, path)
        except duckdb.OutOfMemoryException:
            outcome, scanned, rejected = self._copy_on_one_thread(work, path)
        except duckdb.Error as error:
            raise _translated(error) from error
        faults.wrote(path, "engine.written")
        by_rule = self._counts(len(work.rules))
        noted, examples = self._noted(work, by_rule)
        return Written(
            rows_in=work.source.rows + scanned + len(rejected),
            rows_out=int(outcome[1]),
            by_rule=by_rule,
            rejected=rejected,
            bytes=int(outcome[2]),
            noted=noted,
            examples=examples,
        )

    def _copy(self, work: Work, path: str) -> _Copied:
        """Run the COPY."""
        connection = self._connection
        self._forget_rejects()
        connection.execute("CALL truncate_duckdb_logs()")
        connection.execute("CREATE OR REPLACE TEMP SEQUENCE penstock_noted")
        for at in range(len(work.rules)):
            connection.execute(f"CREATE OR REPLACE TEMP SEQUENCE penstock_rule_{at}")
        connection.execute("SET enable_profiling='no_output'")
        if work.ordered:
            connection.execute("SET preserve_insertion_order=true")
        try:
            with fed(connection, work.source, work.select, ordered=work.ordered) as feed:
                outcome = connection.execute(copy_sql(work, path)).fetchall()[0]
                scanned = _scanned(json.loads(connection.get_profiling_information(format="json")))
        finally:
            connection.execute("PRAGMA disable_profiling")
            connection.execute("SET preserve_insertion_order=false")
        if feed is not None:
            return _Copied(outcome, scanned, refused_by(feed, scanned))
        return _Copied(outcome, scanned, () if work.source.typed else self._rejected(work.source.width))

    def _copy_on_one_thread(self, work: Work, path: str) -> _Copied:
        """Memory is needed per thread: very wide files fit when one thread does it all."""
        self._connection.execute("SET threads=1")
        try:
            return self._copy(work, path)
        except duckdb.OutOfMemoryException as error:
            raise self._too_wide(work.source) from error
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            self._connection.execute(f"SET threads={self._threads}")

    def _assert_room(self, source: Source) -> None:
        """Refuse at once what would only be refused after minutes."""
        if source.width > UNDOUBTED and all(kind == "VARCHAR" for kind in source.kinds):
            (limit,) = self._connection.execute("SELECT current_setting('memory_limit')").fetchall()[0]
            number, unit = str(limit).split()
            if source.width * COLUMN_BYTES > float(number) * 1024 ** " KMGT".index(unit[0]):
                raise self._too_wide(source)

    def _too_wide(self, source: Source) -> BadFileError:
        enough = f"{MEMORY_VARIABLE}={1 + source.width * COLUMN_BYTES // 1_000_000_000}GB"
        return BadFileError(
            f"{source.width:,} columns do not fit into {self._memory} of memory",
            hint=f"allow more with the environment variable {MEMORY_VARIABLE}, such as {enough}",
        )

    def batch(self, work: Work, files: Sequence[Parsed]) -> DuckDBBatch:
        """Do the work on the records of several files."""
        faults.reach("engine.write")
        try:
            return DuckDBBatch(self._connection, work, files)
        except duckdb.Error as error:
            raise _translated(error) from error

    def gather(self, select: str, columns: tuple[Column, ...], path: str, facts: Mapping[str, str]) -> int:
        """Write the rows of a SELECT over Parquet files to one, in order."""
        faults.reach("engine.write")
        self._know_hashes(select)
        self._connection.execute("SET preserve_insertion_order=true")
        try:
            rows = self._connection.execute(gather_sql(select, columns, path, facts)).fetchall()
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            self._connection.execute("SET preserve_insertion_order=false")
        faults.wrote(path, "engine.written")
        return int(rows[0][0])

    def _know_hashes(self, sql: str) -> None:
        """Provide the hash of buckets to a statement that asks for it; that takes a third of a second."""
        if not self._hashes and (hashing.TEXT in sql or hashing.NUMBER in sql):
            hashing.provide(self._connection)
            self._hashes = True

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small SELECT over Parquet files."""
        self._know_hashes(sql)
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise _translated(error) from error

    def set_aside(self, work: Work, rules: list[int]) -> Generator[SetAside]:
        """The rows that some rules set aside, in file order."""
        wanted = ", ".join(str(rule) for rule in rules)
        facts = ", ".join([ORDINAL, FATE, *PLACE, ROW])
        select = f"SELECT {facts}, [{cells(work)}] FROM ({work.select}) WHERE {FATE} IN ({wanted})"
        if work.ordered:  # what compares rows may reorder them
            select += f" ORDER BY {ORDINAL}"
        sql = with_source(work.source, select, ordered=True)
        self._connection.execute("SET preserve_insertion_order=true")
        try:
            with fed(self._connection, work.source, work.select, ordered=True):
                result = self._connection.execute(sql)
                while rows := result.fetchmany(FETCH):
                    for ordinal, rule, line, offset, length, made, values in rows:
                        yield SetAside(ordinal, rule, values, line, offset, length, made)
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            self._connection.execute("SET preserve_insertion_order=false")
            self._forget_rejects()

    def close(self) -> None:
        """Let go of memory and temporary files."""
        self._connection.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _counts(self, rules: int) -> tuple[int, ...]:
        if not rules:
            return ()
        rows = self._connection.execute(
            "SELECT sequence_name, coalesce(last_value, 0) FROM duckdb_sequences() WHERE temporary"
        ).fetchall()
        counts = {name: int(value) for name, value in rows}
        return tuple(counts[f"penstock_rule_{at}"] for at in range(rules))

    def _noted(self, work: Work, by_rule: tuple[int, ...]) -> tuple[Sequence[SetAside] | None, tuple[SetAside, ...]]:
        """Rows sent to quarantine, None unless every one was noted, and examples of those that are only spoken of."""
        counts = list(zip(work.rules, by_rule, strict=True))
        expected = sum(count for rule, count in counts if rule.fate == "quarantined")
        if not any(count for rule, count in counts if rule.fate not in UNNOTED):
            return (), ()
        asked = ", ".join(str(at) for at, rule in enumerate(work.rules) if rule.fate == "quarantined") or "-1"
        messages = f"SELECT message FROM duckdb_logs WHERE type = '{NOTE}' AND CAST(message ->> 0 AS INTEGER)"
        order = "ORDER BY CAST(message ->> 1 AS BIGINT), CAST(message ->> 2 AS BIGINT), message"  # line, byte
        noted = _Noted(self._connection.execute(f"{messages} IN ({asked}) {order}").fetchall())
        examples = _Noted(self._connection.execute(f"{messages} NOT IN ({asked}) {order}").fetchall())
        return noted if len(noted) == expected else None, tuple(examples)

    def _rejected(self, width: int) -> tuple[Rejected, ...]:
        """One entry per refused record, in file order."""
        rows = self._connection.execute(
            "SELECT line_byte_position - 1, arg_min(error_type, coalesce(column_idx, 0)), "
            "arg_min(error_message, coalesce(column_idx, 0)), "
            "any_value(csv_line) FROM reject_errors GROUP BY 1 ORDER BY 1"
        ).fetchall()
        self._forget_rejects()
        rejected = tuple(_rejected_record(offset, kind, message, raw, width) for offset, kind, message, raw in rows)
        swallowed = next((record for record in rejected if record.kind == QUOTES and "\n" in record.raw), None)
        if swallowed is not None:  # nothing here says which of the lines are rows
            raise DamagedFileError(f"a quote opens at byte {swallowed.offset} that is never closed")
        return rejected

    def _forget_rejects(self) -> None:
        self._connection.execute("DROP TABLE IF EXISTS reject_errors")
        self._connection.execute("DROP TABLE IF EXISTS reject_scans")


class _Copied(NamedTuple):
    """What a COPY did: its statistics, the records that a CSV scan delivered, and those that could not be cut."""

    outcome: tuple[Any, ...]
    scanned: int
    rejected: tuple[Rejected, ...]


class _Noted(Sequence[SetAside]):
    """Rows as they were noted, which take a third of the memory that they take when they are read."""

    def __init__(self, messages: list[tuple[str]]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Noted) and self._messages == other._messages

    def __hash__(self) -> int:
        return hash(tuple(self._messages))

    @overload
    def __getitem__(self, at: int) -> SetAside: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[SetAside]: ...
    def __getitem__(self, at: int | slice) -> SetAside | Sequence[SetAside]:
        if isinstance(at, slice):
            return _Noted(self._messages[at])
        rule, *facts = json.loads(self._messages[at][0])
        line, offset, length = (int(number) if number is not None else None for number in facts[:3])
        made, *texts = facts[3:]
        return SetAside(0, int(rule), texts, line, offset, length, made)


def _scanned(profile: dict[str, Any]) -> int:
    """Records that the scan of a CSV file delivered, from the query's profile."""
    name = str(profile.get("operator_name") or profile.get("operator_type") or "")
    own = int(profile.get("operator_cardinality", 0)) if name.strip().startswith(SCANS) else 0
    return own + sum(_scanned(child) for child in profile.get("children", []))


def _rejected_record(offset: int, kind: str, message: str, raw: str | None, width: int) -> Rejected:
    """Describe a refused record; the engine counts blank lines before it to the record, we do not."""
    text = raw or ""
    blank = len(text) - len(text.lstrip("\r\n"))
    return Rejected(int(offset) + blank, kind, _reason(kind, message, width), text[blank:].rstrip("\r\n"))


def _reason(kind: str, message: str, width: int) -> str:
    words = _WORDS.get(kind, kind.lower())
    if kind in {"MISSING COLUMNS", "TOO MANY COLUMNS"}:
        found = message.rsplit("Found:", 1)[-1].strip()
        return f"{words}: {width} expected, {found} found" if found.isdigit() else f"{words}: {width} expected"
    return words


def _translated(error: duckdb.Error) -> Exception:
    """Errors that the file or the declaration causes are the arrival's; the others are passed on and tried again."""
    if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
        return error
    if "invalid state" in str(error):
        return DamagedFileError(
            "the file cannot be cut into records: it mixes line ends of several kinds, or its quotes do not match",
            hint="write it with one kind of line end and deliver it again",
        )
    if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)):
        return ExpressionError(_first_line(error))
    return BadFileError(_first_line(error))


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().split("\n", 1)[0]
