"""`penstock query`: SQL over the tables and over what the product knows of itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from penstock.cli.output import dim, error, say
from penstock.cli.session import Session, role_option
from penstock.cli.signalled import heard, leave
from penstock.cli.words import counted, lasted, size
from penstock.errors import PenstockError, QueryError

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.queries import Result

SHOWN_ROWS = 1000


@click.command("query")
@click.argument("sql", metavar="SQL", required=False)
@click.option(
    "--saved",
    metavar="NAME",
    multiple=True,
    help="Ask the saved query NAME, and keep its rows in the zone enriched; all for every one. Repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    help="How the rows are written. A table for people, when left out.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Write at most N rows; on a terminal 1,000.")
@click.option(
    "--at",
    metavar="MOMENT",
    help="Read tables as they were: a snapshot's id, a tag, or a time such as 2026-01-31T08:00 (UTC).",
)
@role_option("Ask for ROLE, which may query what `access` in lake.yaml grants it.")
@click.option(
    "--engine",
    type=click.Choice(["athena", "duckdb"]),
    help="With --aws: who answers, Athena, or DuckDB on this machine over copies of the files. Athena, when left out, "
    "except for what it does not know: penstock.*, quarantine.* and --at.",
)
@click.pass_obj
def command(
    session: Session,
    sql: str | None,
    saved: tuple[str, ...],
    form: str,
    output: Path | None,
    *,
    limit: int | None,
    at: str | None,
    role: str | None,
    engine: str | None,
) -> int:
    """Ask in SQL, DuckDB's dialect; SQL may be - for standard input.

    Queries only read. They see the lake's tables and penstock.tables, columns, arrivals, runs, snapshots,
    dead_letters and quarantine. JSON is one array of objects, CSV follows RFC 4180 with nulls as nothing and empty text
    as "".

    With --saved, a query is asked that lake.yaml has below queries; penstock queries lists them. Its rows are shown,
    and kept as NAME/NAME.parquet in the zone enriched. With --role or --at they are only shown; those of several
    queries are only kept.
    """
    _assert_one_is_asked(sql, saved)
    several = len(saved) > 1 or saved == ("all",)
    if several:
        _assert_only_kept(form, output, limit, at, role)
    elif form == "parquet" and output is None and sys.stdout.isatty():
        message = "a terminal cannot show Parquet: name a file with --output, or pipe it into one"
        raise click.UsageError(message)
    statement = "" if sql is None else _utf8(sys.stdin.buffer.read() if sql == "-" else os.fsencode(sql))
    people = output is None and form == "table" and sys.stdout.isatty()
    shown = _Shown(form, output, SHOWN_ROWS if limit is None and people else limit)

    def interrupted(number: int) -> None:
        if output is not None:
            _part_of(output).unlink(missing_ok=True)
        leave(number)

    with heard((signal.SIGINT,), interrupted), session.open() as lake:
        if several:
            return _keep_several(session, lake, saved, engine)
        statement = lake.saved().sql(saved[0]) if saved else statement
        asked = _Asked(statement, at, role, _engine(session, statement, at, engine))
        if saved and at is None and role is None:
            _keep_one(lake, saved[0], asked.engine, shown)
        else:
            _show(lake, asked, shown)
            if saved:
                say("not kept: with --at or --role a saved query is only asked", err=True)
    return 0


@dataclass(frozen=True)
class _Shown:
    """How rows are shown."""

    form: str
    output: Path | None
    limit: int | None


def _keep_one(lake: Lake, name: str, engine: str, shown: _Shown) -> None:
    """Keep the rows of a saved query, and show what was kept."""
    started = lake.clock.now()
    kept = lake.save(name, engine, _telling() if sys.stderr.isatty() else None)
    _show(lake, _Asked(lake.saved().reading(kept), None, None, "duckdb"), shown, started)
    read = "" if kept.scanned is None else f"; Athena read {size(kept.scanned)}"
    say(f"kept: {counted(kept.rows, 'row')} in {place(lake, kept.key)}{read}", err=True)


def _show(lake: Lake, asked: _Asked, shown: _Shown, started: float | None = None) -> None:
    """Ask, show the rows, and say how many there were, and how long it took since it `started`."""
    started = lake.clock.now() if started is None else started
    result = asked.answer(lake)
    rows = _write(result, shown)
    spent = lake.clock.now() - started
    if shown.limit is not None and rows == shown.limit and shown.form == "table":
        _say_left_out(lake, asked, result, rows)
    if shown.form == "table" or shown.output is not None:
        to = f", written to {shown.output}" if shown.output else ""
        read = f"; Athena read {size(result.told.scanned)}" if hasattr(result, "told") else ""
        say(f"{counted(rows, 'row')} in {lasted(spent)}{to}{read}", err=True)


def _write(result: Result, shown: _Shown) -> int:
    """Write the rows; gives how many."""
    from penstock.cli.writers import WRITERS, Wanted, write_parquet

    if shown.form == "parquet":
        with _binary(shown.output) as file:
            return write_parquet(result, file, shown.limit)
    with _text(shown.output) as text:
        terminal = shown.output is None and sys.stdout.isatty()
        return WRITERS[shown.form](result, text, Wanted(shown.limit, terminal=terminal))


def _assert_one_is_asked(sql: str | None, saved: tuple[str, ...]) -> None:
    if sql is None and not saved:
        message = "missing argument 'SQL'; or name a saved query with --saved"
        raise click.UsageError(message)
    if sql is not None and saved:
        message = "either SQL or --saved is asked: a saved query has its own SQL"
        raise click.UsageError(message)


def _assert_only_kept(form: str, output: Path | None, limit: int | None, at: str | None, role: str | None) -> None:
    if form != "table" or any(said is not None for said in (output, limit, at, role)):
        message = "several saved queries are kept and not shown; name one of them to show its rows"
        raise click.UsageError(message)


def _keep_several(session: Session, lake: Lake, names: tuple[str, ...], engine: str | None) -> int:
    """Ask saved queries and keep their rows; one that fails stops no other."""
    failed, saved = 0, lake.saved()
    for name in saved.named([*names]):
        started = lake.clock.now()
        try:
            kept = lake.save(name, _engine(session, saved.sql(name), None, engine))
        except PenstockError as found:
            failed += 1
            error(PenstockError(found.what, where=f"queries.{name}", hint=found.hint))
        else:
            spent = lasted(lake.clock.now() - started)
            say(f"{name}: {counted(kept.rows, 'row')} in {spent}, kept in {place(lake, kept.key)}")
    return 1 if failed else 0


def place(lake: Lake, key: str) -> str:
    """Where a result is, for people."""
    deployed = lake.site.deployed
    return f"{lake.zones[2]}/{key}" if deployed is None else f"s3://{deployed.enriched_bucket}/{key}"


@dataclass(frozen=True)
class _Asked:
    """What is asked, of whom."""

    statement: str
    at: str | None
    role: str | None
    engine: str

    def answer(self, lake: Lake) -> Result:
        if self.engine == "duckdb":
            return lake.query(self.statement, self.at, self.role)
        return lake.query_athena(self.statement, self.role, _telling() if sys.stderr.isatty() else None)


def _engine(session: Session, statement: str, at: str | None, engine: str | None) -> str:
    """Who answers."""
    if not session.aws:
        if engine is not None:
            message = "--engine says who answers for a deployed lake; it goes with --aws"
            raise click.UsageError(message)
        return "duckdb"
    if engine is not None:
        return engine
    from penstock.queries.athena import OURS, tables_of

    return "duckdb" if at is not None or any(name.layer in OURS for name in tables_of(statement)) else "athena"


def _telling() -> Callable[[str], object]:
    """Say, once each, the states that a query is in."""
    told = set[str]()

    def tell(state: str) -> None:
        if state not in told:
            told.add(state)
            say(dim(f"Athena: {state}"), err=True)

    return tell


def _utf8(sql: bytes) -> str:
    try:
        return sql.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"the SQL is not UTF-8 text (byte {error.start})"
        raise QueryError(message) from None


def _say_left_out(lake: Lake, asked: _Asked, result: Result, rows: int) -> None:
    """Say how many rows are not shown, where that can be counted; Athena, which is paid for each query, said it."""
    try:
        counting = f"SELECT count(*) FROM ({asked.statement.strip().rstrip(';')}\n)"  # noqa: S608 - it is the person's own
        total = (
            result.told.rows if hasattr(result, "told") else lake.query(counting, asked.at, asked.role).fetchall()[0][0]
        )
    except PenstockError:
        say("there may be more rows: --limit N shows more", err=True)
        return
    if total > rows:
        say(f"{counted(total - rows, 'more row')} left out: --limit N shows more, --format csv writes all", err=True)


@contextmanager
def _text(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with _whole(output) as part, part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        yield file


@contextmanager
def _binary(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    with _whole(output) as part, part.open("wb") as file:
        yield file


def _part_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.{os.getpid()}")


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """A name to write under; the file appears as `output` only once it is whole."""
    part = _part_of(output)
    try:
        yield part
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
