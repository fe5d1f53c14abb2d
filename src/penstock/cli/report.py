"""What a run did: where every row went, what people should know, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.arrivals import Discovery, Summary
from penstock.cli import output
from penstock.cli.checks import said, summed
from penstock.cli.words import counted, facts_of_account, lasted
from penstock.naming import printable
from penstock.state import Accounting

if TYPE_CHECKING:
    from penstock.cli.session import Session
    from penstock.lake import Lake
    from penstock.naming import TableName

MILLISECOND = 1000
LISTED = 10


class Report:
    """Gathers what happens during a run and puts it into words or JSON."""

    def __init__(self, lake: Lake, tables: list[TableName]) -> None:
        """Start the clock, and listen."""
        self._lake = lake
        self._tables = tables
        self._started = lake.clock.now()
        self._empty: list[str] = []
        self._waiting_at_start = 0
        self._waiting = 0
        self._seconds = 0.0
        self._runs: list[str] = []
        self.discovery = Discovery()
        self.summary = Summary()
        self.signal = 0
        lake.signals.listen("finished", self._note_empty)
        lake.signals.listen("finished", self._note_run)
        lake.signals.listen("dead", self._note_run)

    def _note_run(self, event: dict[str, Any]) -> None:
        if event["run"] not in self._runs[-1:]:
            self._runs.append(event["run"])

    def _note_empty(self, event: dict[str, Any]) -> None:
        if not event["rows_out"]:
            self._empty.append(event["file"])

    def count_waiting(self) -> int:
        """How many files wait, or are worked on by others."""
        self._waiting_at_start = self._count()
        return self._waiting_at_start

    def _count(self) -> int:
        return sum(map(self._lake.state.backlog.count, self._tables))

    def end(self, summary: Summary, signal: int) -> None:
        """Take the run's outcome; `signal` is the one that stopped it, or 0."""
        self.summary, self.signal = summary, signal
        self._waiting = self._count()
        self._seconds = self._lake.clock.now() - self._started

    @property
    def total(self) -> Accounting:
        """The account of all tables together."""
        return sum(self.summary.accounts.values(), Accounting())

    @property
    def files(self) -> int:
        """Files whose rows are in."""
        return sum(self.summary.files.values())

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What people should know, by file."""
        empty = [(file, "nothing written: no row was left") for file in self._empty]
        return [*self.discovery.unseen.items(), *self.summary.notes, *empty]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What came of every check, over all files."""
        return summed(outcome for run in self._runs for outcome in self._lake.state.checks.list(run=run))

    def facts(self) -> dict[str, Any]:
        """The report as `--json` shows it; these names are stable."""
        return {
            "files": self.files,
            **facts_of_account(self.total),
            "tables": [
                {"table": str(name), "files": self.summary.files.get(name, 0), **facts_of_account(figures)}
                for name, figures in self.summary.accounts.items()
            ],
            "checks": self.checks,
            "dead": [
                {"table": str(arrival.table), "file": arrival.key, "reason": arrival.reason}
                for arrival in self.summary.dead
            ],
            "notes": [{"file": file, "note": note} for file, note in self.notes],
            "growing": self.discovery.growing,
            "unclaimed": self.discovery.unclaimed,
            "stopped": bool(self.signal),
            "waiting": self._waiting,
            "duration_ms": round(self._seconds * MILLISECOND),
        }

    def say(self, session: Session) -> None:
        """Print the report for people."""
        err = session.json
        for name, figures in self.summary.accounts.items():
            _say_account(str(name), self.summary.files.get(name, 0), figures, err=err)
        self._say_checks(err=err)
        self._say_files(err=err)
        output.say(self._closing(), err=err)
        output.next_steps(self._steps(session), err=err)

    def _say_checks(self, *, err: bool) -> None:
        """One line per broken check, and how many held."""
        found = self.checks
        broken = [facts for facts in found if facts["broken"]]
        for facts in broken:
            output.say(f"{printable(facts['table'])}: {said(facts)}", err=err)
        if found:
            held = len(found) - len(broken)
            output.say(f"{counted(held, 'check')} of {len(found):,} held" if broken else _all_held(held), err=err)
            output.say(err=err)

    def _say_files(self, *, err: bool) -> None:
        _say_list("note", [f"{file}: {note}" for file, note in self.notes], err=err)
        _say_list("still being written, left for the next run", self.discovery.growing, err=err)
        _say_list("no table wants", self.discovery.unclaimed, err=err)
        _say_list("dead", [f"{dead.key}: {dead.reason}" for dead in self.summary.dead], err=err)

    def _closing(self) -> str:
        parts = []
        if self.files:
            parts.append(f"{counted(self.files, 'file')}, {_flow(self.total)} in {lasted(self._seconds)}")
        if self.summary.dead:
            parts.append(f"{counted(len(self.summary.dead), 'file')} dead")
        if self.signal:
            waiting = f"{counted(self._waiting, 'file')} wait{'s' if self._waiting == 1 else ''}"
            parts.append(f"stopped; {waiting if self._waiting else 'no file waits'} for the next run")
        if parts:
            return "; ".join(parts)
        if self._waiting_at_start:
            return f"nothing left to do: another run has processed {counted(self._waiting_at_start, 'file')}"
        return f"nothing new in {printable(self._lake.declaration.zones.raw)}/"

    def _steps(self, session: Session) -> list[str]:
        accounts = self.summary.accounts
        tables = [name for name in self._lake.declared if name in accounts and accounts[name].rows_out]
        steps = [session.first_query(tables[0])] if tables else []
        if self.total.quarantined:
            steps.append(f"{session.call} quarantine list")
        if any(facts["broken"] and facts["on_breach"] == "warn" for facts in self.checks):
            steps.append(session.query("SELECT * FROM penstock.warnings"))
        if self.summary.dead:
            steps.append(f"{session.call} dead list")
        if self.signal and self._waiting:
            steps.insert(0, f"{session.call} run")
        return steps


def _all_held(held: int) -> str:
    return "the check held" if held == 1 else f"all {held:,} checks held"


def _flow(figures: Accounting) -> str:
    dropped = sum(figures.dropped.values())
    added = f", {figures.added:,} added" if figures.added else ""
    return (
        f"{counted(figures.rows_in, 'row')} in{added}: {figures.rows_out:,} out, {dropped:,} dropped, "
        f"{figures.quarantined:,} quarantined"
    )


def _say_account(table: str, files: int, figures: Accounting, *, err: bool) -> None:
    """One line per place that rows came from and went to; those that came add up to those that went."""
    lines = [(figures.rows_in, f"rows in, from {counted(files, 'file')}")]
    lines += [(figures.added, "added by steps")] if figures.added else []
    lines += [(figures.rows_out, "out")]
    lines += [(count, f"dropped: {printable(rule)}") for rule, count in figures.dropped.items()]
    lines += [(figures.quarantined, "quarantined")] if figures.quarantined else []
    width = max(len(f"{count:,}") for count, _ in lines)
    output.say(output.bold(table), err=err)
    for count, words in lines:
        output.say(f"  {count:>{width},}  {words}", err=err)
    output.say(err=err)


def _say_list(title: str, entries: list[str], *, err: bool) -> None:
    for entry in entries[:LISTED]:
        output.say(f"{title}: {printable(entry)}", err=err)
    if len(entries) > LISTED:
        output.say(f"{title}: and {len(entries) - LISTED:,} more", err=err)
    if entries:
        output.say(err=err)
