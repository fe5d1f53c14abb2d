"""The checks of a table: what must hold of its rows, and the single statements that this comes down to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from penstock.declaration.strict import ColumnList, Expression, Number, Scalar, Strict
from penstock.naming import literal

OnBreach = Literal["warn", "quarantine", "halt"]
When = Literal["before", "after"]
Bound = int | Number | str | None
Limits = Annotated[list[Bound], Field(min_length=2, max_length=2)]
Counts = Annotated[list[Annotated[int, Field(ge=0)] | None], Field(min_length=2, max_length=2)]
REFERENCE = re.compile(r"^(?P<table>(?:[a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*)\.(?P<column>[^.]+)$")
DURATION = re.compile(r"^(?P<count>\d+)\s*(?P<unit>s|m|h|d|w)$")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
ABOUT_TABLES = ("row_count", "fresh")
"""Checks of a whole file or table: no single row can be set aside for them."""


class Fresh(Strict):
    """The newest value of a column must not be older than so long."""

    column: str
    """A date or timestamp."""
    within: str = Field(examples=["2d"])
    """A whole number and s, m, h, d or w."""

    @field_validator("within")
    @classmethod
    def _duration(cls, within: str) -> str:
        if not DURATION.match(within):
            message = f'"{within}" is not a duration; write a whole number and s, m, h, d or w, such as 36h'
            raise ValueError(message)
        return within

    @property
    def seconds(self) -> int:
        """The duration."""
        match = DURATION.match(self.within)
        return int(match["count"]) * SECONDS[match["unit"]] if match else 0


class Check(Strict):
    """One statement about rows that must hold; has exactly one key beside `on_breach`, `when` and `name`."""

    not_null: str | ColumnList | None = Field(default=None, examples=["order_id"])
    """These columns have a value."""
    unique: str | ColumnList | None = Field(default=None, examples=["order_id"])
    """No two rows of the table have equal values in these columns together; rows with a null among them are passed
    over."""
    in_: dict[str, Annotated[list[Scalar], Field(min_length=1)]] | None = Field(
        default=None, alias="in", min_length=1, examples=[{"status": ["open", "closed"]}]
    )
    """Columns hold one of the values listed; null passes."""
    between: dict[str, Limits] | None = Field(default=None, min_length=1, examples=[{"age": [0, 120]}])
    """Columns lie between two bounds, both inclusive; `null` for an open end; null passes. Dates are written as text
    (`2024-01-01`); a date alone stands for its whole day."""
    matches: dict[str, str] | None = Field(default=None, min_length=1, examples=[{"email": ".+@.+"}])
    """Texts match a regular expression (RE2) from start to end; null passes."""
    length: dict[str, Annotated[int, Field(ge=0)] | Counts] | None = Field(
        default=None, min_length=1, examples=[{"code": [3, 5]}]
    )
    """Texts have so many characters, or between so many and so many; null passes."""
    row_count: Counts | None = Field(default=None, examples=[[1, None]])
    """A file gives between so many and so many rows, or before the steps holds so many; `null` for an open end."""
    fresh: Fresh | None = None
    """The newest value of a column in a file is not older than so long."""
    references: dict[str, str] | None = Field(
        default=None, min_length=1, examples=[{"customer_id": "customers.customer_id"}]
    )
    """Values of a column exist in a column of another table (`table.column` or `layer.table.column`); null passes."""
    sql: Expression | None = Field(default=None, examples=["price > 0 or status = 'draft'"])
    """A SQL condition over the columns is true for every row; null passes."""
    on_breach: OnBreach = "warn"
    """What a breach does: `warn` keeps the rows and says so, `quarantine` sets those rows aside, `halt` refuses the
    whole file and leaves the table as it was."""
    when: When = "after"
    """Whether rows are looked at before the steps, with the file's own columns, or after them."""
    name: str | None = None
    """A name for people; made from the check when left out."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Check:
        kinds = self.model_fields_set - {"on_breach", "when", "name"}
        if len(kinds) != 1:
            found = ", ".join(sorted(kind.rstrip("_") for kind in kinds)) or "none"
            message = f"a check states exactly one thing, found {found}"
            raise ValueError(message)
        if self.body is None:
            message = f"nothing stands under {self.kind}"
            raise ValueError(message)
        if self.kind in ABOUT_TABLES and self.on_breach == "quarantine":
            message = f"{self.kind} is about the file as a whole: no row can be set aside; use warn or halt"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _after_the_steps(self) -> Check:
        if self.kind == "fresh" and self.when == "before":
            message = "fresh looks at what a file gives: leave out `when: before`"
            raise ValueError(message)
        return self

    @field_validator("matches")
    @classmethod
    def _patterns(cls, matches: dict[str, str] | None) -> dict[str, str] | None:
        for pattern in (matches or {}).values():
            reason = pattern_problem(pattern)
            if reason is not None:
                message = f'"{pattern}" is not a regular expression (RE2): {reason}'
                raise ValueError(message)
        return matches

    @field_validator("between")
    @classmethod
    def _bounds(cls, between: dict[str, list[Bound]] | None) -> dict[str, list[Bound]] | None:
        for column, bounds in (between or {}).items():
            low, high = bounds
            _assert_some(column, bounds)
            if low is not None and high is not None and isinstance(low, str) != isinstance(high, str):
                message = f"{column} has a number and a text as bounds; both must be of one kind"
                raise ValueError(message)
            _assert_rising(column, low, high)
        return between

    @field_validator("length")
    @classmethod
    def _lengths(cls, length: dict[str, int | list[int | None]] | None) -> dict[str, int | list[int | None]] | None:
        for column, wanted in (length or {}).items():
            if isinstance(wanted, list):
                _assert_some(column, wanted)
                _assert_rising(column, *wanted)
        return length

    @field_validator("row_count")
    @classmethod
    def _counts(cls, row_count: list[int | None] | None) -> list[int | None] | None:
        if row_count is not None:
            _assert_some("row_count", row_count)
            _assert_rising("row_count", *row_count)
        return row_count

    @field_validator("references")
    @classmethod
    def _targets(cls, references: dict[str, str] | None) -> dict[str, str] | None:
        for target in (references or {}).values():
            if not REFERENCE.match(target):
                message = f'"{target}" is not a column of a table; write table.column or layer.table.column'
                raise ValueError(message)
        return references

    @property
    def kind(self) -> str:
        """Name of what is checked, such as `between`."""
        return next(iter(self.model_fields_set - {"on_breach", "when", "name"})).rstrip("_")

    @property
    def body(self) -> Any:
        """What stands under that name."""
        return self.in_ if self.kind == "in" else getattr(self, self.kind)


def _assert_some(column: str, bounds: list[Any]) -> None:
    if all(bound is None for bound in bounds):
        message = f"{column} has no bound; give at least one of the two"
        raise ValueError(message)


def _assert_rising(column: str, low: Any, high: Any) -> None:
    if low is not None and high is not None and low > high:
        message = f"{column}: the first bound {low} is above the second, {high}"
        raise ValueError(message)


@cache
def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a regular expression, as the engine that will run it says; None when it is sound."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            connection.execute(f"SELECT regexp_full_match('', {literal(pattern)})")
        except duckdb.Error as error:
            return str(error).split(": ", 1)[-1].split("\n", 1)[0].strip()
    return None


@dataclass(frozen=True)
class Statement:
    """One thing that must hold: a check says as many as it has columns.

    Attributes:
        check: Which of the table's checks says it, from 0.
        name: Its name for people, unlike that of the table's other statements.
        columns: The columns that it is about; none for an expression or a count.
        body: What it says of them.
    """

    check: int
    name: str
    kind: str
    columns: tuple[str, ...]
    body: Any
    on_breach: OnBreach
    when: When

    @property
    def rule(self) -> str:
        """Name under which rows that break it are counted."""
        return f"check {self.name}"

    @property
    def place(self) -> str:
        """Where it is declared, below the table."""
        return f"checks[{self.check}].{self.kind}"

    @property
    def about_rows(self) -> bool:
        """Whether single rows hold or break it."""
        return self.kind not in ABOUT_TABLES


def statements(checks: list[Check]) -> list[Statement]:
    """What the checks of a table come down to, in order; names that stand twice are numbered."""
    found: list[Statement] = []
    taken = set[str]()
    for at, check in enumerate(checks):
        parts = _parts(check)
        for columns, body, said in parts:
            name = check.name or f"{check.kind} {said}"
            if check.name and len(parts) > 1:
                name = f"{check.name}: {', '.join(columns)}"
            name = next(free for free in _numbered(name) if free not in taken)
            taken.add(name)
            found.append(Statement(at, name, check.kind, columns, body, check.on_breach, check.when))
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} ({at})" for at in count(2))


def _parts(check: Check) -> list[tuple[tuple[str, ...], Any, str]]:
    """Columns, what is said of them, and that in words, for every statement of a check."""
    body = check.body
    if check.kind in {"not_null", "unique"}:
        names = [body] if isinstance(body, str) else list(body)
        groups = [tuple(names)] if check.kind == "unique" else [(name,) for name in names]
        return [(group, None, ", ".join(group)) for group in groups]
    if check.kind == "sql":
        return [((), body, body)]
    if check.kind == "row_count":
        return [((), body, _range(body))]
    if check.kind == "fresh":
        return [((body.column,), body, f"{body.column} {body.within}")]
    return [((column,), value, _said(check.kind, column, value)) for column, value in body.items()]


def _said(kind: str, column: str, value: Any) -> str:
    if kind in {"in", "matches"}:
        return column
    if kind == "references":
        return f"{column} {value}"
    return f"{column} {_range(value) if isinstance(value, list) else value}"


def _range(bounds: list[Any]) -> str:
    low, high = ("" if bound is None else str(bound) for bound in bounds)
    return f"{low}..{high}"
