"""A function as AWS runs it: a process of its own that is given one event after the other, and can be killed."""

from __future__ import annotations

import signal
import time
from ctypes import c_double
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from penstock import faults
from tests.aws import cloud
from tests.aws.lakes import CloudLake
from tests.road.lakes import CONTEXT

PRELOADED = ["penstock.deployment.functions", "pyiceberg.io.pyarrow", "boto3", "duckdb", "tests.aws.function"]
CONTEXT.set_forkserver_preload([*PRELOADED, "penstock.lake", "penstock.arrivals", "pyiceberg.catalog.sql"])


class KilledError(Exception):
    """The process ended before it answered."""


class FailedError(Exception):
    """The function raised."""


@dataclass
class SharedClock:
    """The machine's clock, moved on by a number of seconds that processes share."""

    ahead: Synchronized[float]

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time() + self.ahead.value

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


def shared_clock() -> SharedClock:
    """A clock for processes that work on one lake."""
    return SharedClock(CONTEXT.Value(c_double, 0.0))


@dataclass
class Deadline:
    """What Lambda says of an invocation: real time passes."""

    until: float

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return max(0, round((self.until - time.monotonic()) * 1000))


@dataclass
class Function:
    """A function's process, started when it is needed and again after it was killed.

    Attributes:
        starts: How many processes there were.
        places: The last place on the road that the process reached, of those that were killed.
    """

    lake: CloudLake
    clock: SharedClock
    name: str = "function"
    starts: int = 0
    _process: ForkServerProcess | None = None
    _pipe: Connection | None = None
    _last: Any = field(default_factory=lambda: CONTEXT.Value("i", -1))

    def start(self) -> None:
        """Start a process if there is none."""
        if self._process is not None and self._process.is_alive():
            return
        self._pipe, other = CONTEXT.Pipe()
        variables = {**self.lake.variables, "PENSTOCK_WORK": str(self.lake.work / f"{self.name}-{self.starts}")}
        log = self.lake.work / f"{self.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        arguments = (other, cloud.start(), variables, self.clock.ahead, log, self._last)
        self._process = CONTEXT.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other.close()
        self.starts += 1

    def send(self, event: dict[str, Any], milliseconds: int, kill_at: int = 0) -> None:
        """Begin an invocation; with `kill_at`, the process kills itself at that place of the road from now."""
        self.start()
        assert self._pipe is not None
        self._pipe.send((event, milliseconds, kill_at))

    def answer(self) -> dict[str, Any]:
        """Wait for its end. Raises KilledError when the process ended, FailedError when the function failed."""
        assert self._pipe is not None
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._join()
            raise KilledError from None
        if isinstance(answer, str):
            raise FailedError(answer)
        found: dict[str, Any] = answer
        return found

    def busy(self, seconds: float) -> bool:
        """Whether it still is at work after so many seconds at most."""
        assert self._pipe is not None
        return not self._pipe.poll(seconds)

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._join()

    def _join(self) -> None:
        assert self._process is not None
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL, f"it ended with {self._process.exitcode}"
        self._process = None

    @property
    def last(self) -> str:
        """The last place on the road that it reached."""
        at = int(self._last.value)
        return faults.PLACES[at] if at >= 0 else "before the first place"


def _serve(
    pipe: Connection, address: str, variables: dict[str, str], ahead: Synchronized[float], log: Path, last: Any
) -> None:
    """Open the lake and answer events until killed, as a function's process does."""
    import os

    from penstock.deployment.functions import Runtime

    cloud.point_at(address)
    number = {place: at for at, place in enumerate(faults.PLACES)}
    left = 0

    def reach(place: str) -> None:
        nonlocal left
        last.value = number.get(place, last.value)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    last.value = -1
    faults.install(reach)
    with log.open("a", encoding="utf-8") as stream:
        runtime: Runtime | None = None
        while True:
            try:
                event, milliseconds, left = pipe.recv()
            except EOFError:
                return
            try:
                runtime = runtime or Runtime(variables, stream, SharedClock(ahead))
                pipe.send(runtime.take(event, Deadline(time.monotonic() + milliseconds / 1000)))
            except Exception as error:  # noqa: BLE001 - it is told to whoever invoked
                pipe.send(f"{type(error).__name__}: {error}")
