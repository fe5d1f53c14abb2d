"""The header: the names of a file's columns, and what is refused of them."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import BadFileError
from penstock.formats.csv.dialect import RESERVED, Dialect, shown
from penstock.formats.csv.records import Record, Records

HINT = "give every column a name of its own, or declare the names: csv: {header: 0, skip: %d, columns: [...]}"


def read_names(path: str, dialect: Dialect) -> tuple[str, ...]:
    """The names of a file's columns, read as the dialect says.

    Raises:
        BadFileError: A name is empty, stands twice or is the system's, or the header cannot be read.
    """
    if not dialect.header:
        return dialect.names
    return names_of(Records.of(path, dialect, None, chunk=1 << 16).header(), dialect)


def names_of(records: Sequence[Record], dialect: Dialect) -> tuple[str, ...]:
    """The names that header records give; those of several records are joined with a space.

    Raises:
        BadFileError: As for `read_names`.
    """
    if not records:
        raise BadFileError("there is no header", hint="a CSV file starts with a line of column names")
    for record in records:
        if record.damage:
            raise BadFileError(
                f"line {record.line}: the header cannot be read: {record.damage}",
                hint="correct the header, or declare how the file is written: csv: {delimiter, quote, skip, header}",
            )
    width = max(len(record.fields) for record in records)
    rows = [[*record.fields, *[""] * (width - len(record.fields))] for record in records]
    names = [" ".join(part.strip() for part in parts if part.strip()) for parts in zip(*rows, strict=True)]
    if dialect.trailing and len(names) > 1 and not names[-1]:
        names.pop()
    check_names(names, records[0].line, hint=HINT % (records[-1].line))
    return tuple(names)


def check_names(names: Sequence[str], line: int, hint: str) -> None:
    """Refuse names that cannot be columns.

    Raises:
        BadFileError: One is empty, stands twice, or is the system's.
    """
    if not any(names):
        raise BadFileError(f"line {line} holds no column names", hint="a CSV file starts with a line of column names")
    seen: dict[str, int] = {}
    for at, name in enumerate(names, start=1):
        if not name:
            raise BadFileError(f"line {line}: column {at} has no name", hint=hint)
        if name.lower().startswith(RESERVED):
            message = f'line {line}: the name "{shown(name)}" is taken by the system'
            raise BadFileError(message, hint=f"names must not start with {RESERVED}")
        if name.lower() in seen:
            first = seen[name.lower()]
            same = "" if names[first - 1] == name else f' (column {first} as "{shown(names[first - 1])}")'
            message = f'line {line}: columns {first} and {at} are both called "{shown(name)}"{same}'
            raise BadFileError(message, hint=f"names must differ by more than upper and lower case; {hint}")
        seen[name.lower()] = at
