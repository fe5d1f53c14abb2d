"""Giving a file's columns the types of the table: text is read, values of another type are converted, without loss.

What a value does that has no equal of its column's type is the column's contract: its row is set aside, or the whole
file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from penstock.engines import Fate, Rule, raw_column
from penstock.formats import holds_sql, value_sql
from penstock.formats.csv.certain import CERTAIN, certain_column
from penstock.formats.nested import DECIMAL
from penstock.formats.text_types import WORDS, pointed_sql
from penstock.naming import identifier
from penstock.steps.frame import Field, Frame

State = Literal["known", "unwanted", "required"]
CONTRACT = "contract"
"""First word of the names of rules that stand for a contract, as `type` is for those of a type."""


@dataclass(frozen=True)
class SourceColumn:
    """A column of the table's files.

    Attributes:
        name: Its name.
        type: The DuckDB type that its values get.
        cell: Position in this file, from 0; None where the file lacks it.
        kind: The DuckDB type of the cells in this file; `VARCHAR` for text.
        decimal: The decimal mark of numbers that are written as text.
        contract: What a value that does not fit does.
        was: The type that the column had before a later file widened it.
        empty: Whether no file has had a value yet: the first one is to decide the type, and fits nothing.
        state: `known`; `unwanted` for a column of this file whose values set their rows aside; `required` for one whose
            absence sets all rows aside.
    """

    name: str
    type: str
    cell: int | None
    kind: str = "VARCHAR"
    decimal: str = "."
    contract: Literal["evolve", "freeze", "quarantine"] = "evolve"
    was: str = ""
    empty: bool = False
    state: State = "known"

    @property
    def rule(self) -> str:
        """Name of the rule for values that do not fit."""
        return f"{'type' if self.contract == 'evolve' else CONTRACT} {self.name}"


def typed(frame: Frame, columns: list[SourceColumn]) -> Frame:
    """Give the file's columns their types; rows with a value that does not fit are set aside."""
    known = [column for column in columns if column.state != "unwanted"]
    fields = tuple(Field(column.name, column.type, column.cell, column.name, _as_found(column)) for column in known)
    changed = {column.name: _value(column) for column in known}
    refused = [
        (condition, Rule(column.rule, _fate(column), _reason(column), column.name, column.cell))
        for column in columns
        if (condition := _refused(column))
    ]
    told = tuple(name for column in known if (name := _certain(column)))
    typed_frame = replace(frame, certain=(*frame.certain, *told)).layer(fields, changed).set_aside(refused)
    return replace(typed_frame, certain=frame.certain)


def _fate(column: SourceColumn) -> Fate:
    return "halted" if column.contract == "freeze" else "quarantined"


def _value(column: SourceColumn) -> str:
    if column.cell is None or column.empty:
        return f"CAST(NULL AS {column.type})"
    cell = raw_column(column.cell)
    if column.kind == column.type:
        return cell
    if column.kind == "VARCHAR" and column.type in WORDS:
        value = value_sql(column.type, pointed_sql(column.type, cell, column.decimal))
        return f"coalesce({certain}, {value})" if (certain := _certain(column)) else value
    if column.kind == "VARCHAR" and DECIMAL.fullmatch(column.type):
        return f"TRY_CAST({pointed_sql('DOUBLE', cell, column.decimal)} AS {column.type})"
    if column.type == "VARCHAR":
        return f"CAST(to_json({cell}) AS VARCHAR)" if _is_nested(column.kind) else f"CAST({cell} AS VARCHAR)"
    return f"TRY_CAST({cell} AS {column.type})"


def _as_found(column: SourceColumn) -> bool:
    return column.kind == column.type == "VARCHAR" and not column.empty


def _certain(column: SourceColumn) -> str:
    """Column with the values that are certain before their text is read; empty where there is none."""
    if column.cell is None or column.empty or column.kind != "VARCHAR" or column.type not in CERTAIN:
        return ""
    return "" if column.type == "DOUBLE" and column.decimal != "." else certain_column(column.cell, column.type)


def _refused(column: SourceColumn) -> str:
    """SQL condition: the cell has no equal value of the wanted type; empty where every cell has one."""
    if column.state == "required":
        return "true"
    if column.cell is None:
        return ""
    cell = raw_column(column.cell)
    if column.empty or column.state == "unwanted":
        return f"({cell} IS NOT NULL)"
    if column.type in {column.kind, "VARCHAR"}:
        return ""
    lost = f"({cell} IS NOT NULL AND NOT {_fits(column, cell)})"
    return f"CASE WHEN {certain} IS NULL THEN {lost} ELSE false END" if (certain := _certain(column)) else lost


def _fits(column: SourceColumn, cell: str) -> str:
    """SQL condition: the cell that is not null has an equal value of the wanted type."""
    value = identifier(column.name)
    if column.kind == "VARCHAR" and column.type in WORDS:
        return _holds_sql(column, cell, value)
    if column.kind == "VARCHAR" and (decimal := DECIMAL.fullmatch(column.type)):
        digits = rf"[-+]?(0|[1-9][0-9]*)?(\.[0-9]{{0,{decimal[2]}}}0*)?"
        text = pointed_sql("DOUBLE", cell, column.decimal)
        return f"({value} IS NOT NULL AND regexp_full_match({text}, '{digits}'))"
    return f"coalesce(TRY_CAST({value} AS {column.kind}) = {cell}, false)"


def _holds_sql(column: SourceColumn, cell: str, value: str) -> str:
    text = pointed_sql(column.type, cell, column.decimal)
    holds = holds_sql(column.type, text, value)
    if column.type == "TIMESTAMP" and column.was == "DATE":  # files that write days only keep coming
        return f"({holds} OR {holds_sql('DATE', text)})"
    return holds


def _reason(column: SourceColumn) -> str:
    if column.state == "required":
        return f'the file has no column "{column.name}"'
    if column.state == "unwanted":
        return f'"{{value}}" stands in the new column "{column.name}"'
    return f'{column.name}: "{{value}}" is not {WORDS.get(column.type, f"a {column.type.lower()}")}'


def _is_nested(kind: str) -> bool:
    return kind.startswith(("STRUCT", "MAP")) or kind.endswith("]")
