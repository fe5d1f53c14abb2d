"""`penstock why`: which file, line and value decided how a table's files are read, and a column's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import left, show
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.show import SOURCE_PROPERTY, properties_of
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName

Facts = dict[str, Any]


@click.command("why")
@click.argument("name", metavar="TABLE[.COLUMN]", type=TABLE)
@json_option("Print {table, exists, first_file, dialect: [...], columns: [...]}, or the one column.")
@click.pass_obj
def command(session: Session, name: str) -> None:
    """Say why a column has its type, or why files are read as they are: file, line and value."""
    with session.open() as lake:
        table, column = _named(lake, name)
        facts = facts_of(lake, table)
        only = _column(session, facts, column) if column is not None else None
    if session.json:
        emit(only or facts)
    elif only is not None:
        _say_column(only)
        next_steps([f"{session.call} show {facts['table']} --history"])
    else:
        _say_table(facts)
        columns = facts["columns"]
        next_steps([f"{session.call} why {facts['table']}.{columns[0]['column']}" if columns else session.fill])


def _named(lake: Lake, text: str) -> tuple[TableName, str | None]:
    """The table, and the column if one is named: `layer.name`, `name.column` and `layer.name.column` all have dots."""
    from penstock.errors import TableNotFoundError
    from penstock.naming import TableName

    known = {*lake.declared, *lake.catalog.tables()}
    parts = text.split(".")
    for count in range(min(2, len(parts)), 0, -1):
        table, rest = TableName.parse(".".join(parts[:count]).lower()), ".".join(parts[count:])
        if table in known:
            return table, rest or None
    try:
        return table_named(lake, text), None
    except TableNotFoundError:
        if len(parts) == 1:
            raise
        return table_named(lake, ".".join(parts[:-1])), parts[-1]


def _column(session: Session, facts: Facts, name: str) -> Facts:
    """The column that a person means, by its name in the table or in the files.

    Raises:
        ColumnNotFoundError: There is none.
    """
    from penstock.errors import ColumnNotFoundError
    from penstock.naming import did_you_mean

    for key in ("column", "file_column"):
        for column in facts["columns"]:
            if str(column[key] or "").lower() == name.lower():
                found: Facts = column
                return found
    names = [str(column["column"]) for column in facts["columns"]]
    hint = f"columns: {', '.join(names)}" if names else f"no file has filled the table yet: {session.fill}"
    raise ColumnNotFoundError(f'no column "{name}" in {facts["table"]}{did_you_mean(name, names)}', hint=hint)


def facts_of(lake: Lake, name: TableName) -> Facts:
    """Everything that was decided of a table's files, and why, as `--json` shows it."""
    from penstock.arrivals import SourceSchema

    properties, head, declared = properties_of(lake, name), lake.catalog.head(name), lake.declared.get(name)
    text = properties.get(SOURCE_PROPERTY)
    source = SourceSchema.from_json(text) if text else None
    steps = declared.steps if declared else []
    columns = [_facts(str(name), steps, column.name, column.type, source) for column in (head.columns if head else ())]
    used = {str(column["file_column"]).lower() for column in columns if column["file_column"]}
    if source is not None:
        columns += [
            _unused(str(name), column, found.type, source)
            for column, found in source.columns.items()
            if column.lower() not in used
        ]
    dialect = [vars(found) for found in source.dialect.evidence] if source else []
    if source and not dialect and source.dialect.reason:
        dialect = [{"what": "delimiter", "choice": source.dialect.delimiter, "reason": source.dialect.reason}]
    first = min(source.columns.values(), key=lambda found: found.at, default=None) if source else None
    return {
        "table": str(name),
        "exists": head is not None,
        "first_file": first.file if first else None,
        "dialect": dialect,
        "columns": columns,
    }


def _facts(table: str, steps: list[Any], column: str, kind: str, source: Any) -> Facts:
    from penstock.steps import trace

    origin = trace(table, steps, column)
    known = source.of(origin.column) if source and origin.column else None
    found = source.columns[known] if known else None
    touch = origin.typed_by
    because = touch.text if touch else found.because() if found else "the table has it from an earlier declaration"
    decided = found if found and not touch else None
    return {
        "table": table,
        "column": column,
        "type": kind,
        "because": because,
        "file_column": known,
        "read_as": found.type if found else None,
        "file": decided.file if decided else None,
        "line": decided.line if decided else None,
        "value": decided.value if decided else None,
        "was": decided.was if decided else None,
        "decided": decided.at if decided else None,
        "steps": [{"step": touch.place, "does": touch.what, "text": touch.text} for touch in origin.touches],
    }


def _unused(table: str, column: str, kind: str, source: Any) -> Facts:
    """A column of the files that no column of the table shows as it is."""
    facts = _facts(table, [], column, kind, source)
    return {**facts, "column": None, "type": None, "steps": []}


def _say_column(facts: Facts) -> None:
    if facts["column"] is None:
        say(f"{bold(printable(facts['file_column']))}: a column of the files, read as {facts['read_as']}")
        say(f"  because {printable(facts['because'])}")
        say(f"  no column of {facts['table']} shows it as it is: steps drop it, or compute others from it")
        return
    say(f"{bold(printable(facts['table'] + '.' + facts['column']))}: {facts['type']}")
    say(f"  because {printable(facts['because'])}")
    if facts["was"]:
        say(f"  it was {facts['was']} until {facts['decided'][:19].replace('T', ' ')} UTC")
    for step in facts["steps"]:
        if step["text"] != facts["because"]:
            say(f"  {printable(step['text'])}")
    if facts["file_column"] and facts["file_column"] != facts["column"]:
        say(f'  in the files it is called "{printable(facts["file_column"])}"')
    if facts["read_as"] and facts["read_as"] != facts["type"]:
        say(f"  in the files it is read as {facts['read_as']}")


def _say_table(facts: Facts) -> None:
    say(bold(facts["table"]))
    if not facts["exists"]:
        say("no file has filled it yet")
        return
    if facts["dialect"]:
        say(f"how files are read was decided with {printable(facts['first_file'] or 'the first one')}")
        say()
        rows: list[list[str | None]] = [
            [found["what"], printable(str(found["choice"])), printable(_dialect_reason(found))]
            for found in facts["dialect"]
        ]
        show([*left("files", "are read with"), *left("because", faint=True)], rows)
    say()
    rows = [
        [
            printable(column["column"] or f"({column['file_column']})"),
            column["type"] or column["read_as"],
            printable(column["because"]),
        ]
        for column in facts["columns"]
    ]
    show([*left("column", "type"), *left("because", faint=True)], rows)
    if any(column["column"] is None for column in facts["columns"]):
        say(dim("(in brackets: columns of the files that no column of the table shows as they are)"))


def _dialect_reason(found: Facts) -> str:
    place = f" (line {found['line']})" if found.get("line") else ""
    value = f': "{found["value"]}"' if found.get("value") else ""
    return f"{found['reason']}{place}{value}"
