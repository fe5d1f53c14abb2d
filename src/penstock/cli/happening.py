"""What happens on AWS, as it happens: a line per resource, or a line of JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import dim, emit, on_terminal, say
from penstock.cli.words import counted, size
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.stacks import Event

NAME = 28
DONE = {
    "CREATE_COMPLETE": "made",
    "UPDATE_COMPLETE": "changed",
    "DELETE_COMPLETE": "removed",
    "DELETE_SKIPPED": "kept",
    "CREATE_FAILED": "failed",
    "UPDATE_FAILED": "failed",
    "DELETE_FAILED": "failed",
}
BEGUN = {
    "CREATE_IN_PROGRESS": "making",
    "UPDATE_IN_PROGRESS": "changing",
    "DELETE_IN_PROGRESS": "removing",
}


class Happening:
    """Tells what happens."""

    def __init__(self, *, as_json: bool) -> None:
        """Tell it, as JSON for programs."""
        self._json = as_json
        self._live = not as_json and on_terminal(sys.stderr)
        self._counts: dict[str, int] = {}

    def event(self, event: Event) -> None:
        """Something happened to a resource, or to the stack."""
        if self._json:
            emit(facts(event), indent=None)
            return
        if (word := DONE.get(event.status)) is None and not event.of_stack:
            self._status(f"{BEGUN.get(event.status, event.status.lower())} {event.name}")
            return
        self._status("")
        time = event.at.astimezone(UTC).strftime("%H:%M:%S")
        if event.of_stack:
            say(f"{time}  {dim(f'stack: {event.status}')}")
            return
        failed = word == "failed"
        shown = click.style(f"{word:<8}", fg="red" if failed else "green")
        say(f"{time}  {shown} {event.name:<{NAME}} {dim(event.type.removeprefix('AWS::').replace('::', ' '))}".rstrip())
        if failed and event.reason:
            say(f"          {printable(event.reason)}")

    def begun(self, text: str) -> None:
        """Something is being done."""
        if self._json:
            emit({"event": "step", "text": text}, indent=None)
            return
        self._status("")
        say(printable(text))

    def clear(self) -> None:
        """Make room for what is said at the end."""
        self._status("")

    def emptied(self, bucket: str, count: int) -> None:
        """So many versions more are gone from a bucket."""
        self._counts[bucket] = self._counts.get(bucket, 0) + count
        if self._json:
            emit({"event": "emptied", "bucket": bucket, "versions": self._counts[bucket]}, indent=None)
            return
        text = f"{bucket}: {counted(self._counts[bucket], 'version')} removed"
        if self._live:
            self._status(text)
        else:
            say(f"  {text}")

    @contextmanager
    def sending(self, total: int) -> Iterator[Any]:
        """Gives what is told how many bytes more were sent."""
        gone = 0

        def sent(count: int) -> None:
            nonlocal gone
            gone += count
            self._status(f"{size(gone)} of {size(total)} uploaded")

        yield sent
        self._status("")

    def _status(self, text: str) -> None:
        """Keep one line at the bottom up to date, on a terminal."""
        if self._live:
            click.echo(f"\r\x1b[K{printable(text)[:79]}", nl=False, err=True)


def facts(event: Event) -> dict[str, Any]:
    """An event as `--json` shows it; these names are stable."""
    return {
        "event": "stack" if event.of_stack else "resource",
        "time": event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "resource": event.name,
        "type": event.type,
        "name": event.physical or None,
        "status": event.status,
        "reason": event.reason or None,
    }
