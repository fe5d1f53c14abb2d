"""The checks of a table: statements about rows that must hold."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from penstock.declaration.strict import ColumnList, Expression, Number, Scalar, Strict

OnBreach = Literal["warn", "quarantine", "halt"]
Bound = Number | str | None
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
    between: dict[str, Annotated[list[Bound], Field(min_length=2, max_length=2)]] | None = Field(
        default=None, min_length=1, examples=[{"age": [0, 120]}]
    )
    """Columns lie between two bounds, both inclusive; `null` for an open end; null passes."""
    matches: dict[str, str] | None = Field(default=None, min_length=1, examples=[{"email": ".+@.+"}])
    """Texts match a regular expression (RE2) from start to end; null passes."""
    length: dict[str, int | Annotated[list[int | None], Field(min_length=2, max_length=2)]] | None = Field(
        default=None, min_length=1, examples=[{"code": [3, 5]}]
    )
    """Texts have so many characters, or between so many and so many; null passes."""
    row_count: Annotated[list[int | None], Field(min_length=2, max_length=2)] | None = Field(
        default=None, examples=[[1, None]]
    )
    """A file gives between so many and so many rows; `null` for an open end."""
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
    when: Literal["before", "after"] = "after"
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

    @field_validator("matches")
    @classmethod
    def _patterns(cls, matches: dict[str, str] | None) -> dict[str, str] | None:
        for pattern in (matches or {}).values():
            try:
                re.compile(pattern)
            except re.error as error:
                message = f'"{pattern}" is not a regular expression: {error}'
                raise ValueError(message) from None
        return matches

    @property
    def kind(self) -> str:
        """Name of what is checked, such as `between`."""
        return next(iter(self.model_fields_set - {"on_breach", "when", "name"})).rstrip("_")

    @property
    def body(self) -> Any:
        """What stands under that name."""
        return self.in_ if self.kind == "in" else getattr(self, self.kind)
