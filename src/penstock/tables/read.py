"""Reading: a head becomes the SQL that scans exactly its snapshot's files, columns matched by field id."""

from __future__ import annotations

from penstock.naming import identifier, literal
from penstock.state import Head


def scan_sql(head: Head) -> str:
    """Give a SELECT over the table as of `head`, in DuckDB's dialect.

    Columns are matched by field id, never by name: a renamed column keeps its old files' values, a new one is null
    there.
    """
    if not head.files:
        columns = ", ".join(f"CAST(NULL AS {column.type}) AS {identifier(column.name)}" for column in head.columns)
        return f"SELECT {columns or 'NULL AS empty'} WHERE false"
    fields = ", ".join(
        f"{column.id}: {{name: {literal(column.name)}, type: {literal(column.type)}, default_value: NULL}}"
        for column in head.columns
    )
    files = ", ".join(literal(file.path) for file in head.files)
    return f"SELECT * FROM read_parquet([{files}], schema=MAP {{{fields}}})"
