"""Reading: a head becomes the SQL that scans exactly its snapshot's files, columns matched by field id."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.naming import identifier, literal
from penstock.state import DataFile, Head


def scan_sql(head: Head) -> str:
    """Give a SELECT over the table as of `head`, in DuckDB's dialect.

    Columns are matched by field id, never by name: a renamed column keeps its old files' values, a new one is null
    there.
    """
    if not head.files:
        columns = ", ".join(f"CAST(NULL AS {column.type}) AS {identifier(column.name)}" for column in head.columns)
        return f"SELECT {columns or 'NULL AS empty'} WHERE false"
    whole = ", ".join(literal(file.path) for file in head.files if not file.hidden)
    names = {column.id: column.name for column in head.columns}
    scans = [f"SELECT * FROM read_parquet([{whole}], {_schema(head, names)})"] if whole else []
    return " UNION ALL ".join([*scans, *(_showing(head, file) for file in head.files if file.hidden)])


def placed_sql(head: Head) -> str:
    """Give a SELECT over the files of `head`, whole, that tells rows by their places.

    Its columns are `penstock_` and the field id for each of the table's columns, `filename`, and `file_row_number` from
    0.
    """
    files = ", ".join(literal(file.path) for file in head.files)
    names = {column.id: f"penstock_{column.id}" for column in head.columns}
    return f"SELECT *, filename, file_row_number FROM read_parquet([{files}], {_schema(head, names)})"


def _schema(head: Head, names: Mapping[int, str]) -> str:
    """The argument that finds columns by their ids and gives them names."""
    fields = ", ".join(
        f"{column.id}: {{name: {literal(names[column.id])}, type: {literal(column.type)}, default_value: NULL}}"
        for column in head.columns
    )
    return f"schema=MAP {{{fields}}}"


def numbered_sql(head: Head, file: DataFile, number: str) -> str:
    """Give a SELECT over one file without its hidden rows, with each row's number in the file, from 0, as `number`."""
    return _showing(head, file, f", file_row_number AS {identifier(number)}")


def _showing(head: Head, file: DataFile, more: str = "") -> str:
    """SELECT over a file without its hidden rows; under names that cannot be mistaken for the row's number."""
    number = "file_row_number"
    names = {column.id: f"penstock_{column.id}" for column in head.columns}
    shown = ", ".join(f"{names[column.id]} AS {identifier(column.name)}" for column in head.columns)
    hidden = " OR ".join(f"{number} BETWEEN {first} AND {end - 1}" for first, end in file.hidden)
    scan = f"read_parquet({literal(file.path)}, {_schema(head, names)})"
    return f"SELECT {shown}{more} FROM {scan}" + (f" WHERE NOT ({hidden})" if hidden else "")
