"""How a table's files are written: what is left out is detected, and recorded with the reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from penstock.declaration.strict import ColumnList, Strict

Format = Literal["csv", "json", "parquet", "excel"]


class Csv(Strict):
    """How a table's CSV files are written; what is left out is detected and recorded."""

    delimiter: str | None = Field(default=None, min_length=1, max_length=4, examples=[";"])
    """What stands between two values."""
    quote: str | None = Field(default=None, max_length=1, examples=['"'])
    """The character around values that hold delimiters or line ends; doubled inside a value. `""` for none."""
    escape: str | None = Field(default=None, min_length=1, max_length=1, examples=["\\"])
    """The character that makes the next one plain text, where quotes are not doubled."""
    comment: str | None = Field(default=None, min_length=1, max_length=2, examples=["#"])
    """What a line starts with that is no row."""
    skip: int | None = Field(default=None, ge=0, le=10_000)
    """Lines before the header."""
    header: int | None = Field(default=None, ge=0, le=10)
    """Lines of the header; 0 for none, with the names in `columns`."""
    columns: ColumnList | None = None
    """Names of the columns, where the files have no header."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of numbers."""
    encoding: str | None = Field(default=None, min_length=1, examples=["utf-8"])
    """The encoding, such as `utf-8`, `utf-16` or `windows-1252`."""
    nulls: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["NA", "NULL"]])
    """Texts that stand for no value, exactly as written."""

    @model_validator(mode="after")
    def _names_without_header(self) -> Csv:
        if (self.header == 0) != (self.columns is not None):
            message = "header: 0 needs the names of the columns, and columns are only named for header: 0"
            raise ValueError(message)
        return self


class Json(Strict):
    """How a table's JSON files are written."""

    records: str | None = Field(default=None, min_length=1, examples=["result.items"])
    """Where the rows stand, for a file that is one object: the keys that lead to the list, joined by dots."""
    flatten: bool = False
    """Whether the fields of nested objects become columns of their own, `a_b`; else they stay structs."""


class Excel(Strict):
    """How a table's Excel files are written."""

    sheet: str | int | None = None
    """Name or number (from 1) of the sheet; the first when left out."""
    skip: int | None = Field(default=None, ge=0, le=10_000)
    """Rows before the header."""
