"""Checks after the fact: what the file as a whole breaks, and what came of every check.

Single rows are judged by the SELECT that writes them. What needs the whole file is asked of the finished Parquet file,
before anybody sees it: whether values of a `unique` stand twice, which is rare and therefore looked for in the key
columns alone, and how new the newest value is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from penstock.clock import iso
from penstock.declaration.checks import Check, Fresh, OnBreach, Statement, When, statements
from penstock.engines import Rule, Written
from penstock.errors import BadFileError, CheckHaltedError
from penstock.naming import TableName, counted, did_you_mean, identifier, literal
from penstock.state.checks import CheckOutcome
from penstock.state.store import Column
from penstock.tables.others import Others, Relation

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Runs a small SELECT over Parquet files."""
DAY_SECONDS = 86_400
HINT = "nothing of the file is in the table; correct the file, or the check in lake.yaml"
EPOCHS = {
    "DATE": f"epoch(CAST(max({{0}}) AS TIMESTAMP)) + {DAY_SECONDS}",  # a date is as new as the end of its day
    "TIMESTAMP": "epoch(max({0}))",
    "TIMESTAMP WITH TIME ZONE": "epoch(max({0}))",
}


@dataclass(frozen=True)
class FileBreach:
    """A statement about a file as a whole that does not hold."""

    statement: Statement
    reason: str


@dataclass(frozen=True)
class Finding:
    """What came of one statement for one file.

    Attributes:
        rule: Name under which rows that break it are counted and kept.
        rows: Rows that the file held.
        breaches: Rows that break it; 1 for a file that breaks it as a whole.
        reason: What is wrong; None when nothing is.
    """

    name: str
    rule: str
    kind: str
    on_breach: OnBreach
    when: When
    rows: int
    breaches: int
    reason: str | None


def needs_lease(checks: list[Check]) -> bool:
    """Whether files must be staged one after the other, because they are compared with each other."""
    return any(check.kind == "unique" for check in checks)


def unique_broken(
    checks: list[Check], columns: tuple[Column, ...], path: str, others: Others, table: str, ask: Ask
) -> bool:
    """Whether a finished Parquet file holds values that `unique` after the steps forbids.

    Args:
        checks: What is declared.
        columns: The file's columns.
        path: The file.
        others: Gives, under the table's name, the rows that stand beside the file.
        table: The table's name.
        ask: Runs a SELECT.
    """
    probed = [found for found in statements(checks) if found.kind == "unique" and found.when == "after"]
    live = others(table) if probed else None
    return any(_broken(_keys(statement, columns), path, live, ask) for statement in probed)


def _keys(statement: Statement, columns: tuple[Column, ...]) -> list[str]:
    names = {column.name.lower(): column.name for column in columns}
    return [names[name.lower()] for name in statement.columns]


def _broken(keys: list[str], path: str, live: Relation | None, ask: Ask) -> bool:
    values = ", ".join(identifier(key) for key in keys)
    whole = " AND ".join(f"{identifier(key)} IS NOT NULL" for key in keys)
    rows = f"SELECT {values} FROM read_parquet({literal(path)}) WHERE {whole}"
    if ask(f"SELECT 1 FROM ({rows}) GROUP BY {values} HAVING count(*) > 1 LIMIT 1"):
        return True
    known = {name.lower(): name for name in live.columns} if live else {}
    if live is None or any(key.lower() not in known for key in keys):
        return False
    there = ", ".join(identifier(known[key.lower()]) for key in keys)
    return bool(ask(f"SELECT 1 FROM ({rows}) WHERE ({values}) IN (SELECT {there} FROM ({live.select})) LIMIT 1"))


def file_breaches(
    checks: list[Check], written: Written, columns: tuple[Column, ...], path: str, table: str, ask: Ask, now: float
) -> list[FileBreach]:
    """What the file as a whole breaks; `path` is the finished Parquet file, `now` in seconds.

    Raises:
        BadFileError: A check does not fit the columns.
    """
    found = []
    for statement in statements(checks):
        reason = None
        if statement.kind == "row_count":
            reason = _miscounted(statement, written)
        elif statement.kind == "fresh" and written.rows_out:
            reason = _stale(statement, columns, path, table, ask, now)
        if reason is not None:
            found.append(FileBreach(statement, reason))
    return found


def _miscounted(statement: Statement, written: Written) -> str | None:
    low, high = statement.body
    before = statement.when == "before"
    rows = written.rows_in if before else written.rows_out
    found = f"the file {'holds' if before else 'gives'} {counted(rows, 'row')}"
    if low is not None and rows < low:
        return f"{found}, at least {low:,} expected"
    if high is not None and rows > high:
        return f"{found}, at most {high:,} expected"
    return None


def _stale(
    statement: Statement, columns: tuple[Column, ...], path: str, table: str, ask: Ask, now: float
) -> str | None:
    fresh: Fresh = statement.body
    column = _moment_column(statement, columns, table)
    newest = EPOCHS[column.type].format(identifier(column.name))
    ((seconds,),) = ask(f"SELECT {newest} FROM read_parquet({literal(path)})")
    if seconds is None:
        return f"{column.name} has no value in the whole file, so nothing in it is fresh"
    if now - seconds <= fresh.seconds:
        return None
    shown = iso(seconds - DAY_SECONDS)[:10] if column.type == "DATE" else iso(seconds)
    return f"the newest {column.name} is {shown}, older than {fresh.within}"


def _moment_column(statement: Statement, columns: tuple[Column, ...], table: str) -> Column:
    (name,) = statement.columns
    place = f"tables.{table}.{statement.place}"
    found = next((column for column in columns if column.name.lower() == name.lower()), None)
    if found is None:
        names = [column.name for column in columns]
        suggestion = did_you_mean(name, names) or f"; there are {', '.join(names)}"
        raise BadFileError(f'{place}: no column "{name}"{suggestion}', hint="correct the check")
    if found.type not in EPOCHS:
        message = f"{place}: {found.name} holds {found.type}, not dates or timestamps"
        raise BadFileError(message, hint="correct the check, or parse the column in the steps")
    return found


def look(checks: list[Check], rules: tuple[Rule, ...], written: Written, breaches: list[FileBreach]) -> list[Finding]:
    """What came of every check, in declared order, those that hold included.

    Where rows refuse the file, how many it would have given, and how new they are, is not to be told.
    """
    halted = any(count for rule, count in zip(rules, written.by_rule, strict=True) if rule.fate == "halted")
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for rule, count in zip(rules, written.by_rule, strict=True):
        if count:
            counts[rule.name] = counts.get(rule.name, 0) + count
            reasons.setdefault(rule.name, rule.reason.replace(': "{value}"', ": its value"))
    for breach in breaches:
        if halted and breach.statement.when == "after":
            continue
        counts[breach.statement.rule], reasons[breach.statement.rule] = 1, breach.reason
    return [
        Finding(
            name=statement.name,
            rule=statement.rule,
            kind=statement.kind,
            on_breach=statement.on_breach,
            when=statement.when,
            rows=written.rows_in,
            breaches=counts.get(statement.rule, 0),
            reason=reasons.get(statement.rule),
        )
        for statement in statements(checks)
    ]


def assert_not_halted(findings: list[Finding], example: dict[str, Any] | None) -> None:
    """Refuse the whole file where a check that halts is broken.

    Args:
        findings: What came of every check.
        example: The first row that breaks such a check, as quarantine would have it.

    Raises:
        CheckHaltedError: One is; names each such check, its number of rows, and the example with its line.
    """
    broken = [finding for finding in findings if finding.on_breach == "halt" and finding.breaches]
    if broken:
        said = "; ".join(_said(finding, example) for finding in broken)
        raise CheckHaltedError(said, findings=findings, hint=HINT)


def _said(finding: Finding, example: dict[str, Any] | None) -> str:
    if finding.kind in {"row_count", "fresh"}:
        return f"{finding.rule}: {finding.reason}"
    count = f"{finding.breaches:,} row{' breaks' if finding.breaches == 1 else 's break'} it"
    if example is None or example["rule"] != finding.rule:
        return f"{finding.rule}: {count}: {finding.reason}"
    line = f"line {example['line']}" if example["line"] else "such as"
    return f"{finding.rule}: {count}, {line}: {example['reason']}"


def breach_rows(breaches: Iterable[FileBreach]) -> list[dict[str, Any]]:
    """Breaches of files as wholes, as the file of quarantined and remarkable rows has them: without a line."""
    return [
        {
            "line": None,
            "byte_offset": None,
            "column_name": breach.statement.columns[0] if breach.statement.columns else None,
            "rule": breach.statement.rule,
            "reason": breach.reason,
            "raw": None,
            "fate": "warned",
        }
        for breach in breaches
        if breach.statement.on_breach == "warn"
    ]


def notes_of(breaches: Iterable[FileBreach]) -> tuple[str, ...]:
    """What people should know of a file that breaks, as a whole, a check that warns."""
    return tuple(
        f"{breach.statement.rule}: {breach.reason}" for breach in breaches if breach.statement.on_breach == "warn"
    )


def check_outcomes(findings: list[Finding], table: TableName, file: str, run: str, at: float) -> list[CheckOutcome]:
    """The findings as the state store keeps them; of a file that is refused, those that may refuse it."""
    refused = any(finding.on_breach == "halt" and finding.breaches for finding in findings)
    return [
        CheckOutcome(
            run=run,
            table=table,
            file=file,
            name=finding.name,
            kind=finding.kind,
            on_breach=finding.on_breach,
            when=finding.when,
            rows=finding.rows,
            breaches=finding.breaches,
            at=at,
            reason=finding.reason,
        )
        for finding in findings
        if finding.on_breach == "halt" or not refused
    ]
