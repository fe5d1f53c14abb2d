"""The steps of a table: what each of them may say. Their meaning is in `penstock.steps`, their story in docs/steps."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from penstock.declaration.checks import pattern_problem
from penstock.declaration.parse_rule import ParseRule, ParseType
from penstock.declaration.strict import (
    ColumnList,
    Expression,
    QuarantineNullOrKeep,
    QuarantineOrNull,
    Scalar,
    Strict,
    TypeName,
)
from penstock.naming import literal

_REWRITE = re.compile(r"\\(.?)", re.DOTALL)
_KEYS_OF_MAP = ("values", "ignore_case", "otherwise")
LARGEST = 2**63 - 1
DIGITS = tuple("0123456789")
MOST_GROUPS = 1_000


Bound = int | Annotated[float, Field(allow_inf_nan=False)] | None


def _pattern(value: str) -> str:
    problem = pattern_problem(value)
    if problem is not None:
        message = f'"{value}" is not a regular expression (RE2): {problem}'
        raise ValueError(message)
    return value


def _columns(value: Any) -> Any:
    """Names of new columns: none twice, upper and lower case alike."""
    lower = [name.lower() for name in value] if isinstance(value, list) else []
    twice = next((name for name in lower if lower.count(name) > 1), None)
    if twice is not None:
        message = f'two of the new columns are called "{twice}"'
        raise ValueError(message)
    return value


@cache
def groups_of(pattern: str) -> int:
    """How many groups a sound regular expression has, as the engine counts them."""
    import duckdb

    with duckdb.connect() as connection:
        for count in range(1, MOST_GROUPS + 1):
            names = [f"g{at}" for at in range(count)]
            try:
                connection.execute(f"SELECT regexp_extract('', {literal(pattern)}, {names})")
            except duckdb.BinderException:
                return count - 1
    return MOST_GROUPS


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


class Map(Strict):
    """Replace values of a column by others."""

    values: dict[str, Scalar | None] = Field(min_length=1)
    """Value as text, and what it becomes; `null` for no value."""
    ignore_case: bool = False
    """Whether upper and lower case are alike."""
    otherwise: QuarantineNullOrKeep = "keep"
    """What a value that is not listed does: `keep` stays as it is, `null` (counted as a warning), or its row goes to
    `quarantine`."""

    @model_validator(mode="after")
    def _one_meaning(self) -> Map:
        problem = _map_problem(self.values) or (self._alike() if self.ignore_case else None)
        if problem is not None:
            raise ValueError(problem)
        return self

    def _alike(self) -> str | None:
        lower: dict[str, str] = {}
        for text, value in self.values.items():
            other = lower.setdefault(text.lower(), text)
            if self.values[other] != value:
                return f'"{other}" and "{text}" are alike where case is ignored, and become different values'
        return None


def _map_problem(values: dict[str, Scalar | None]) -> str | None:
    kinds = {_kind(value): value for value in values.values() if value is not None}
    if len(kinds) > 1 and set(kinds) != {"an integer", "a number"}:
        (first, one), (second, other) = list(kinds.items())[:2]
        return f"the new values are of two types: {first} ({one}) and {second} ({other})"
    large = next((v for v in values.values() if isinstance(v, int) and not -LARGEST - 1 <= v <= LARGEST), None)
    return None if large is None else f"{large} is too large for an integer"


def _kind(value: Scalar) -> str:
    kinds = {bool: "true or false", int: "an integer", float: "a number"}
    return kinds.get(type(value), "a text")


class Replace(Strict):
    """Replace what a regular expression matches."""

    pattern: Annotated[str, Field(min_length=1)]
    """A regular expression (RE2)."""
    by: str
    r"""What each match becomes; `\1` is the first group, `\0` the whole match, `\\` a backslash."""

    _check = field_validator("pattern")(_pattern)

    @model_validator(mode="after")
    def _groups_are_there(self) -> Replace:
        groups = groups_of(self.pattern)
        for escaped in _REWRITE.findall(self.by):
            if escaped != "\\" and not (escaped in DIGITS and int(escaped) <= groups):
                most = f"\\0 to \\{min(groups, 9)}" if groups else "\\0"
                message = f'"{self.by}" holds \\{escaped}; the pattern has {most}, and a backslash is written twice'
                raise ValueError(message)
        return self


class Extract(Strict):
    """Take parts of a text into columns, by a regular expression."""

    column: str
    """The column that holds the text."""
    pattern: Annotated[str, Field(min_length=1)]
    """A regular expression (RE2) with a group for each new column; it may match anywhere in the text."""
    into: ColumnList
    """The new columns, one for each group; null where the text is null, or a group is empty or takes no part."""
    otherwise: QuarantineOrNull = "quarantine"
    """What a text that does not match does: send its row to `quarantine`, or give `null` in every new column (counted
    as a warning)."""

    _check = field_validator("pattern")(_pattern)
    _differ = field_validator("into")(_columns)

    @model_validator(mode="after")
    def _a_group_each(self) -> Extract:
        groups = groups_of(self.pattern)
        if groups != len(self.into):
            count = f"{groups} group{'' if groups == 1 else 's'}"
            message = f"the pattern has {count}, and the new columns are {len(self.into)}; each group fills one"
            raise ValueError(message)
        return self


class Split(Strict):
    """Cut a text at a separator."""

    column: str
    """The column that holds the text."""
    on: Annotated[str, Field(min_length=1)]
    """The separator, as it stands."""
    into: str | ColumnList
    """One name: a column that holds the list of parts. A list of names: a column for each part. An empty part is
    null."""
    otherwise: QuarantineOrNull = "quarantine"
    """With a list of names, what a text with another number of parts does: send its row to `quarantine`, or give
    `null` in every new column (counted as a warning)."""

    @model_validator(mode="after")
    def _names_differ(self) -> Split:
        _columns(self.into)
        return self


class Explode(Strict):
    """Make a row of each element of a list."""

    column: str
    """The column that holds a list, or a text to cut with `on`."""
    on: Annotated[str, Field(min_length=1)] | None = None
    """The separator, where the column holds text."""
    into: str | None = None
    """Name of the column that holds the element; the same column when left out."""


class Dedupe(Strict):
    """Keep one row of those with equal keys, within one file."""

    key: ColumnList
    """Columns that make rows alike; rows in which one of them is null are all kept."""
    keep: Literal["newest", "oldest", "first", "last"] = "first"
    """Which row is kept: `first` or `last` in the file, or the `newest` or `oldest` by the column `by`."""
    by: str | None = None
    """The column that tells which row is newer; rows without a value are older than all others."""

    @model_validator(mode="after")
    def _by_for_age(self) -> Dedupe:
        if (self.by is not None) != (self.keep in ("newest", "oldest")):
            message = "keep: newest and keep: oldest need by: COLUMN, first and last do not take it"
            raise ValueError(message)
        return self


class Hash(Strict):
    """Replace values by their SHA-256, hexadecimal."""

    columns: ColumnList
    """Columns to hash."""
    salt: str = ""
    """Text put before each value, so that hashes cannot be looked up; take it from the environment: `${SALT}`."""


class Mask(Strict):
    """Hide the characters of a text; one that is not longer than what would be shown is hidden whole."""

    keep_first: Annotated[int, Field(ge=0)] = 0
    """Characters shown at the start."""
    keep_last: Annotated[int, Field(ge=0)] = 0
    """Characters shown at the end."""
    char: str = Field(default="*", min_length=1, max_length=1)
    """What stands for each hidden character."""


class Step(Strict):
    """One transformation of arriving rows; has exactly one key."""

    parse: dict[str, ParseType | ParseRule] | None = Field(
        default=None, min_length=1, examples=[{"ordered_at": {"type": "date", "format": "%d/%m/%Y"}}]
    )
    """Read the text of columns as dates, times, numbers or booleans. Text that cannot be read sends its row to
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
    """Change the type of columns: text, boolean, integer, double, date, timestamp, timestamptz, decimal(P,S). A value
    that does not fit without loss sends its row to quarantine."""
    fill: dict[str, Scalar] | None = Field(default=None, min_length=1, examples=[{"city": "unknown"}])
    """Put a value where there is none (null)."""
    trim: ColumnList | None = Field(default=None, examples=[["city"]])
    """Take white space off both ends of texts; a text of nothing else becomes null."""
    case: dict[str, Literal["lower", "upper", "title"]] | None = Field(
        default=None, min_length=1, examples=[{"email": "lower"}]
    )
    """Write texts in lower case, upper case, or each word with a capital."""
    map: dict[str, Map | dict[str, Scalar | None]] | None = Field(
        default=None, min_length=1, examples=[{"status": {"values": {"O": "open", "C": "closed"}}}]
    )
    """Replace values by others."""
    replace: dict[str, Replace] | None = Field(
        default=None, min_length=1, examples=[{"phone": {"pattern": "[^0-9+]", "by": ""}}]
    )
    """Replace what a regular expression matches."""
    extract: Extract | None = None
    """Take parts of a text into columns, by a regular expression."""
    split: Split | None = None
    """Cut a text at a separator, into a list or into columns."""
    explode: Explode | None = None
    """Make a row of each element of a list; a row whose list is null or empty stays one row, with null."""
    dedupe: Dedupe | None = None
    """Keep one row of those with equal keys, within one file; drop, and count, the others."""
    clip: dict[str, Annotated[list[Bound], Field(min_length=2, max_length=2)]] | None = Field(
        default=None, min_length=1, examples=[{"age": [0, 120]}]
    )
    """Move numbers outside a range to its nearest end; `null` for an open end."""
    hash: ColumnList | Hash | None = Field(default=None, examples=[["email"]])
    """Replace values by their SHA-256, hexadecimal; null stays null."""
    mask: ColumnList | dict[str, Mask] | None = Field(default=None, examples=[{"iban": {"keep_last": 4}}])
    """Hide the characters of texts; null stays null."""
    sql: Expression | None = Field(default=None, examples=["SELECT *, price / surface AS price_m2 FROM input"])
    """One SELECT over `input`, the rows so far."""
    python: str | None = Field(default=None, pattern=r"^[\w./-]+\.py:[A-Za-z_]\w*$", examples=["steps.py:clean"])
    """`FILE.py:FUNCTION` below the lake's folder: takes a pyarrow RecordBatch, returns a RecordBatch or Table."""

    @field_validator("rename")
    @classmethod
    def _targets_differ(cls, rename: dict[str, str] | None) -> dict[str, str] | None:
        targets = [target.lower() for target in (rename or {}).values()]
        if len(set(targets)) < len(targets):
            message = "two columns cannot get the same name"
            raise ValueError(message)
        return rename

    @field_validator("map")
    @classmethod
    def _short_maps(cls, rules: dict[str, Any] | None) -> dict[str, Any] | None:
        for rule in (rules or {}).values():
            values = {} if isinstance(rule, Map) else rule
            key = next((key for key in _KEYS_OF_MAP if key in values), None)
            if key is not None:
                message = f'"{key}" stands among the values; write them below values: {{...}}, and {key} beside it'
                raise ValueError(message)
            problem = _map_problem(values)
            if problem is not None:
                raise ValueError(problem)
        return rules

    @field_validator("clip")
    @classmethod
    def _range(cls, clip: dict[str, list[Bound]] | None) -> dict[str, list[Bound]] | None:
        for low, high in (clip or {}).values():
            if low is None and high is None:
                message = "a range needs at least one end"
                raise ValueError(message)
            if low is not None and high is not None and low > high:
                message = f"the range {low:g} to {high:g} is upside down"
                raise ValueError(message)
        return clip

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
