"""`penstock run`: everything that is new becomes rows, once."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from penstock import faults
from penstock.cli.complete import TABLE
from penstock.cli.output import emit, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.signalled import SIGNALLED, Stop, heard
from penstock.cli.words import counted

if TYPE_CHECKING:
    from penstock.cli.report import Report
    from penstock.errors import AccessError
    from penstock.lake import Lake
    from penstock.opened import Opened

DEAD = 3
MESSAGE = "\nstopping after the file at hand; Ctrl-C once more leaves at once\n"


@click.command("run")
@click.option("--table", "tables", type=TABLE, metavar="TABLE", multiple=True, help="Only this table; may be repeated.")
@click.option(
    "--reprocess",
    type=TABLE,
    metavar="TABLE",
    multiple=True,
    help="Process all files of this table again, for example after its steps changed; may be repeated.",
)
@click.option(
    "--as-deployed",
    is_flag=True,
    help="Refuse what the deployed functions' policies would refuse; ends with 1 where there is such a thing.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@json_option("Print {files, rows_in, ..., tables: [...], dead: [...], notes: [...], stopped, waiting, duration_ms}.")
@click.pass_obj
def command(
    session: Session, tables: tuple[str, ...], reprocess: tuple[str, ...], *, as_deployed: bool, quiet: bool
) -> int:
    """Process every file that is new in raw/, once, and say where every row went.

    Ctrl-C finishes the file at hand and leaves the others for the next run; once more leaves at once, which is safe,
    too. Ends with 3 when a file ended dead: it is kept, with the reason: see penstock dead. Also when another
    program left a table so that Penstock cannot read it: its files wait.
    """
    from penstock.cli.progress import show_progress
    from penstock.cli.report import Report

    faults.install_from_environment()
    stop = Stop(lambda: "" if quiet else MESSAGE)
    with heard((signal.SIGINT, signal.SIGTERM), stop.hear), _opened(session, as_deployed=as_deployed) as lake:
        again = [table_named(lake, name) for name in reprocess]
        only = {table_named(lake, name) for name in tables}
        chosen = {name: table for name, table in lake.declared.items() if not only or name in {*only, *again}}
        lake.describe("run")
        report = Report(lake, list(chosen))
        report.discovery = lake.discover()
        worker = lake.worker()
        lake.assert_columns(chosen)
        for name in again:
            worker.reprocess(name)
        stop.end = worker.stop
        with show_progress(lake, report.count_waiting(), shown=not (quiet or session.json)):
            report.end(worker.drain(chosen), stop.signal)
        if not stop.signal:
            lake.round_off()
        refusal = _refusal(lake) if as_deployed else None
        if refusal is not None and session.json:
            raise refusal
        code = _tell(report, session, quiet=quiet)
        if refusal is not None:
            raise refusal
        if as_deployed and not (quiet or session.json):
            say()
            say(_allowed(lake))
        return code


def _opened(session: Session, *, as_deployed: bool) -> Lake:
    if not as_deployed:
        return session.open()
    from penstock.deployment.as_deployed import JudgedSite, watch_steps
    from penstock.lake import Lake

    def stand(lake: Opened) -> JudgedSite:
        site = JudgedSite(lake)
        watch_steps(site)
        return site

    return Lake(session.folder, site=stand)


def _refusal(lake: Lake) -> AccessError | None:
    """What the functions would be refused, as one error; None when nothing."""
    from penstock.deployment.as_deployed import JudgedSite
    from penstock.errors import AccessError

    if not isinstance(lake.site, JudgedSite):
        return None
    with suppress(AccessError):  # it is among what was refused
        lake.site.judge.assert_tells(lake.declaration)
    with suppress(AccessError):
        lake.site.judge.assert_fetches(lake.declaration)
    refused = list(lake.site.judge.refused.values())
    if not refused:
        return None
    hint = "\n".join(dict.fromkeys(error.hint for error in refused))
    return AccessError("\n  ".join(error.what for error in refused), hint=hint)


def _allowed(lake: Lake) -> str:
    """What was asked of the policies of the functions, none of which was refused."""
    from penstock.deployment.as_deployed import JudgedSite

    assert isinstance(lake.site, JudgedSite)  # noqa: S101 - for the type checker
    asked = lake.site.judge.allowed
    whose = " and ".join(f"{counted(count, 'different call')} of {name}" for name, count in asked.items())
    return f"as deployed: {whose} were put to these functions' policies; all are allowed"


def _tell(report: Report, session: Session, *, quiet: bool) -> int:
    if session.json:
        emit(report.facts())
    if not quiet:
        report.say(session)
    if report.signal:
        return SIGNALLED + report.signal
    return DEAD if report.summary.dead or report.summary.blocked else 0
