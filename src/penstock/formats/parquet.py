"""Parquet that landed: the engine scans it as it is, once it is sure that the scan loses nothing.

The engine reads some types with less than they hold, and says nothing: nanoseconds are cut off, decimals of more than
38 digits become wrong numbers. Such columns are looked at here, value by value: what is whole microseconds is read as
such, what is not becomes text with all its digits where it can, and is refused elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import BadFileError
from penstock.formats.csv.dialect import RESERVED
from penstock.formats.intake import Evidence
from penstock.formats.nested import List, Map, Scalar, Struct, Type, parse_type
from penstock.formats.spill import CELL, LENGTH, LINE, OFFSET
from penstock.naming import identifier, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_NUMBER = "file_row_number"
"""The engine's own column with a row's number, from 0."""
_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_SHORTEST = 12
_DIGITS = 38
_MICROSECONDS = {"TIMESTAMP_NS": "TIMESTAMP", "TIME_NS": "TIME"}
_READ_AS = {**_MICROSECONDS, "JSON": "VARCHAR"}
_REFUSED = frozenset({"INTERVAL", "TIME WITH TIME ZONE", "BIT", "VARIANT", "BIGNUM"})
_REFUSED_STARTS = ("UNION(", "GEOMETRY")


@dataclass(frozen=True)
class Landed:
    """A Parquet file as the engine can read it.

    Attributes:
        header: Names of the columns.
        types: The DuckDB type of each column in `scan`.
        reasons: Why each column has its type.
        rows: How many rows the file has.
        scan: A SELECT with the file's cells, `__penstock_r0` and so on, and each row's place: its number, from 1.
    """

    header: tuple[str, ...]
    types: tuple[str, ...]
    reasons: tuple[Evidence, ...]
    rows: int
    scan: str


def look_into_parquet(path: str) -> Landed:
    """Read the footer of a Parquet file, and those of its columns that the engine would not read exactly.

    Raises:
        BadFileError: It is no Parquet file, is cut off, or has columns that no table can hold.
    """
    import duckdb

    file = _opened(path)
    header = tuple(file.schema_arrow.names)
    _assert_names(header)
    _assert_exact(path, file.schema)
    source = f"read_parquet({literal(path)}, hive_partitioning=false)"
    with duckdb.connect(config={"memory_limit": "300MB", "autoinstall_known_extensions": "false"}) as connection:
        described = _rows(connection, f"DESCRIBE SELECT * FROM {source}")
        columns = [(str(row[0]), parse_type(str(row[1]))) for row in described]
        empty, durations = _without_type(file), _durations(file)
        read = [Scalar("VARCHAR") if name in empty else _readable(kind, name) for name, kind in columns]
        lossy = _lossy(connection, source, columns, read)
    cells, types, reasons = [], [], []
    for at, ((name, kind), wanted) in enumerate(zip(columns, read, strict=True)):
        final = Scalar("VARCHAR") if name in lossy else wanted
        cells.append(_cell(name, at, None if final == kind else final))
        types.append(str(final))
        reasons.append(durations.get(name) or _reason(kind, final, lossy.get(name), empty=name in empty))
    place = f"{ROW_NUMBER} + 1 AS {LINE}, CAST(NULL AS BIGINT) AS {OFFSET}, CAST(NULL AS BIGINT) AS {LENGTH}"
    scan = f"SELECT {', '.join([*cells, place])} FROM {source}"
    return Landed(header, tuple(types), tuple(reasons), int(file.metadata.num_rows), scan)


def _opened(path: str) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Path(path).open("rb") as file:
        head = file.read(len(_MAGIC))
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_MAGIC)))
        tail = file.read()
    if not size:
        raise BadFileError("the file is empty", hint="deliver it again")
    if _ENCRYPTED in {head, tail}:
        raise BadFileError("the file is encrypted Parquet", hint="deliver it without encryption")
    if head != _MAGIC:
        raise BadFileError("the file is not Parquet: it does not start with PAR1", hint="check what was delivered")
    if tail != _MAGIC or size < _SHORTEST:
        raise BadFileError("the file is cut off: it does not end with PAR1", hint="deliver it again, whole")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        first = str(error).strip().split("\n", 1)[0]
        reason = "" if "thrift" in first.lower() else f": {first}"
        raise BadFileError(f"the file's footer is damaged{reason}", hint="deliver it again, whole") from None


def _assert_names(header: tuple[str, ...]) -> None:
    if not header:
        raise BadFileError("the file has no columns", hint="check what was delivered")
    seen: dict[str, str] = {}
    for at, name in enumerate(header, start=1):
        if not name or "\0" in name:
            raise BadFileError(f"column {at} has no name that a table can have", hint="give every column a name")
        if name.lower().startswith(RESERVED) or name.lower() == ROW_NUMBER:
            raise BadFileError(f'the name "{name}" is taken by the system', hint="give the column another name")
        if name.lower() in seen:
            raise BadFileError(
                f'two columns are called "{seen[name.lower()]}" and "{name}"',
                hint="names must differ by more than upper and lower case",
            )
        seen[name.lower()] = name


def _assert_exact(path: str, schema: pq.ParquetSchema) -> None:
    """Refuse what the engine would read wrongly without a word."""
    for at in range(len(schema)):
        leaf = schema.column(at)
        logical = str(leaf.logical_type)
        if leaf.logical_type.type == "DECIMAL" and (leaf.precision or 0) > _DIGITS:
            raise BadFileError(
                f'column "{leaf.path}" is a decimal of {leaf.precision} digits; tables hold {_DIGITS}',
                hint="write it with fewer digits, or as text, and deliver the file again",
            )
        zoned = "isAdjustedToUTC=true" in logical and "timeUnit=nanoseconds" in logical
        if (zoned or leaf.physical_type == "INT96") and (row := _first_nanoseconds(path, leaf)) is not None:
            raise BadFileError(
                f'column "{leaf.path}" holds parts of a microsecond, for one in row {row}; tables hold microseconds',
                hint="write it in microseconds, or as text, and deliver the file again",
            )


def _first_nanoseconds(path: str, leaf: pq.ColumnSchema) -> int | None:
    """The first value, as the count of values before it plus one, that has parts of a microsecond."""
    import pyarrow.compute as pc

    passed = 0
    for exact, whole in _timestamps(path, str(leaf.path), int96=leaf.physical_type == "INT96"):
        odd = int(pc.index(pc.not_equal(exact, whole), value=True).as_py())
        if odd >= 0:
            return passed + odd + 1
        passed += len(exact)
    return None


def _timestamps(path: str, leaf: str, *, int96: bool) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Nanoseconds of a column, as they are and cut to microseconds, as 64-bit integers (which may wrap around)."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with (
        pq.ParquetFile(path, coerce_int96_timestamp_unit="ns") as exact_file,
        pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as cut_file,
    ):
        batches = zip(exact_file.iter_batches(columns=[leaf]), cut_file.iter_batches(columns=[leaf]), strict=True)
        for exact, cut in batches:
            nanoseconds, microseconds = (_leaf(batch.column(0)).cast(pa.int64()) for batch in (exact, cut))
            yield nanoseconds, pc.multiply(microseconds if int96 else pc.divide(microseconds, 1000), 1000)


def _leaf(array: pa.Array) -> pa.Array:
    """The values of the one column that an array with parts holds."""
    import pyarrow as pa

    while pa.types.is_nested(array.type):
        if pa.types.is_struct(array.type):
            array = array.field(0)
        elif pa.types.is_map(array.type):
            array = array.items
        else:
            array = array.flatten()
    return array


def _durations(file: pq.ParquetFile) -> dict[str, Evidence]:
    """Columns with durations, which Parquet keeps as numbers and only Arrow's own schema knows for what they are."""
    import pyarrow as pa

    units = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    found = {}
    for field in file.schema_arrow:
        if pa.types.is_duration(field.type):
            found[field.name] = Evidence(f"the file gives durations: kept as whole {units[field.type.unit]}")
        elif "duration[" in str(field.type):
            found[field.name] = Evidence("the file gives durations within it: kept as whole numbers of their unit")
    return found


def _without_type(file: pq.ParquetFile) -> frozenset[str]:
    """Columns that were written without a type: there is nothing but null in them."""
    import pyarrow as pa

    return frozenset(field.name for field in file.schema_arrow if pa.types.is_null(field.type))


def _readable(kind: Type, path: str) -> Type:
    """The type that the engine's type is read as."""
    match kind:
        case Struct():
            return Struct(tuple((name, _readable(below, f"{path}.{name}")) for name, below in kind.fields))
        case List():
            return List(_readable(kind.element, f"{path}[]"))
        case Map():
            return Map(_readable(kind.key, f"{path} (key)"), _readable(kind.value, f"{path} (value)"))
        case Scalar(name) if name in _REFUSED or name.startswith(_REFUSED_STARTS):
            raise BadFileError(
                f'column "{path}" has the type {name}, which tables cannot store',
                hint="write it as text, or as a number with the unit in its name, and deliver the file again",
            )
        case Scalar(name):
            return Scalar(_READ_AS.get(name, name))


def _lossy(
    connection: duckdb.DuckDBPyConnection, source: str, columns: list[tuple[str, Type]], read: list[Type]
) -> dict[str, tuple[int, str]]:
    """Columns with parts of a microsecond: the first row and its value; refused where they are within others."""
    lossy: dict[str, tuple[int, str]] = {}
    for (name, kind), wanted in zip(columns, read, strict=True):
        if not any(word in str(kind) for word in _MICROSECONDS):
            continue
        value = identifier(name)
        changed = f"CAST(CAST({value} AS {wanted}) AS {kind}) IS DISTINCT FROM {value}"
        example = f"arg_min(CAST({value} AS VARCHAR), {ROW_NUMBER})"
        sql = f"SELECT min({ROW_NUMBER}) + 1, {example} FROM {source} WHERE {changed}"
        row, text = _rows(connection, sql)[0]
        if row is None:
            continue
        if not isinstance(kind, Scalar):
            raise BadFileError(
                f'column "{name}" holds parts of a microsecond in row {row} ({text}); tables hold microseconds',
                hint="write it in microseconds, or as text, and deliver the file again",
            )
        lossy[name] = (int(row), str(text))
    return lossy


def _cell(name: str, at: int, wanted: Type | None) -> str:
    value = identifier(name)
    return f"{value if wanted is None else f'CAST({value} AS {wanted})'} AS {CELL}{at}"


def _reason(kind: Type, final: Type, lossy: tuple[int, str] | None, *, empty: bool) -> Evidence:
    if empty:
        return Evidence("no value in the file: the column has no type of its own")
    if lossy is not None:
        return Evidence(f"row {lossy[0]} holds parts of a microsecond ({lossy[1]}): kept as text", *lossy)
    if kind == final:
        return Evidence("the type that the file gives")
    return Evidence(f"the file gives {kind}, and {final} holds every value of it")


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    import duckdb

    try:
        return connection.execute(sql).fetchall()
    except duckdb.Error as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise BadFileError(f"the file cannot be read: {reason}", hint="check the file and deliver it again") from None
