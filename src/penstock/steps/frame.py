"""The relation that steps work on: a SELECT, its fields, and the rules that set rows aside so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from penstock.engines import FATE, ORDINAL, PLACE, ROW, SOURCE, Rule, flag_column, raw_column
from penstock.errors import BadFileError
from penstock.formats import RESERVED
from penstock.formats.csv.certain import certain_column
from penstock.naming import did_you_mean, identifier
from penstock.steps.expressions import columns_of


@dataclass(frozen=True)
class Field:
    """A column on its way.

    Attributes:
        name: Its name now.
        type: Its DuckDB type; None when only the engine can tell.
        cell: Position in the file, from 0, of the cell that its values are read from, one for one; None for any other.
        origin: Name of that column in the file.
        as_found: Whether its values are the texts of that cell, untouched.
    """

    name: str
    type: str | None
    cell: int | None = None
    origin: str | None = None
    as_found: bool = False

    @property
    def found(self) -> str:
        """Start of a reason: the column and, where it is still the file's, the value found."""
        return f"{self.name}: its value" if self.cell is None else f'{self.name}: "{{value}}"'


FLAGGED = ("warned", "added")
TypesOf = Callable[[str], dict[str, str]]
"""Asks the engine for the types of a SELECT's columns."""


@dataclass(frozen=True)
class Frame:
    """A relation with its fields in order.

    Attributes:
        guarded: Whether expressions are computed so that a failure sets its row aside instead of ending the query.
            That costs time, so it is only done for files in which an expression failed.
        place: Which step is being compiled, for errors.
        ordered: Whether the SELECT needs the ordinals of records.
        kinds: DuckDB types of the file's cells; empty where all are text.
        certain: Columns with certain values of texts that a later step reads.
    """

    select: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    width: int
    types_of: TypesOf
    guarded: bool = False
    place: str = ""
    ordered: bool = False
    kinds: tuple[str, ...] = ()
    certain: tuple[str, ...] = ()

    def find(self, name: str) -> Field:
        """The field called `name`, upper and lower case alike.

        Raises:
            BadFileError: There is none.
        """
        for field in self.fields:
            if field.name.lower() == name.lower():
                return field
        names = [field.name for field in self.fields]
        raise BadFileError(
            f'{self.place}: no column "{name}"{did_you_mean(name, names) or "; there are " + ", ".join(names)}',
            hint="correct the step, or deliver a file that has the column",
        )

    def check_columns(self, expression: str) -> None:
        """Make sure that the relation has the columns that an expression reads.

        Raises:
            BadFileError: One is not there.
        """
        for name in columns_of(expression):
            self.find(name)

    def check_free(self, name: str) -> None:
        """Make sure that a column may be called `name`.

        Raises:
            BadFileError: The system's own columns are called like that.
        """
        if name.lower().startswith(RESERVED):
            message = f'{self.place}: the name "{name}" is taken by the system'
            raise BadFileError(message, hint=f"names must not start with {RESERVED}")

    def type_of(self, field: Field) -> str:
        """The field's type, asking the engine where it is not known."""
        return field.type or self.types_of(self.select)[field.name]

    def layer(self, fields: tuple[Field, ...], changed: dict[str, str], fate: str = FATE) -> Frame:
        """Put a SELECT around this one: `fields` in order, those in `changed` computed by the SQL given there."""
        raw = [*carried(self.width), *self.certain, *self.flags]
        columns = [
            f"{changed[field.name]} AS {identifier(field.name)}" if field.name in changed else identifier(field.name)
            for field in fields
        ]
        select = f"SELECT {', '.join([*raw, *columns, f'{fate} AS {FATE}'])} FROM ({self.select})"
        return replace(self, select=select, fields=fields)

    @property
    def flags(self) -> list[str]:
        """Columns that say which rows the rules of the kinds `warned` and `added` speak of."""
        return [flag_column(at) for at, rule in enumerate(self.rules) if rule.fate in FLAGGED]

    def with_field(self, new: Field, sql: str) -> Frame:
        """Compute a column from the live rows' values; replaces the field of the same name in its place."""
        return self.with_fields([(new, sql)])

    def with_fields(self, new: list[tuple[Field, str]]) -> Frame:
        """Compute columns in one SELECT, all of them from the values before it; see `with_field`."""
        changed_fields = {field.name.lower(): replace(field, as_found=False) for field, _ in new}
        fields = {field.name.lower(): field for field in self.fields} | changed_fields
        changed = {field.name: f"CASE WHEN {FATE} IS NULL THEN {sql} END" for field, sql in new}
        return self.layer(tuple(fields.values()), changed)

    def certain_of(self, field: Field, kind: str) -> str | None:
        """Column with the values of type `kind` that are certain of a field's texts; None where none is."""
        if not field.as_found or field.cell is None:
            return None
        name = certain_column(field.cell, kind)
        return name if name in self.certain else None

    def without(self, *names: str) -> Frame:
        """Leave fields out."""
        return self.layer(tuple(field for field in self.fields if field.name not in names), {})

    def set_aside(self, conditions: list[tuple[str, Rule]]) -> Frame:
        """Give live rows for which a condition is true the number of its rule; the first one counts."""
        if not conditions:
            return self
        first = len(self.rules)
        cases = " ".join(f"WHEN {condition} THEN {first + at}" for at, (condition, _) in enumerate(conditions))
        fate = f"CASE WHEN {FATE} IS NOT NULL THEN {FATE} {cases} END"
        framed = self.layer(self.fields, {}, fate)
        return replace(framed, rules=(*self.rules, *(rule for _, rule in conditions)))

    def warn(self, conditions: list[tuple[str, Rule]]) -> Frame:
        """Speak of live rows for which a condition is true, and keep them; the rules' fate is `warned` or `added`."""
        frame = self
        for condition, rule in conditions:
            flag = flag_column(len(frame.rules))
            flagged = f"coalesce(CASE WHEN {FATE} IS NULL THEN {condition} END, false) AS {flag}"
            columns = [
                *carried(self.width),
                *self.certain,
                *frame.flags,
                *(identifier(field.name) for field in self.fields),
            ]
            select = f"SELECT {', '.join([*columns, FATE, flagged])} FROM ({frame.select})"
            frame = replace(frame, select=select, rules=(*frame.rules, rule))
        return frame


def carried(width: int) -> list[str]:
    """Columns that every SELECT hands on: where a record stands, and its cells."""
    return [ORDINAL, *PLACE, ROW, *(raw_column(at) for at in range(width))]


def source_frame(width: int, types_of: TypesOf, certain: tuple[str, ...] = (), *, guarded: bool) -> Frame:
    """The file's records before anything is done to them."""
    select = f"SELECT *, CAST(NULL AS INTEGER) AS {FATE} FROM {SOURCE}"
    return Frame(select, (), (), width, types_of, guarded, certain=certain)
