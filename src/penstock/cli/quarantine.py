"""`penstock quarantine`: rows that were set aside, looked at, taken out to be corrected, and brought back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import Column, left, right, show
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import counted, facts_of_account
from penstock.naming import identifier, literal, printable

if TYPE_CHECKING:
    from penstock.arrivals import Readmission
    from penstock.lake import Lake
    from penstock.naming import TableName

FAILED = 1
LISTED = 20
SHOWN = 500
PLACE = ("id", "table", "file", "line", "byte_offset", "column", "rule", "reason", "raw")
COLUMNS = [*left("table", "file", "rule"), *right("rows"), *left("since (UTC)"), Column("first reason", shortens=True)]
LIST = """
SELECT q.table_name, q.file, q.rule, count(*), min(q.line), arg_min(q.reason, coalesce(q.line, 0)),
       any_value(a.finished)
FROM penstock.quarantine q
LEFT JOIN (SELECT table_name, file, max(finished) AS finished FROM penstock.arrivals
           WHERE state = 'finished' GROUP BY ALL) a USING (table_name, file)
WHERE {where} GROUP BY ALL ORDER BY ALL
"""
ENDINGS = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


@click.group("quarantine")
def command() -> None:
    """Look at rows that were set aside, take them out to correct them, and bring them back.

    The same rows are SQL: penstock.quarantine has all of them, quarantine.TABLE those of one table by its own columns,
    penstock.readmitted those that came back.
    """


_rule = click.option("--rule", metavar="RULE", help="Only rows that this rule set aside.")
_file = click.option("--file", metavar="FILE", help="Only rows of this file, by its path below raw/.")


@command.command("list")
@click.argument("table", required=False)
@json_option("Print [{table, file, rule, rows, first_line, first_reason, since}].")
@click.pass_obj
def list_(session: Session, table: str | None) -> None:
    """Say how many rows are in quarantine, by table, file and rule."""
    with session.open() as lake:
        where = _where(lake, table, None, None)
        rows = lake.query(LIST.format(where=where)).fetchall()
    names = ("table", "file", "rule", "rows", "first_line", "first_reason", "since")
    facts = [dict(zip(names, (*row[:6], _iso(row[6])), strict=True)) for row in rows]
    if session.json:
        emit(facts)
        return
    if not facts:
        say("no row is in quarantine")
        return
    show(COLUMNS, [_row(found) for found in facts])
    say()
    files = len({(found["table"], found["file"]) for found in facts})
    say(f"{counted(sum(found['rows'] for found in facts), 'row')} in quarantine, of {counted(files, 'file')}")
    first = facts[0]["table"]
    next_steps([f"{session.call} quarantine show {first}", f"{session.call} quarantine export {first} --to fix.csv"])


@command.command("show")
@click.argument("subject", metavar="ID|TABLE")
@_rule
@_file
@click.option("--limit", type=click.IntRange(min=1), default=LISTED, show_default=True, metavar="N", help="N rows.")
@json_option("Print [{id, table, file, line, byte_offset, column, rule, reason, raw}].")
@click.pass_obj
def show_(session: Session, subject: str, rule: str | None, file: str | None, limit: int) -> int:
    """Show rows in quarantine: where each stood, why it was set aside, and the record as it was delivered."""
    with session.open() as lake:
        one = "/" in subject
        where = f"q.id = {literal(subject)}" if one else _where(lake, subject, rule, file)
        sql = f"FROM penstock.quarantine q WHERE {where}"
        total = lake.query(f"SELECT count(*) {sql}").fetchall()[0][0]
        rows = lake.query(f"SELECT * {sql} ORDER BY file, line, id LIMIT {limit}").fetchall()
    facts = [dict(zip(PLACE, row, strict=True)) for row in rows]
    if session.json:
        emit(facts)
    elif facts:
        _show_rows(session, facts, total)
    else:
        say(f"no row {printable(subject)} is in quarantine" if one else "no such row is in quarantine")
        next_steps([f"{session.call} quarantine list"])
    return FAILED if one and not facts else 0


@command.command("export")
@click.argument("table")
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A .csv, .json or .parquet file."
)
@_rule
@_file
@click.pass_obj
def export(session: Session, table: str, to: Path | None, rule: str | None, file: str | None) -> int:
    """Write a table's rows in quarantine as people correct them: by the columns of the delivered files.

    Beside the file's own columns stand _id, _file, _line and _reason, and _raw, the whole record where it could not be
    cut into columns. Without --to, CSV goes to standard output. Cells are written byte for byte: a spreadsheet may
    take a cell that starts with = for a formula.
    """
    from penstock.cli.writers import WRITERS, Wanted, write_parquet
    from penstock.errors import QuarantineError

    form = ENDINGS.get(to.suffix.lower()) if to else "csv"
    if form is None:
        message = f'cannot tell what to write into "{to}": its name must end in .csv, .json or .parquet'
        raise QuarantineError(message)
    with session.open() as lake:
        name = table_named(lake, table)
        result = lake.query(_export_sql(lake, name, rule, file))
        with _written(to) as part:
            if part is None:
                rows = WRITERS["csv"](result, sys.stdout, Wanted(None, terminal=False))
            elif form == "parquet":
                with part.open("wb") as binary:
                    rows = write_parquet(result, binary, None)
            else:
                with part.open("w", encoding="utf-8", newline="", errors="surrogatepass") as text:
                    rows = WRITERS[form](result, text, Wanted(None, terminal=False))
    say(f"{counted(rows, 'row')} of {name} in quarantine{f', written to {printable(str(to))}' if to else ''}", err=True)
    if rows and to:
        next_steps([f"{session.call} quarantine readmit {name} {printable(str(to))} --dry-run"], err=True)
    return 0


@command.command("readmit")
@click.argument("table")
@click.argument("corrections", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@json_option(
    "Print {table, corrections, dry_run, rows, readmitted, refused: [{row, id, why, reason, ...}], runs, ...}."
)
@click.pass_obj
def readmit(session: Session, table: str, corrections: Path, *, dry_run: bool) -> int:
    """Bring the corrected rows of FILE back into a TABLE; FILE is what export wrote, corrected.

    Rows take the same steps and checks as those of any file. What fails again stays in quarantine, with the new
    reason. The same file given twice brings nothing in twice. Ends with 1 when no row could come back.
    """
    from penstock import faults

    faults.install_from_environment()
    with session.open(makes_rows=True) as lake:
        name = table_named(lake, table)
        done = lake.readmit(str(name), corrections, dry_run=dry_run)
    if session.json:
        emit(_facts(done))
    else:
        _tell(session, done, corrections)
    return 0 if done.readmitted else FAILED


@command.command("purge")
@click.argument("table", required=False)
@json_option("Print [{table, file, rows, set_aside}].")
@click.pass_obj
def purge(session: Session, table: str | None) -> None:
    """Remove rows that have been in quarantine for longer than their table declares.

    That is `quarantine: {keep: 90d}` in lake.yaml. Every run does the same at its end.
    """
    from penstock.clock import iso

    with session.open() as lake:
        chosen = [table_named(lake, table)] if table else sorted(lake.declared)
        keeps = {name: lake.declared[name].quarantine.keep for name in chosen if name in lake.declared}
        found = lake.purge(name for name in chosen if keeps.get(name))
        facts: list[dict[str, Any]] = [
            {"table": str(name), "file": one.file, "rows": one.rows, "set_aside": iso(one.set_aside)}
            for name, purged in found.items()
            for one in purged
        ]
    if session.json:
        emit(facts)
        return
    for fact in facts:
        file = printable(str(fact["file"])) if fact["file"] else "an earlier attempt"
        say(f"{fact['table']}  {file}  {counted(fact['rows'], 'row')} set aside {fact['set_aside']}, removed")
    say(f"{counted(sum(fact['rows'] for fact in facts), 'row')} removed from quarantine")
    if not any(keeps.values()):
        next_steps(["say in lake.yaml how long a table keeps them, such as quarantine: {keep: 90d}"])


def _where(lake: Lake, table: str | None, rule: str | None, file: str | None) -> str:
    conditions = [f"q.table_name = {literal(str(table_named(lake, table)))}"] if table else ["true"]
    conditions += [f"q.rule = {literal(rule)}"] if rule else []
    conditions += [f"q.file = {literal(file)}"] if file else []
    return " AND ".join(conditions)


def _export_sql(lake: Lake, name: TableName, rule: str | None, file: str | None) -> str:
    where = _where(lake, str(name), rule, file)
    view = f"quarantine.{identifier(str(name))}"
    own = lake.query(f"FROM {view} LIMIT 0").columns[0]
    rows = f"{view} e JOIN penstock.quarantine q ON e.{identifier(own)} = q.id"
    return f"SELECT e.* FROM {rows} WHERE {where} ORDER BY q.file, q.line, q.id"  # noqa: S608 - names and texts are quoted


@contextmanager
def _written(to: Path | None) -> Iterator[Path | None]:
    """A name to write under; the file appears as `to` only once it is whole."""
    if to is None:
        yield None
        return
    part = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        yield part
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _iso(moment: Any) -> str | None:
    return f"{moment.isoformat(timespec='milliseconds')}Z" if moment else None


def _row(found: dict[str, Any]) -> list[str | None]:
    since = (found["since"] or "")[:19].replace("T", " ")
    names = [printable(str(found[name])) for name in ("table", "file", "rule")]
    return [*names, f"{found['rows']:,}", since, printable(found["first_reason"])]


def _show_rows(session: Session, facts: list[dict[str, Any]], total: int) -> None:
    for row in facts:
        place = f"line {row['line']}" if row["line"] else "line not known"
        byte = f", byte {row['byte_offset']}" if row["byte_offset"] is not None else ""
        say(f"{row['table']}  {printable(row['file'])}, {place}{byte}  {printable(row['rule'])}")
        say(f"  {printable(row['reason'])}")
        raw = row["raw"] or ""
        say(dim(f"  {printable(raw[:SHOWN])}{'…' if len(raw) > SHOWN else ''}"))
        say(dim(f"  {row['id']}"))
    say()
    left_out = f", {total - len(facts):,} not shown: --limit N shows more" if total > len(facts) else ""
    say(f"{counted(total, 'row')} in quarantine{left_out}")
    next_steps([f"{session.call} quarantine export {facts[0]['table']} --to fix.csv"])


def _facts(done: Readmission) -> dict[str, Any]:
    return {
        "table": str(done.table),
        "corrections": done.corrections,
        "dry_run": done.dry_run,
        "rows": done.rows,
        "readmitted": done.readmitted,
        "refused": [
            {
                "row": one.number,
                "id": one.id,
                "why": one.why,
                "reason": one.reason,
                "file": one.file,
                "line": one.line,
            }
            for one in done.refused
        ],
        "runs": list(done.runs),
        **facts_of_account(done.accounting),
    }


def _tell(session: Session, done: Readmission, corrections: Path) -> None:
    for one in done.refused[:LISTED]:
        place = f" ({printable(one.file)}, line {one.line})" if one.file and one.line else ""
        say(f"row {one.number}{place}: {printable(one.reason)}")
    if len(done.refused) > LISTED:
        say(f"and {len(done.refused) - LISTED:,} more: --json lists all")
    for rule, count in done.accounting.warned.items():
        say(f"{counted(count, 'row')} kept with a warning: {printable(rule)}")
    verb = "would come back" if done.dry_run else "came back"
    stay = sum(one.why in {"failed", "unfit"} for one in done.refused)
    rest = len(done.refused) - stay
    parts = [f"{done.readmitted:,} of {counted(done.rows, 'row')} {verb} into {done.table}"]
    parts += [f"{stay:,} {'stays' if stay == 1 else 'stay'} in quarantine"] if stay else []
    parts += [f"{rest:,} not taken"] if rest else []
    say(", ".join(parts))
    if done.dry_run and done.readmitted:
        next_steps([f"{session.call} quarantine readmit {done.table} {printable(str(corrections))}"])
    elif done.readmitted:
        next_steps([session.query(f"SELECT * FROM penstock.readmitted WHERE table_name = '{done.table}'")])  # noqa: S608 - shown
    else:
        next_steps([f"{session.call} quarantine show {done.table}"])
