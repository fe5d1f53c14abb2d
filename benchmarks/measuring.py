"""Running whole processes in turn and reading what the system says that each one used."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = sys.executable
PENSTOCK = str(Path(sys.executable).with_name("penstock"))
KIB = 1024
MILLION = 1_000_000
OUT = ("failed", "refused")


class ContenderError(Exception):
    """A contender ended with an error; its output is in the message."""


@dataclass(frozen=True)
class Usage:
    """What one process with all its children used: seconds of CPU (user and system), seconds, bytes of memory."""

    cpu: float
    wall: float
    peak: int
    output: str


@dataclass
class Contender:
    """One way of doing the work.

    Attributes:
        name: As the table shows it.
        command: The program and its arguments.
        before: Prepares one run, untimed.
        after: Judges one run, untimed; gives what the table says of its result.
        wanted: Results that are right; with any other the contender is refused, and its times count for nothing.
            Empty where there is nothing to judge.
        note: What else there is to know.
    """

    name: str
    command: list[str]
    before: Callable[[], None] = lambda: None
    after: Callable[[Usage], str] = lambda _usage: ""
    wanted: tuple[str, ...] = ()
    note: str = ""
    usages: list[Usage] = field(default_factory=list)
    outcome: str = ""

    @property
    def is_out(self) -> bool:
        """Whether it failed, or was refused."""
        return self.outcome.startswith(OUT)

    def median(self, what: str) -> float | None:
        """The middle of what the runs used; None when none counts."""
        return statistics.median(getattr(usage, what) for usage in self.usages) if self.usages else None

    def run(self) -> None:
        """Run once; a failure or a wrong result takes back what earlier runs used, too."""
        self.before()
        try:
            usage = run_process(self.command)
            self.outcome = self.after(usage)
        except ContenderError as error:
            print(error, file=sys.stderr)
            self.outcome, self.usages = "failed", []
            return
        if self.wanted and self.outcome not in self.wanted:
            print(f"{self.name}: {self.outcome}; its times do not count", file=sys.stderr)
            self.outcome, self.usages = f"refused: {self.outcome}", []
            return
        self.usages.append(usage)


def run_process(command: list[str]) -> Usage:
    """Run a program to its end.

    Raises:
        ContenderError: It failed.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        with Path(os.devnull).open("rb") as nothing:
            actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)]
            actions += [(os.POSIX_SPAWN_DUP2, output.fileno(), to) for to in (1, 2)]
            process = os.posix_spawn(command[0], command, _environment(), file_actions=actions)
            _, status, used = os.wait4(process, 0)
        wall = time.perf_counter() - started
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if os.waitstatus_to_exitcode(status):
        raise ContenderError(f"{' '.join(command)}\n{text}")
    return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * KIB, text)


def _environment() -> dict[str, str]:
    """Python keeps what it compiles, as it does by default: otherwise imports weigh more than the work."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def take_turns(contenders: list[Contender], runs: int) -> None:
    """Run every contender `runs` times, one after the other; one that fails or is wrong is out."""
    for turn in range(runs):
        for contender in contenders:
            if not contender.is_out:
                contender.run()
                _progress(contender, turn, runs)


def _progress(contender: Contender, turn: int, runs: int) -> None:
    if contender.usages and (sys.stderr.isatty() or turn == runs - 1):
        last = contender.usages[-1]
        print(f"  {turn + 1}/{runs} {contender.name}: {last.cpu:.2f} s CPU, {last.wall:.2f} s", file=sys.stderr)


def own_peak() -> int:
    """Peak memory of this process: a child's figure is never below it, because a child starts as a copy of it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def chosen(contenders: list[Contender], only: list[str] | None) -> list[Contender]:
    """The contenders that were asked for by (a part of) their name."""
    return [one for one in contenders if not only or any(name.lower() in one.name.lower() for name in only)]
