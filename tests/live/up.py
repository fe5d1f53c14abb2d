"""`penstock up` as a process, whose words are read as they come, and files that land beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import penstock

COMMAND = [sys.executable, "-P", "-m", "penstock"]
PATIENCE = 60.0
DECLARATION = """
lake: live
up: {port: 0, min_free: 100KB}
tables:
  orders:
    files: "orders/**/*.csv"
  other:
    files: "other/*.csv"
  log:
    files: "log/*.jsonl"
"""


def make_lake(folder: Path, declaration: str = DECLARATION) -> Path:
    """Make a lake without files."""
    (folder / "raw" / "orders").mkdir(parents=True)
    (folder / "raw" / "other").mkdir()
    (folder / "raw" / "log").mkdir()
    (folder / "lake.yaml").write_text(declaration)
    return folder


def csv(first: int, rows: int = 10) -> str:
    """A small file's content; ids count from `first`."""
    return "id,name\n" + "".join(f"{first + at},n{at}\n" for at in range(rows))


def drop(lake: Path, key: str, content: str) -> None:
    """Let a file land: written aside, then renamed into place."""
    target = lake / "raw" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = lake / f"aside-{time.monotonic_ns()}"
    aside.write_text(content)
    aside.replace(target)


def ids(lake: Path, table: str = "orders") -> list[int]:
    """The ids in a table, in order; none where there is no table."""
    with penstock.open(lake) as opened:
        if table not in opened.tables:
            return []
        return [row[0] for row in opened.query(f"SELECT id FROM {table} ORDER BY 1").fetchall()]


class Up:
    """A running `penstock up`."""

    def __init__(self, lake: Path, *arguments: str, **more: str) -> None:
        self.lake = lake
        self.process = subprocess.Popen(
            [*COMMAND, "-C", str(lake), "up", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **more},
        )
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self.events.append({"event": "ended"})
            self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    @property
    def errors(self) -> str:
        """What stood on standard error."""
        return "".join(self._errors)

    def of(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """Events of a name with some facts, so far."""
        wanted = {"event": event, **facts}.items()
        return [one for one in list(self.events) if wanted <= {key: one.get(key) for key in dict(wanted)}.items()]

    def wait(self, event: str, count: int = 1, **facts: Any) -> dict[str, Any]:
        """Wait until something happened so often; gives the last of it."""
        self.wait_until(lambda: len(self.of(event, **facts)) >= count, f"{event} {facts}")
        return self.of(event, **facts)[count - 1]

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is so; looked at whenever `up` says something, and now and then."""
        until = time.monotonic() + PATIENCE
        while not (done := true()) and not self._ended() and time.monotonic() < until:
            heard = len(self.events)
            with self._news:
                self._news.wait_for(lambda: len(self.events) != heard, 0.5)  # noqa: B023 - called before it changes
        if not done and not true():
            message = f"waited for {what}; heard {self.events[-20:]}\n{self.errors}"
            raise AssertionError(message)

    def _ended(self) -> bool:
        return self.events[-1:] == [{"event": "ended"}]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Close the pipes of a process that has ended."""
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def up(lake: Path, *arguments: str, **more: str) -> Iterator[Up]:
    """Keep a lake alive for a while; it has begun to watch."""
    running = Up(lake, *arguments, **more)
    try:
        running.wait("up")
        yield running
    finally:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)
        running.close()


def waiting(lake: Path, states: tuple[str, ...] = ("pending", "working")) -> list[str]:
    """Files that wait or are worked on."""
    with penstock.open(lake) as opened:
        return [one.key for one in opened.state.arrivals.find() if one.state in states]
