"""Which columns a table's steps and checks name that cannot be there, worked out from the names of the files' columns.

The steps are followed from name to name; no value is looked at. After a step whose result cannot be known beforehand
(`python`, a SELECT that joins), nothing more is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.declaration import Check, Step, Table
from penstock.declaration.checks import REFERENCE
from penstock.declaration.parse import Path
from penstock.formats import RESERVED
from penstock.naming import TableName, did_you_mean
from penstock.steps.expressions import Reference, references_of
from penstock.steps.selects import select_names

LISTED = 12
OPAQUE = ("sql", "python")
REPEATABLE = ("require", "drop", "parse", "cast", "map", "dedupe")
"""Steps that may name a column twice: the second time changes nothing, or comes after the first."""


@dataclass(frozen=True)
class Misnomer:
    """A name that cannot be right.

    Attributes:
        path: Where it stands, below the table.
        text: What is wrong with it.
        offset: Characters into the expression that stands there; None when it is no expression.
        at_key: Whether the key is meant and not the value.
    """

    path: Path
    text: str
    offset: int | None = None
    at_key: bool = False


class Names:
    """The columns at one point of a table's steps.

    Attributes:
        here: Their names, in order.
        gone: Names that were there before, in lower case, with what became of them.
    """

    def __init__(self, here: list[str]) -> None:
        """Start with the columns `here`."""
        self.here = list(here)
        self.gone: dict[str, str] = {}
        self._lower = {name.lower() for name in here}
        self._said = set[str]()

    def has(self, name: str) -> bool:
        """Whether there is such a column, upper and lower case alike."""
        return name.lower() in self._lower or name.lower() in self._said

    def assume(self, *names: str) -> None:
        """Take columns for there after it has been said that they are not, so that it is said once."""
        self._said |= {name.lower() for name in names}

    def add(self, *names: str) -> None:
        """Put columns behind the others; those that are there stay in their place."""
        for name in names:
            if name.lower() not in self._lower:
                self.here.append(name)
                self._lower.add(name.lower())
            self.gone.pop(name.lower(), None)

    def become(self, here: list[str], gone: dict[str, str]) -> None:
        """Have other columns; `gone` says what became of some that were there."""
        self.here, self._lower = here, {name.lower() for name in here}
        self.gone = {name: why for name, why in {**self.gone, **gone}.items() if name not in self._lower}

    def take(self, names: list[str], why: str) -> None:
        """Leave columns out."""
        lower = {name.lower() for name in names}
        self.become([name for name in self.here if name.lower() not in lower], dict.fromkeys(lower, why))

    def missing(self, name: str) -> str:
        """Say that there is no such column."""
        if name.lower() in self.gone:
            return f'no column "{name}" any more: {self.gone[name.lower()]}'
        suggestion = did_you_mean(name, self.here)
        more = len(self.here) - LISTED
        listed = ", ".join(self.here[:LISTED]) + (f" and {more:,} more" if more > 0 else "")
        return f'no column "{name}"{suggestion or f"; there are {listed}"}'


def misnomers(table: Table, columns: list[str], tables: Mapping[TableName, list[str] | None]) -> list[Misnomer]:
    """Find the names that cannot be right.

    Args:
        table: The table as declared.
        columns: The columns of its files.
        tables: The lake's tables with their columns, None where these are not known.
    """
    names = Names(columns)
    found = [
        Misnomer(("columns", name), names.missing(name), at_key=True) for name in table.columns if not names.has(name)
    ]
    checks = list(enumerate(table.checks))
    for at, check in checks:
        if check.when == "before":
            found += _under(("checks", at), _check(check, names, tables))
    last = _walk(table, names, found)
    for at, check in checks:
        if check.when == "after":
            found += _under(("checks", at), _check(check, last, tables))
    if last is not None:
        found += _under(("partition",), _partition(table, last))
    return found


def names_after(table: Table, columns: list[str]) -> list[str] | None:
    """The columns that the steps give; None when that is not known."""
    last = _walk(table, Names(columns), [])
    return last.here if last else None


def _walk(table: Table, names: Names, found: list[Misnomer]) -> Names | None:
    """Follow the steps, gathering what is wrong; gives the names at the end, None when they are not known."""
    for at, step in enumerate(table.steps):
        found += _under(("steps", at, step.kind), _step(step, names, at))
        if step.kind == "python":
            return None
        if step.kind == "sql":
            given = select_names(step.body, names.here).names
            if given is None:
                return None
            names = Names(given)
    return names


def _partition(table: Table, names: Names) -> Iterator[Misnomer]:
    for at, transform in enumerate(table.transforms):
        if not names.has(transform.column):
            yield Misnomer((at,), names.missing(transform.column))


def _under(path: Path, found: Iterator[Misnomer]) -> Iterator[Misnomer]:
    for misnomer in found:
        yield Misnomer((*path, *misnomer.path), misnomer.text, misnomer.offset, misnomer.at_key)


def _absent(names: Names, name: str, path: Path, *, at_key: bool = False) -> Iterator[Misnomer]:
    """Say it once when a column is not there, and go on as if it were."""
    if not names.has(name):
        yield Misnomer(path, names.missing(name), at_key=at_key)
        names.assume(name)


def _absent_in_sql(names: Names, references: list[Reference], path: Path) -> Iterator[Misnomer]:
    for reference in references:
        if not names.has(reference.name):
            yield Misnomer(path, names.missing(reference.name), reference.offset)
    names.assume(*(reference.name for reference in references if not names.has(reference.name)))


# --- Steps ------------------------------------------------------------------------------------


def _step(step: Step, names: Names, at: int) -> Iterator[Misnomer]:
    """What is wrong with the names of one step; `names` become those after it."""
    body = step.body
    match step.kind:
        case "derive":
            for name, expression in body.items():
                yield from _absent_in_sql(names, references_of(expression), (name,))
                yield from _new(names, name, (name,), at_key=True)
        case "filter":
            yield from _absent_in_sql(names, references_of(body), ())
        case "sql":
            for reference in select_names(body, names.here).missing:
                yield Misnomer((), names.missing(reference.name), reference.offset)
        case "rename":
            yield from _rename(names, body, at)
        case _:
            used = list(_used(step.kind, body))
            for path, name, at_key in used:
                yield from _absent(names, name, path, at_key=at_key)
            if step.kind not in REPEATABLE:
                yield from _twice(used)
            yield from _made(step.kind, body, names)
            _choose(step.kind, body, names, at)


def _used(kind: str, body: Any) -> Iterator[tuple[Path, str, bool]]:
    """Columns that a step reads: where the name stands, the name, whether it is a key."""
    if isinstance(body, dict):
        yield from (((name,), name, True) for name in body)
    elif isinstance(body, list):
        yield from (((at,), name, False) for at, name in enumerate(body))
    elif kind == "hash":
        yield from ((("columns", at), name, False) for at, name in enumerate(body.columns))
    elif kind == "dedupe":
        yield from ((("key", at), name, False) for at, name in enumerate(body.key))
        yield from [(("by",), body.by, False)] if body.by else []
    elif kind not in OPAQUE:
        yield ("column",), body.column, False


def _twice(used: list[tuple[Path, str, bool]]) -> Iterator[Misnomer]:
    """Columns that a step names more than once."""
    seen = set[str]()
    for path, name, at_key in used:
        if name.lower() in seen:
            yield Misnomer(path, f'"{name}" is named twice; upper and lower case are alike', at_key=at_key)
        seen.add(name.lower())


def _made(kind: str, body: Any, names: Names) -> Iterator[Misnomer]:
    """Columns that a step adds."""
    if kind not in {"bucket", "extract", "split", "explode"} or body.into is None:
        return
    if isinstance(body.into, str):
        yield from _new(names, body.into, ("into",))
        return
    for at, name in enumerate(body.into):
        yield from _new(names, name, ("into", at))


def _new(names: Names, name: str, path: Path, *, at_key: bool = False) -> Iterator[Misnomer]:
    if name.lower().startswith(RESERVED):
        text = f'the name "{name}" is taken by the system; names must not start with {RESERVED}'
        yield Misnomer(path, text, at_key=at_key)
    names.add(name)


def _choose(kind: str, body: Any, names: Names, at: int) -> None:
    """Leave what keep and drop leave."""
    if kind == "drop":
        names.take(body, f"steps[{at}] drops it")
    elif kind == "keep":
        lower = [name.lower() for name in body]
        names.take([name for name in names.here if name.lower() not in lower], f"steps[{at}] does not keep it")
        names.become(sorted(names.here, key=lambda name: lower.index(name.lower())), {})


def _rename(names: Names, renamed: dict[str, str], at: int) -> Iterator[Misnomer]:
    """Columns that are not there are passed over; two columns must not end with one name."""
    there = {old: new for old, new in renamed.items() if names.has(old)}
    leaving = {old.lower() for old in there}
    staying = {name.lower() for name in names.here if name.lower() not in leaving}
    for old, new in there.items():
        if new.lower() in staying:
            yield Misnomer((old,), f'there is a column "{new}" already; drop it before, or choose another name')
        elif new.lower().startswith(RESERVED):
            yield from _new(names, new, (old,))
    wanted = {old.lower(): new for old, new in there.items()}
    gone = {old: f'steps[{at}] renames it to "{new}"' for old, new in wanted.items()}
    names.become([wanted.get(name.lower(), name) for name in names.here], gone)


# --- Checks -----------------------------------------------------------------------------------


def _check(check: Check, names: Names | None, tables: Mapping[TableName, list[str] | None]) -> Iterator[Misnomer]:
    kind, body = check.kind, check.body
    if kind == "references":
        for column, target in body.items():
            yield from _target(target, (kind, column), tables)
    if names is None or kind == "row_count":
        return
    if kind == "sql":
        yield from _absent_in_sql(names, references_of(body), (kind,))
    elif kind == "fresh":
        yield from _absent(names, body.column, (kind, "column"))
    elif isinstance(body, str):
        yield from _absent(names, body, (kind,))
    else:
        for path, name, at_key in _used(kind, body):
            yield from _absent(names, name, (kind, *path), at_key=at_key)


def _target(target: str, path: Path, tables: Mapping[TableName, list[str] | None]) -> Iterator[Misnomer]:
    """What is wrong with the column of another table that a check refers to."""
    match = REFERENCE.match(target)
    if match is None:
        return
    table = TableName.parse(match["table"])
    if table not in tables:
        known = [str(name) for name in sorted(tables)]
        suggestion = did_you_mean(match["table"], known) or f"; there are {', '.join(known)}"
        yield Misnomer(path, f'no table "{match["table"]}"{suggestion}')
        return
    columns = tables[table]
    if columns is not None and not Names(columns).has(match["column"]):
        yield Misnomer(path, f"{Names(columns).missing(match['column'])} in {table}")
