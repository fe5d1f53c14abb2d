"""Types: DuckDB's names on one side, Iceberg's on the other, and which DuckDB type a table stores.

Types that Iceberg does not have are widened where that loses nothing (`UINTEGER` becomes `BIGINT`); the others are
refused with the cast that helps. Structs, lists and maps hold such types at any depth; every part of them has a field
id of its own, and a struct may get more fields later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count
from typing import TYPE_CHECKING

from penstock.errors import BadFileError, UnreadableTableError
from penstock.formats.nested import DECIMAL, List, Map, Scalar, Struct, Type, parse_type, parts
from penstock.naming import identifier
from penstock.state.store import Column

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType, NestedField

_STORED_AS = {
    "VARCHAR": "VARCHAR",
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "INTEGER",
    "SMALLINT": "INTEGER",
    "INTEGER": "INTEGER",
    "UTINYINT": "INTEGER",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "BIGINT": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
    "BLOB": "BLOB",
    "UUID": "UUID",
    "NULL": "VARCHAR",
    '"NULL"': "VARCHAR",
}
_ICEBERG = {  # names of pyiceberg's classes
    "VARCHAR": "StringType",
    "BOOLEAN": "BooleanType",
    "INTEGER": "IntegerType",
    "BIGINT": "LongType",
    "FLOAT": "FloatType",
    "DOUBLE": "DoubleType",
    "DATE": "DateType",
    "TIME": "TimeType",
    "TIMESTAMP": "TimestampType",
    "TIMESTAMP WITH TIME ZONE": "TimestamptzType",
    "BLOB": "BinaryType",
    "UUID": "UUIDType",
}
_DUCKDB = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "binary": "BLOB",
    "uuid": "UUID",
}
_FITS_INTO = frozenset({("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE"), ("INTEGER", "DOUBLE"), ("DATE", "TIMESTAMP")})
_DIGITS = {"INTEGER": 10, "BIGINT": 19}
_GROWS_INTO = frozenset({("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE")})
"""Where Iceberg lets a field that is there become another type."""


def storage_type(duckdb_type: str, column: str) -> str:
    """The DuckDB type that a table stores for values of `duckdb_type`.

    Raises:
        BadFileError: Iceberg has no type for it.
    """
    return str(_stored(parse_type(duckdb_type), column, column))


def _stored(kind: Type, path: str, column: str) -> Type:
    match kind:
        case Struct():
            return Struct(tuple((name, _stored(below, f"{path}.{name}", column)) for name, below in kind.fields))
        case List():
            return List(_stored(kind.element, f"{path}[]", column))
        case Map():
            return Map(_stored(kind.key, f"{path} (key)", column), _stored(kind.value, f"{path} (value)", column))
        case Scalar(name):
            if DECIMAL.fullmatch(name):
                return kind
            if name.upper() in _STORED_AS:
                return Scalar(_STORED_AS[name.upper()])
            raise BadFileError(
                f'column "{path}" has the type {name}, which tables cannot store',
                hint=f"add a step such as `derive: {{{column}: cast({column} as varchar)}}`",
            )


def widened_type(there: str, wanted: str) -> str | None:
    """What a column of the stored type `there` becomes so that values of the stored type `wanted` fit too.

    A struct gets the fields that it lacks, after those it has. None where no change of the table helps.
    """
    merged = merged_types(parse_type(there), parse_type(wanted), _merged_scalar)
    return None if merged is None else str(merged)


def merged_types(there: Type, wanted: Type, scalars: Callable[[Scalar, Scalar], Scalar | None]) -> Type | None:
    """One type for the values of two; `scalars` says what becomes of those without parts. None where there is none."""
    match there, wanted:
        case Struct(), Struct():
            return _merged_struct(there, wanted, scalars)
        case List(), List():
            element = merged_types(there.element, wanted.element, scalars)
            return None if element is None else List(element)
        case Map(), Map():
            value = merged_types(there.value, wanted.value, scalars)
            return None if value is None or there.key != wanted.key else Map(there.key, value)
        case Scalar(), Scalar():
            return scalars(there, wanted)
        case _:
            return None


def _merged_struct(there: Struct, wanted: Struct, scalars: Callable[[Scalar, Scalar], Scalar | None]) -> Struct | None:
    left = {name.lower(): (name, kind) for name, kind in wanted.fields}
    fields: list[tuple[str, Type]] = []
    for name, kind in there.fields:
        _, new = left.pop(name.lower(), (name, kind))
        merged = merged_types(kind, new, scalars)
        if merged is None:
            return None
        fields.append((name, merged))
    return Struct((*fields, *left.values()))


def _merged_scalar(there: Scalar, wanted: Scalar) -> Scalar | None:
    pair = (wanted.name, there.name)
    if there == wanted or pair in _FITS_INTO:
        return there
    if pair[::-1] in _GROWS_INTO:
        return wanted
    old, new = digits_of_type(there.name), digits_of_type(wanted.name)
    if old is None or new is None or there.name in _DIGITS:
        return None
    if new[0] <= old[0] and new[1] <= old[1]:
        return there
    return wanted if DECIMAL.fullmatch(wanted.name) and new[0] > old[0] and new[1] == old[1] else None


def digits_of_type(kind: str) -> tuple[int, int] | None:
    """Digits before and after the point that hold every value of an exact number's type; None for other types."""
    if kind in _DIGITS:
        return _DIGITS[kind], 0
    decimal = DECIMAL.fullmatch(kind)
    return (int(decimal[1]) - int(decimal[2]), int(decimal[2])) if decimal else None


def planned_columns(wanted: list[tuple[str, str]], there: tuple[Column, ...] = (), last: int = 0) -> tuple[Column, ...]:
    """The columns for rows of some names and stored types, with the ids that the catalog is going to give them.

    Args:
        wanted: Names and stored types, in the order in which they are handed to `Catalog.create` or `evolve`.
        there: The table's columns; none for a table that is still to be made.
        last: The highest id that the table ever gave: columns that were dropped had ids, too.

    Raises:
        BadFileError: A column is in the table with a type that cannot hold the new values.
    """
    known = {column.name.lower(): column for column in there}
    take = count(max(last, *(max((column.id, *column.nested)) for column in there), 0) + 1).__next__
    if not there:  # a new table numbers its columns before what they are made of
        ids = iter([take() for _ in wanted])
        planned = [Column(next(ids), name, kind, tuple(_fresh(parse_type(kind), take))) for name, kind in wanted]
    else:
        planned = [_planned(name, kind, known.get(name.lower()), take) for name, kind in wanted]
    named = {column.name.lower() for column in planned}
    _assert_distinct([*planned, *(column for column in there if column.name.lower() not in named)])
    return tuple(planned)


def _planned(name: str, kind: str, column: Column | None, take: Callable[[], int]) -> Column:
    if column is not None:
        return _widened(column, kind, take)
    return Column(take(), name, kind, tuple(_fresh(parse_type(kind), take)))


def _widened(column: Column, wanted: str, take: Callable[[], int]) -> Column:
    merged = widened_type(column.type, wanted)
    if merged is None:
        raise BadFileError(
            f'column "{column.name}" is {column.type} in the table, but the steps now give {wanted}',
            hint=f"cast it to {column.type.lower()} in the steps, or give it another name",
        )
    ids = _kept_and_fresh(parse_type(column.type), parse_type(merged), iter(column.nested), take)
    return Column(column.id, column.name, merged, tuple(ids))


def _fresh(kind: Type, take: Callable[[], int]) -> Iterator[int]:
    """New ids for all below a type: those of one level are taken before those of the next."""
    ids = [take() for _ in parts(kind)]
    return chain.from_iterable((at, *_fresh(below, take)) for at, (_, below) in zip(ids, parts(kind), strict=True))


def _kept_and_fresh(old: Type, new: Type, ids: Iterator[int], take: Callable[[], int]) -> list[int]:
    """Ids for all below a type that has grown: the old ones where it had the part."""
    before, after = parts(old), parts(new)
    kept = []
    for (_, kind), (_, grown) in zip(before, after, strict=False):
        kept += [next(ids), *_kept_and_fresh(kind, grown, ids, take)]
    for _, kind in after[len(before) :]:
        kept += [take(), *_fresh(kind, take)]
    return kept


def field_ids_sql(columns: tuple[Column, ...]) -> str:
    """The value of COPY's option FIELD_IDS: the ids of all columns and of what they are made of."""
    return _ids_sql([(column.name, column.id, parse_type(column.type), iter(column.nested)) for column in columns])


def _ids_sql(fields: list[tuple[str, int, Type, Iterator[int]]]) -> str:
    return f"{{{', '.join(f'{identifier(name)}: {_id_sql(at, kind, ids)}' for name, at, kind, ids in fields)}}}"


def _id_sql(at: int, kind: Type, ids: Iterator[int]) -> str:
    if not parts(kind):
        return str(at)
    below = [f"{identifier(name)}: {_id_sql(next(ids), part, ids)}" for name, part in parts(kind)]
    return f"{{__duckdb_field_id: {at}, {', '.join(below)}}}"


def iceberg_type(kind: Type, take: Callable[[], int]) -> IcebergType:
    """The Iceberg type of a stored type; what it is made of has ids from `take`, which the catalog replaces."""
    from pyiceberg import types

    match kind:
        case Struct():
            return types.StructType(
                *(
                    types.NestedField(take(), name, iceberg_type(below, take), required=False)
                    for name, below in kind.fields
                )
            )
        case List():
            return types.ListType(take(), iceberg_type(kind.element, take), element_required=False)
        case Map():
            key, value = iceberg_type(kind.key, take), iceberg_type(kind.value, take)
            return types.MapType(take(), key, take(), value, value_required=False)
        case Scalar(name):
            if decimal := DECIMAL.fullmatch(name):
                return types.DecimalType(int(decimal[1]), int(decimal[2]))
            made: IcebergType = getattr(types, _ICEBERG[name])()
            return made


def column_of(field: NestedField) -> Column:
    """A column as Iceberg's schema has it."""
    try:
        kind, ids = _duckdb(field.field_type)
    except KeyError:
        raise UnreadableTableError(
            f'the column "{field.name}" has the type {field.field_type}, which another writer gave it and Penstock '
            "does not store",
            hint="drop the column or give it another type with the program that did so",
        ) from None
    return Column(field.field_id, field.name, str(kind), tuple(ids))


def _duckdb(kind: IcebergType) -> tuple[Type, list[int]]:
    """The stored type of an Iceberg type, and the ids below it."""
    from pyiceberg import types

    if isinstance(kind, types.StructType):
        fields = [(field.name, field.field_id, *_duckdb(field.field_type)) for field in kind.fields]
        below = chain.from_iterable((at, *ids) for _, at, _, ids in fields)
        return Struct(tuple((name, part) for name, _, part, _ in fields)), list(below)
    if isinstance(kind, types.ListType):
        element, ids = _duckdb(kind.element_type)
        return List(element), [kind.element_id, *ids]
    if isinstance(kind, types.MapType):
        key, key_ids = _duckdb(kind.key_type)
        value, value_ids = _duckdb(kind.value_type)
        return Map(key, value), [kind.key_id, *key_ids, kind.value_id, *value_ids]
    return Scalar(column_type(str(kind))), []


def stored_type(kind: IcebergType) -> str:
    """The stored type of an Iceberg type; its own name where Penstock stores no such type."""
    try:
        return str(_duckdb(kind)[0])
    except KeyError:
        return str(kind)


def plain_type(iceberg: str) -> str:
    """The stored type of an Iceberg primitive's name; the name itself where Penstock stores no such type."""
    try:
        return column_type(iceberg)
    except KeyError:
        return iceberg


def column_type(iceberg: str) -> str:
    """The stored DuckDB type of an Iceberg primitive's name."""
    if decimal := DECIMAL.fullmatch(iceberg):
        return f"DECIMAL({decimal[1]},{decimal[2]})"
    return _DUCKDB[iceberg]


def growth(old: str, new: str) -> Iterator[tuple[tuple[str, ...], Type, bool]]:
    """How a stored type becomes another: paths below the column with their types, and whether each is new there."""
    yield from _growth((), parse_type(old), parse_type(new))


def _growth(path: tuple[str, ...], old: Type, new: Type) -> Iterator[tuple[tuple[str, ...], Type, bool]]:
    if isinstance(new, Scalar):
        if old != new:
            yield path, new, False
        return
    before, after = parts(old), parts(new)
    for (name, kind), (_, grown) in zip(before, after, strict=False):
        yield from _growth((*path, name), kind, grown)
    for name, kind in after[len(before) :]:
        yield (*path, name), kind, True


def _assert_distinct(columns: list[Column]) -> None:
    """Iceberg knows what is nested by names joined with dots: two must not come out the same."""
    seen: dict[str, str] = {}
    for column in columns:
        for path in _full_names(column.name, parse_type(column.type)):
            if seen.setdefault(path, column.name) != column.name:
                raise BadFileError(
                    f'columns "{seen[path]}" and "{column.name}" both hold what tables call "{path}"',
                    hint=f'rename one, with a step such as `rename: {{"{column.name}": other_name}}`',
                )


def _full_names(path: str, kind: Type) -> Iterator[str]:
    yield path
    for name, below in parts(kind):
        yield from _full_names(f"{path}.{name}", below)
