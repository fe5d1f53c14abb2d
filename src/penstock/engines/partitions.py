"""Cutting rows into partitions: which values they fall under, and a SELECT for the rows of each.

The values are Iceberg's own, computed by the same SELECT for counting and for cutting. A file is written whole first
and cut afterwards: rules, counts and quarantine need not know of partitions, and a file that falls into one partition,
as deliveries of a day or a country do, is not touched again. Keeping a writer open for each partition instead takes
memory for each: 1,000 of them do not fit into 300 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from penstock.engines.engine import Engine
from penstock.engines.hashing import NUMBER, TEXT
from penstock.errors import BadFileError, ExpressionError
from penstock.naming import identifier, literal
from penstock.state import Spec
from penstock.state.specs import PartitionValue
from penstock.state.store import Column
from penstock.storage.local import remove_file
from penstock.tables.partition import layout_text

MOST = 1_000
FEW = 8
"""Partitions up to which the rows are read once for each; more are sorted first."""
KEY = "__penstock_key"
_DAY, _HOUR = "DATE '1970-01-01'", 3_600_000_000


@dataclass(frozen=True)
class Piece:
    """The rows of one partition.

    Attributes:
        partition: Which, as `Spec.partition` writes it.
        rows: How many there are.
        select: SELECT that gives them.
    """

    partition: str
    rows: int
    select: str


class Splitter:
    """Cuts rows into the partitions of a table."""

    def __init__(self, engine: Engine, spec: Spec, columns: Sequence[Column]) -> None:
        """Cut by `spec` what has `columns`; a column of the spec that is not among them is null in every row."""
        self._engine, self._spec, self._columns = engine, spec, tuple(columns)
        by_id = {column.id: column for column in columns}
        pairs = [(field.transform, by_id.get(field.column)) for field in spec.fields]
        self._keys = [_key(transform, column) for transform, column in pairs]

    @contextmanager
    def pieces(self, relation: str, beside: str) -> Iterator[list[Piece]]:
        """Cut the rows of a SELECT, in any order; `beside` is a path for what lives no longer than the block.

        Raises:
            BadFileError: They fall into too many partitions.
        """
        found = self.counts(relation)
        hashed = any(field.transform.startswith("bucket") for field in self._spec.fields)
        if len(found) <= (1 if hashed else FEW):
            yield self._cut(self._keyed(relation), found)
            return
        try:
            yield self._cut(self._sorted(relation, beside), found)
        finally:
            remove_file(beside)

    def select(self, relation: str, values: Sequence[Any]) -> str:
        """SELECT for the rows of one partition, in the order of the SELECT `relation`."""
        return self._where(self._keyed(relation), values)

    def counts(self, relation: str, group: str = "") -> list[tuple[Any, ...]]:
        """Values and rows of each partition; with a column `group`, for each of its values, which stand between."""
        keys = [f"{KEY}{at}" for at in range(len(self._keys))]
        listed = ", ".join([*keys, *([group] if group else [])])
        sql = f"SELECT {listed}, count(*) FROM ({self._keyed(relation)}) GROUP BY ALL ORDER BY {listed}"
        try:
            found = self._engine.ask(sql if group else f"{sql} LIMIT {MOST + 1}")
        except ExpressionError as error:
            raise BadFileError(
                f"the rows cannot be partitioned by {self._said}: {error.what}",
                hint="correct `partition` in lake.yaml",
            ) from error
        if len({row[: len(keys)] for row in found}) > MOST:
            raise BadFileError(
                f"the rows fall into more than {MOST:,} partitions of {self._said}, which is the most for one file",
                hint="partition by something coarser in lake.yaml, such as month(...) or bucket(...)",
            )
        return found

    @property
    def _said(self) -> str:
        return layout_text(self._spec, self._columns)

    def _keyed(self, relation: str) -> str:
        keys = ", ".join(f"{sql} AS {KEY}{at}" for at, (sql, _) in enumerate(self._keys))
        return f"SELECT *, {keys} FROM ({relation})"

    def _sorted(self, relation: str, beside: str) -> str:
        order = ", ".join(f"{KEY}{at}" for at in range(len(self._keys)))
        self._engine.gather(f"{self._keyed(relation)} ORDER BY {order}", self._columns, beside, {})
        return f"SELECT * FROM read_parquet({literal(beside)})"

    def _cut(self, keyed: str, found: list[tuple[Any, ...]]) -> list[Piece]:
        return [Piece(self.partition(values), rows, self._where(keyed, values)) for *values, rows in found]

    def _where(self, keyed: str, values: Sequence[Any]) -> str:
        names = ", ".join(identifier(column.name) for column in self._columns)
        return f"SELECT {names} FROM ({keyed}) WHERE {self._condition(values)}"

    def partition(self, values: Sequence[Any]) -> str:
        """Write values that the engine gave as `Spec.partition` does."""
        plain: list[PartitionValue] = [str(value) if isinstance(value, Decimal) else value for value in values]
        return self._spec.partition(plain)

    def _condition(self, values: Sequence[Any]) -> str:
        return " AND ".join(
            f"{KEY}{at} IS NULL" if value is None else f"{KEY}{at} = CAST({literal(str(value))} AS {kind})"
            for at, (value, (_, kind)) in enumerate(zip(values, self._keys, strict=True))
        )


def _key(transform: str, column: Column | None) -> tuple[str, str]:
    """SQL of a partition's value as Iceberg keeps it, and its type."""
    kind, _, size = transform.rstrip("]").partition("[")
    if column is None:
        return "CAST(NULL AS INTEGER)", "INTEGER"
    name = identifier(column.name)
    moment = f"make_timestamp(epoch_us({name}))" if column.type == "TIMESTAMP WITH TIME ZONE" else name
    whole = f"CAST(CAST({moment} AS DATE) - {_DAY} AS INTEGER)" if column.type != "VARCHAR" else name
    if kind == "identity":
        return (whole, "INTEGER") if column.type == "DATE" else (name, column.type)
    if kind == "truncate":
        return (f"left({name}, {size})" if column.type == "VARCHAR" else _floored(name, size, column.type)), column.type
    if kind == "bucket":
        number = whole if column.type == "DATE" else name
        hashed = f"{TEXT}({name})" if column.type == "VARCHAR" else f"{NUMBER}(CAST({number} AS BIGINT))"
        return f"CAST(({hashed} & 2147483647) % {size} AS INTEGER)", "INTEGER"
    return f"CAST({_time(kind, moment, whole)} AS INTEGER)", "INTEGER"


def _floored(name: str, size: str, kind: str) -> str:
    wide = f"CAST({name} AS HUGEINT)"
    return f"CAST({wide} - ((({wide} % {size}) + {size}) % {size}) AS {kind})"


def _time(kind: str, moment: str, day: str) -> str:
    """SQL of whole years, months, days or hours since 1970."""
    match kind:
        case "year":
            return f"year({moment}) - 1970"
        case "month":
            return f"(year({moment}) - 1970) * 12 + month({moment}) - 1"
        case "day":
            return day
        case _:
            at = f"epoch_us({moment})"
            return f"({at} - ((({at} % {_HOUR}) + {_HOUR}) % {_HOUR})) // {_HOUR}"
