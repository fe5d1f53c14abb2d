"""What a declaration may say, as pydantic models; the reference and the JSON Schema are generated from here.

Every model forbids unknown keys and does not convert types: `"12"` is not a number. Descriptions and examples are the
text of the reference page.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

LAKE_NAME = r"^[a-z][a-z0-9_]*$"
TYPE_NAME = re.compile(
    r"^(?:text|boolean|integer|double|date|timestamp|decimal\((?P<precision>\d{1,2}),\s*(?P<scale>\d{1,2})\))$"
)
MAX_PRECISION = 38

OnReupload = Literal["replace", "append", "ignore"]
ParseType = Literal["date", "timestamp", "integer", "double", "boolean"]
Expression = Annotated[str, Field(min_length=1, description="A SQL expression in DuckDB's dialect.")]
ColumnList = Annotated[list[str], Field(min_length=1)]


def _type_name(value: str) -> str:
    match = TYPE_NAME.match(value)
    if match is None:
        message = f'unknown type "{value}"; use text, boolean, integer, double, date, timestamp or decimal(P,S)'
        raise ValueError(message)
    if match["precision"] and not (
        1 <= int(match["precision"]) <= MAX_PRECISION and int(match["scale"]) <= int(match["precision"])
    ):
        message = f'"{value}" is out of range; decimal(P,S) needs P from 1 to {MAX_PRECISION} and S from 0 to P'
        raise ValueError(message)
    return value


TypeName = Annotated[str, AfterValidator(_type_name)]


class Strict(BaseModel):
    """Base of all parts: no unknown keys, no conversion of types, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class ParseRule(Strict):
    """How the text of one column is read."""

    type: ParseType
    """What the text stands for."""
    format: str | None = Field(default=None, min_length=2)
    """For dates and timestamps: the layout in strptime's letters, such as `%d/%m/%Y`. ISO 8601 when left out."""

    @model_validator(mode="after")
    def _format_needs_time(self) -> ParseRule:
        if self.format is not None and self.type not in ("date", "timestamp"):
            message = f"format goes with date and timestamp, not with {self.type}"
            raise ValueError(message)
        return self


class Bucket(Strict):
    """Sort a number into named ranges."""

    column: str
    """The column that holds the number."""
    into: str
    """The new column that gets the label; null where the number is null."""
    upto: dict[str, Annotated[float, Field(allow_inf_nan=False)] | None]
    """Label and inclusive upper bound, ascending; `null` as the last bound means no upper bound. A number above
    every bound goes to quarantine."""

    @field_validator("upto")
    @classmethod
    def _ascending(cls, upto: dict[str, float | None]) -> dict[str, float | None]:
        if not upto:
            message = "needs at least one label"
            raise ValueError(message)
        *earlier, _last = upto.values()
        if None in earlier:
            message = "only the last bound may be null"
            raise ValueError(message)
        bounds = [bound for bound in upto.values() if bound is not None]
        if any(low >= high for low, high in pairwise(bounds)):
            message = "bounds must rise from label to label"
            raise ValueError(message)
        return upto


class Step(Strict):
    """One transformation of arriving rows; has exactly one key."""

    parse: dict[str, ParseType | ParseRule] | None = Field(
        default=None, min_length=1, examples=[{"ordered_at": {"type": "date", "format": "%d/%m/%Y"}}]
    )
    """Read the text of columns as dates, timestamps, numbers or booleans. Text that cannot be read sends its row to
    quarantine; an empty value stays null."""
    derive: dict[str, Expression] | None = Field(
        default=None, min_length=1, examples=[{"year": "year(date_consultation)"}]
    )
    """Compute columns from SQL expressions over the columns so far; replaces a column of the same name. A row for which
    an expression fails goes to quarantine; dividing by zero gives null."""
    bucket: Bucket | None = None
    """Sort a number into named ranges."""
    require: ColumnList | None = Field(default=None, examples=[["diagnostic"]])
    """Drop, and count, rows in which one of these columns is null or, for text, blank."""
    rename: dict[str, str] | None = Field(default=None, min_length=1, examples=[{"sexe": "gender"}])
    """Rename columns, old name to new name; names that are not there are passed over."""
    keep: ColumnList | None = Field(default=None, examples=[["id", "price"]])
    """Keep only these columns, in this order."""
    drop: ColumnList | None = Field(default=None, examples=[["comment"]])
    """Leave these columns out."""
    filter: Expression | None = Field(default=None, examples=["status <> 'cancelled'"])
    """Keep rows for which the SQL condition is true; drop, and count, the others (false or null)."""
    cast: dict[str, TypeName] | None = Field(default=None, min_length=1, examples=[{"price": "decimal(12,2)"}])
    """Change the type of columns: text, boolean, integer, double, date, timestamp, decimal(P,S). A value that does not
    fit without loss sends its row to quarantine."""

    @field_validator("rename")
    @classmethod
    def _targets_differ(cls, rename: dict[str, str] | None) -> dict[str, str] | None:
        targets = [target.lower() for target in (rename or {}).values()]
        if len(set(targets)) < len(targets):
            message = "two columns cannot get the same name"
            raise ValueError(message)
        return rename

    @model_validator(mode="after")
    def _exactly_one(self) -> Step:
        if len(self.model_fields_set) != 1:
            found = ", ".join(sorted(self.model_fields_set)) or "nothing"
            message = f"a step has exactly one key, found {found}"
            raise ValueError(message)
        if self.body is None:
            message = f"nothing stands under {self.kind}"
            raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """Name of the step's one key, such as `parse`."""
        return next(iter(self.model_fields_set))

    @property
    def body(self) -> Any:
        """What stands under the step's one key."""
        return getattr(self, self.kind)


class Csv(Strict):
    """How a table's CSV files are written; what is left out is detected and recorded."""

    delimiter: str | None = Field(default=None, min_length=1, max_length=1, examples=[";"])
    """The character between two values."""
    quote: str | None = Field(default=None, min_length=1, max_length=1, examples=['"'])
    """The character around values that hold delimiters or line ends; doubled inside a value."""


class Table(Strict):
    """A table whose rows come from files that land."""

    files: str = Field(min_length=1, examples=["orders/*.csv"])
    """Which files below `raw/` are the table's: a glob, where `*` stays within a folder and `**` crosses folders."""
    description: str | None = None
    """One sentence for people."""
    steps: list[Step] = []
    """What is done to arriving rows, in order."""
    csv: Csv = Csv()
    """How the CSV files are written."""
    on_reupload: OnReupload = "replace"
    """What a new version of a file does: `replace` the rows of the old one, `append` to them, or be `ignore`d. Content
    that was delivered before replaces its own rows, never doubles them."""

    @field_validator("files")
    @classmethod
    def _below_the_zone(cls, files: str) -> str:
        if files.startswith("/") or ".." in files.split("/") or "\\" in files:
            message = "is a pattern below raw/, with / between folders and without .."
            raise ValueError(message)
        return files


class Zones(Strict):
    """Where bytes live: folders below the lake's folder, or absolute folders."""

    raw: str = "raw"
    """Files as delivered; never changed."""
    processed: str = "processed"
    """Tables."""
    enriched: str = "enriched"
    """Results of saved queries."""


class Declaration(Strict):
    """A data lake."""

    lake: str = Field(pattern=LAKE_NAME, examples=["consultations"])
    """The lake's name: lower-case letters, digits and underscores, starting with a letter."""
    description: str | None = None
    """One sentence for people."""
    tags: dict[str, str] = {}
    """Labels for everything that is created; written to the properties of every table."""
    zones: Zones = Zones()
    """Where bytes live."""
    tables: dict[str, Table] = {}
    """Tables by `name` or `layer.name`."""
