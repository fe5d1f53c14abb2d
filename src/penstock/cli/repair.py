"""`penstock repair`: the state store follows the tables again, and what can be mended is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.verify import show_files
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.upkeep.deeds import Repaired

LEFT = 1


@click.command("repair")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option("Print {done: [{kind, where, what}], left: [{kind, where, what, hint}], notes, dry_run}.")
@click.pass_obj
def command(session: Session, *, dry_run: bool) -> int:
    """Rebuild the state store from the tables, and mend what can be mended; workers must have ended.

    Nothing is deleted but what dead workers left: damaged stores are moved to .penstock/damaged/. What a damaged data
    file held is read again from raw/ by the next run. Ends with 1 when something is left that only you can mend.
    """
    with session.open() as lake, show_files(lake, shown=not session.json):
        done = lake.repair(dry_run=dry_run)
    if session.json:
        emit(facts_of(done))
    else:
        _say(done, session)
    return LEFT if done.left else 0


def facts_of(done: Repaired) -> dict[str, Any]:
    """What was done, as `--json` shows it; these names are stable."""
    return {
        "done": [asdict(deed) for deed in done.deeds],
        "left": [asdict(found) for found in done.left],
        "notes": done.notes,
        "dry_run": done.dry_run,
    }


def _say(done: Repaired, session: Session) -> None:
    for deed in done.deeds:
        say(f"{'would do:' if done.dry_run else 'done:'} {printable(str(deed))}")
    for found in done.left:
        say(f"{click.style('left:', fg='red', bold=True)} {printable(str(found))}")
    for note in done.notes:
        say(f"{dim('note:')} {printable(note)}")
    if not done.deeds and not done.left:
        say("nothing to mend")
    if not done.dry_run and any(deed.kind == "waits" for deed in done.deeds):
        next_steps([f"{session.call} run"])
