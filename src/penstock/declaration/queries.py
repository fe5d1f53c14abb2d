"""What a declaration says of saved queries: SQL by name, whose rows are kept in the zone enriched.

The SQL may stand in a file of its own below the lake's folder. What it says is looked at in
`penstock.queries.declared`, which knows the tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path as Folder
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from penstock.declaration.parse import Document
from penstock.declaration.strict import Strict
from penstock.errors import Problem, QueryError
from penstock.naming import TABLE_NAME, TableName

QUERY_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
LONGEST_NAME = 100
ALL = "all"
RESERVED = {ALL: "it means every saved query", "results": "Athena keeps its own results under that name"}


def _below_the_lake(file: str) -> str:
    if file.startswith("/") or ".." in file.split("/") or "\\" in file:
        message = f'must be a file below the lake\'s folder, with / between folders and without ..; found "{file}"'
        raise ValueError(message)
    return file


Sql = Annotated[str, Field(min_length=1)]
SqlFile = Annotated[str, Field(min_length=1), AfterValidator(_below_the_lake)]


class SavedQuery(Strict):
    """A query whose rows are kept."""

    sql: Sql | None = Field(default=None, examples=["SELECT region, sum(sales_amount) FROM orders GROUP BY region"])
    """One SELECT in DuckDB's dialect."""
    file: SqlFile | None = Field(default=None, examples=["queries/sales.sql"])
    """The file that has the SELECT, in place of `sql`: a path below the lake's folder."""
    description: str | None = None
    """One sentence for people."""

    @model_validator(mode="after")
    def _says_what_is_asked(self) -> SavedQuery:
        if (self.sql is None) == (self.file is None):
            found = "neither" if self.sql is None else "both"
            message = f"a saved query has its SELECT in sql or in a file; found {found}"
            raise ValueError(message)
        return self


Query = Sql | SavedQuery


def as_saved(said: str | SavedQuery) -> SavedQuery:
    """A query that may be written as its SELECT only."""
    return SavedQuery(sql=said) if isinstance(said, str) else said


def sql_of(query: SavedQuery, folder: Folder) -> str:
    """The SELECT of a query, in the lake that is in `folder`.

    Raises:
        QueryError: Its file cannot be read, is no text, or is a link that leads out of the lake's folder.
    """
    if query.file is None:
        return query.sql or ""
    file = folder / query.file
    if not file.resolve().is_relative_to(folder.resolve()):
        raise QueryError("leads out of the lake's folder", where=query.file, hint="keep the file itself below it")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise QueryError(f"is not UTF-8 text (byte {error.start})", where=query.file, hint="save it as UTF-8") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise QueryError(f"cannot be read: {reason}", where=query.file, hint="name a file below the lake") from None


def query_problems(document: Document) -> Iterator[Problem]:
    """Check the names of saved queries: results are no tables, and are not called like one."""
    whole = document.value if isinstance(document.value, dict) else {}
    queries, tables = whole.get("queries"), whole.get("tables")
    named = tables if isinstance(tables, dict) else {}
    taken = {TableName.parse(name) for name in named if TABLE_NAME.match(str(name))}
    for name in queries if isinstance(queries, dict) else ():
        path = ("queries", name)
        if not QUERY_NAME.match(name) or len(name) > LONGEST_NAME:
            rule = f"lower-case letters, digits and _, starting with a letter, {LONGEST_NAME} of them at most"
            yield document.problem(path, f'"{name}" cannot name a query; it is called by {rule}', at_key=True)
        elif name in RESERVED:
            yield document.problem(path, f'"{name}" cannot name a query: {RESERVED[name]}', at_key=True)
        elif TableName.parse(name) in taken:
            text = "is the name of a table, and results never become tables; give the query another name"
            yield document.problem(path, text, at_key=True)
