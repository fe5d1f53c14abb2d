"""`penstock up`: the lake is alive, files become rows as they land."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from penstock import faults
from penstock.cli.output import emit, say
from penstock.cli.session import Session, json_option
from penstock.cli.signalled import Stop, heard
from penstock.cli.words import counted
from penstock.errors import PenstockError
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.service.live import Live
    from penstock.service.station import Station

STOPPING = "\nstopping: {at_hand}; Ctrl-C once more leaves at once\n"
GIVING_BACK_SECONDS = 5.0
FILES = ("finished", "dead", "failed")
SPOKEN = {
    "unclaimed": "{file}  no table wants it",
    "growing": "{file}  is still being written; it waits",
    "unseen": "{file}  {reason}",
    "noticed": "{table}  {note}",
    "blocked": "{table}  its files wait: {reason}",
    "unrecorded": "files could not be recorded: {reason}",
    "paused": "files wait: {reason}",
    "resumed": "going on: {reason}",
    "polling": "looking every {seconds:g} seconds: {reason}",
    "attendant_failed": "{attendant} failed, and is tried again: {reason}",
    "upkeep_failed": "{table}  upkeep failed: {reason}",
    "declaration_changed": "lake.yaml changed: going on with what it says now",
    "declaration_refused": "lake.yaml changed and has problems; going on with what it said before:\n  {problems}",
}


@click.command("up")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Work on N files at the same time.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Answer /healthz and /metrics on this port of this machine, 0 for any that is free; up.port, when left out.",
)
@click.option("--no-http", is_flag=True, help="Answer on no port.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@json_option("Print JSON, one object a line: {event, table, file, ...}.")
@click.pass_obj
def command(session: Session, workers: int | None, port: int | None, *, no_http: bool, quiet: bool) -> int:
    """Keep the lake alive: every file that lands in raw/ becomes rows at once, until Ctrl-C or SIGTERM.

    Files that landed before are processed first. Ctrl-C or SIGTERM lets the files at hand be finished, for as long as
    up.drain says, and leaves the others for the next start; once more leaves at once, which is safe, too. Several may
    be up for one lake: they share the work.
    """
    faults.install_from_environment()
    keeping = _Keeping(session, workers, None if no_http else (port,), quiet=quiet)
    with heard((signal.SIGINT, signal.SIGTERM), keeping.stop.hear):
        keeping.keep()
    return 0


class _Keeping:
    """Keeps the lake alive, through changes of what is declared."""

    def __init__(self, session: Session, workers: int | None, port: tuple[int | None] | None, *, quiet: bool) -> None:
        """Answer on a `port` unless that is None; signals are for `stop`, also before anything is alive."""
        self._session, self._workers, self._port, self._quiet = session, workers, port, quiet
        self._live: Live | None = None
        self.stop = Stop(lambda: "" if quiet else STOPPING.format(at_hand=_at_hand(self._live)))
        self.stop.end = self._end
        self._before: bytes | None = None

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()

    def keep(self) -> None:
        """Keep it alive until a signal comes; as it is declared anew, whenever that changes."""
        text = self._once(None)
        while text is not None:
            text = self._once(text)

    def _once(self, text: bytes | None) -> bytes | None:
        """Keep it alive as `text` declares it, or as before where that fails; gives what it is declared as next."""
        with ExitStack() as opened:
            live, station = self._open(opened, text)
            self._before = live.lake.text
            drained = self._wait(live)
            station.say_goodbye(drained=drained)
            if not self._quiet and self.stop.signal:
                _part(live, self._session, drained=drained)
            if not drained:
                _leave_undone(live.lake)
            return None if self.stop.signal else live.reload

    def _open(self, opened: ExitStack, text: bytes | None) -> tuple[Live, Station]:
        try:
            return self._start(opened, text)
        except PenstockError as error:
            if self._before is None or self.stop.signal:
                raise
            opened.close()
            found = self._start(opened, self._before, refused=text)
            found[0].lake.signals.announce("declaration_refused", problems=str(error).splitlines())
            return found

    def _start(self, opened: ExitStack, text: bytes | None, refused: bytes | None = None) -> tuple[Live, Station]:
        from penstock.service.live import Live
        from penstock.service.station import Station

        lake = opened.enter_context(self._session.open(text))
        live = Live(lake, workers=self._workers, refused=refused)
        live.attendants += [lake.notifier(), lake.alarms(), lake.workflows()]
        station = opened.enter_context(closing(Station(lake, live)))
        if not self._quiet:
            _speak(lake, self._session)
        notes = station.open(*(self._port or ()))
        live.start()
        self._live = live
        station.start()
        if not self._quiet:
            _greet(live, self._session, station.port, notes)
        if self.stop.signal:
            live.stop()
        return live, station

    def _wait(self, live: Live) -> bool:
        """Wait until everything has ended, without bound where nobody asked for it; whether it has."""
        from penstock.declaration import seconds_of
        from penstock.service.drain import drain

        workflows = live.lake.workflows()
        while not self.stop.signal and not (live.wait(1.0) and workflows.stop(1.0)):
            pass
        return drain(live, workflows, seconds_of(live.lake.declaration.up.drain))


def _part(live: Live, session: Session, *, drained: bool) -> None:
    """Say how it ended."""
    done, waiting, busy = live.counts.files, live.lake.state.overview.waiting(), len(live.busy)
    if session.json:
        emit({"event": "down", "drained": drained, "files": done, "waiting": waiting, "unfinished": busy}, indent=None)
        return
    left = f"{counted(waiting, 'file')} {'waits' if waiting == 1 else 'wait'}" if waiting else "no file waits"
    ended = (
        "stopped" if drained else f"stopped in time, with {counted(busy, 'file')} at hand that could not be finished"
    )
    say(f"{ended}: {counted(done, 'file')} done since the start, {left} for the next one")


def _leave_undone(lake: Lake) -> NoReturn:
    """Give back what could not be finished in time, and leave while it is being worked on: nothing of it counts."""
    closing_store = threading.Thread(target=lake.state.close, daemon=True)
    closing_store.start()
    closing_store.join(GIVING_BACK_SECONDS)  # what cannot be given back in time is free as soon as the process is gone
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _greet(live: Live, session: Session, port: int | None, notes: list[str]) -> None:
    lake = live.lake
    watched = [{"table": str(name), "files": table.files} for name, table in lake.declared.items()]
    if session.json:
        facts = {"event": "up", "lake": lake.name, "raw": str(lake.raw.root), "port": port, "notes": notes}
        emit({**facts, "tables": watched}, indent=None)
        return
    for note in notes:
        say(printable(note), err=True)
    say(f"watching {lake.raw.root} for {counted(len(watched), 'table')}; Ctrl-C stops")
    for one in watched:
        say(f"  {one['table']}  {one['files']}")
    if port is not None:
        say(f"health and metrics: http://127.0.0.1:{port}/healthz and /metrics")


def _speak(lake: Lake, session: Session) -> None:
    """Say what happens, as it happens."""
    if session.json:
        for name in (*FILES, *SPOKEN):
            lake.signals.listen(name, _emit)
        return
    from penstock.cli.progress import tell_file

    for name in FILES:
        lake.signals.listen(name, tell_file)
    for name, text in SPOKEN.items():
        lake.signals.listen(name, partial(_say, text))


def _emit(event: dict[str, Any]) -> None:
    emit({key: fact for key, fact in event.items() if key != "error"}, indent=None)


def _say(text: str, event: dict[str, Any]) -> None:
    facts = {key: fact if isinstance(fact, (int, float)) else printable(str(fact)) for key, fact in event.items()}
    if isinstance(event.get("problems"), list):
        facts["problems"] = "\n  ".join(printable(problem) for problem in event["problems"])
    say(text.format(**facts))


def _at_hand(live: Live | None) -> str:
    """What has to be finished, and how long it may take."""
    busy = len(live.busy) if live is not None else 0
    if live is None or not busy:
        return "no file is at hand"
    return f"{counted(busy, 'file')} at hand may take {live.lake.declaration.up.drain} to be finished"
