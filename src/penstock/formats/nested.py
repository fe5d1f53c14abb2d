"""Types as a tree: DuckDB's name of a type is read, looked into, and written again so that DuckDB reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from penstock.naming import identifier

if TYPE_CHECKING:
    import pyarrow as pa

DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[\w$]+|[^\s\w])""")
_RESERVED = (  # names of fields that DuckDB only takes in quotes
    " all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check "
    "collate collation column concurrently constraint create cross default deferrable desc describe distinct do else "
    "end except false fetch for foreign freeze from full generated glob group having ilike in initially inner "
    "intersect into is isnull join lambda lateral leading left like limit map natural not notnull null offset on only "
    "or order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references returning "
    "right row select semi show similar some struct summarize symmetric table tablesample then to trailing true "
    "try_cast union unique unpack unpivot using variadic verbose when where window with "
)


@dataclass(frozen=True)
class Scalar:
    """A type without parts, by DuckDB's name."""

    name: str

    def __str__(self) -> str:
        """Write the type as SQL does."""
        return self.name


@dataclass(frozen=True)
class Struct:
    """Named fields."""

    fields: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        """Write the type as SQL does."""
        return f"STRUCT({', '.join(f'{_field_name(name)} {kind}' for name, kind in self.fields)})"


@dataclass(frozen=True)
class List:
    """Any number of elements of one type."""

    element: Type

    def __str__(self) -> str:
        """Write the type as SQL does."""
        return f"{self.element}[]"


@dataclass(frozen=True)
class Map:
    """Values of one type by keys of another."""

    key: Type
    value: Type

    def __str__(self) -> str:
        """Write the type as SQL does."""
        return f"MAP({self.key}, {self.value})"


Type: TypeAlias = Scalar | Struct | List | Map


def parse_type(text: str) -> Type:
    """Read DuckDB's name of a type; a type with parts that is none of struct, list or map is kept as a scalar."""
    tokens = _tokens(text)
    kind = _read(tokens)
    if tokens:
        message = f"no type: {text}"
        raise ValueError(message)
    return kind


def is_nested(text: str) -> bool:
    """Whether DuckDB's name of a type is that of a struct, list or map."""
    return not isinstance(parse_type(text), Scalar)


def parts(kind: Type) -> tuple[tuple[str, Type], ...]:
    """The types right below one, by the names that Iceberg gives them."""
    match kind:
        case Struct():
            return kind.fields
        case List():
            return (("element", kind.element),)
        case Map():
            return (("key", kind.key), ("value", kind.value))
        case Scalar():
            return ()


def scalars(kind: Type, path: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every scalar below a type with the path to it, such as `address.zip` or `lines[].price`."""
    match kind:
        case Scalar():
            yield path, kind
        case List():
            yield from scalars(kind.element, f"{path}[]")
        case _:
            for name, below in parts(kind):
                yield from scalars(below, f"{path}.{name}" if path else name)


def arrow_type(kind: Type) -> pa.DataType:
    """The Arrow type for values of a type; of scalars, those that files are read with."""
    import pyarrow as pa

    match kind:
        case Struct():
            return pa.struct([pa.field(name, arrow_type(below)) for name, below in kind.fields])
        case List():
            return pa.list_(arrow_type(kind.element))
        case Map():
            return pa.map_(arrow_type(kind.key), arrow_type(kind.value))
        case Scalar():
            if decimal := DECIMAL.fullmatch(kind.name):
                return pa.decimal128(int(decimal[1]), int(decimal[2]))
            return {
                "BOOLEAN": pa.bool_(),
                "INTEGER": pa.int32(),
                "BIGINT": pa.int64(),
                "FLOAT": pa.float32(),
                "DOUBLE": pa.float64(),
                "DATE": pa.date32(),
                "TIME": pa.time64("us"),
                "TIMESTAMP": pa.timestamp("us"),
                "VARCHAR": pa.string(),
            }[kind.name]


def _field_name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and f" {name.lower()} " not in _RESERVED else identifier(name)


def _tokens(text: str) -> list[str]:
    """The parts of a type's name, last one first."""
    found: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            message = f"no type: {text}"
            raise ValueError(message)
        found.append(match[1])
        at = match.end()
    return found[::-1]


def _read(tokens: list[str]) -> Type:
    word = _take(tokens)
    opens = bool(tokens) and tokens[-1] == "("
    kind: Type
    if word.upper() == "STRUCT" and opens:
        kind = Struct(tuple(_fields(tokens)))
    elif word.upper() == "MAP" and opens:
        _take(tokens, "(")
        key = _read(tokens)
        _take(tokens, ",")
        kind = Map(key, _read(tokens))
        _take(tokens, ")")
    else:
        kind = Scalar(_scalar(word, tokens))
    return _suffixed(kind, tokens)


def _suffixed(kind: Type, tokens: list[str]) -> Type:
    """Read `[]` and `[3]`: a list of fixed length is a list."""
    while tokens and tokens[-1] == "[":
        _take(tokens, "[")
        if tokens and tokens[-1].isdigit():
            _take(tokens)
        _take(tokens, "]")
        kind = List(kind)
    return kind


def _fields(tokens: list[str]) -> Iterator[tuple[str, Type]]:
    _take(tokens, "(")
    while True:
        name = _take(tokens)
        yield (name[1:-1].replace('""', '"') if name.startswith('"') else name), _read(tokens)
        if _take(tokens) == ")":
            return


def _scalar(word: str, tokens: list[str]) -> str:
    """The rest of a scalar's name: further words, and what stands in brackets as it is."""
    words = [word]
    while tokens and re.fullmatch(r"\w+", tokens[-1]):
        words.append(_take(tokens))
    name = " ".join(words)
    if not tokens or tokens[-1] != "(":
        return name
    depth, inside = 0, ""
    while True:
        part = _take(tokens)
        inside += ", " if part == "," else part if part in "()[]" or inside[-1:] in {"(", " "} else f" {part}"
        depth += (part == "(") - (part == ")")
        if not depth:
            break
    decimal = DECIMAL.fullmatch(name + inside)
    return f"DECIMAL({decimal[1]},{decimal[2]})" if decimal else name + inside


def _take(tokens: list[str], wanted: str | None = None) -> str:
    if not tokens or wanted not in {None, tokens[-1]}:
        message = f"no type: expected {wanted or 'more'}, found {tokens[-1] if tokens else 'the end'}"
        raise ValueError(message)
    return tokens.pop()
