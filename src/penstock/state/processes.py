"""Who is at work on a lake: processes that hold a lock on a file of their own, in which they say what they are.

A file without a lock is a dead process's, whatever it says.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

FOLDER = "workers"

Kind = Literal["run", "up", "other"]


@dataclass(frozen=True)
class Process:
    """A process that is at work on a lake.

    Attributes:
        kind: The command that it is: `run`, `up`, or `other`.
        since: When it began, seconds since 1970.
        version: Its version of the product.
        port: Where it answers; None where it does not.
    """

    kind: Kind
    pid: int
    host: str
    since: float
    version: str
    port: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == os.uname().nodename

    @property
    def is_this(self) -> bool:
        """Whether it is the process that asks."""
        return self.is_here and self.pid == os.getpid()

    def __str__(self) -> str:
        """What it is, where it can be found."""
        place = "" if self.is_here else f" on {self.host}"
        command = "penstock" if self.kind == "other" else f"penstock {self.kind}"
        return f"{command} (process {self.pid}{place})"


def this_process(kind: Kind, since: float, version: str, port: int | None = None) -> Process:
    """What this process is."""
    return Process(kind, os.getpid(), os.uname().nodename, since, version, port)


def dumped(process: Process) -> str:
    """A process as it stands in its file."""
    return json.dumps(asdict(process))


def at_work(folder: Path) -> list[Process]:
    """Every process that works on the lake whose state is kept in `folder`, the oldest first."""
    files = (folder / FOLDER).glob("*-*") if (folder / FOLDER).is_dir() else ()
    found = [_read(file) for file in files if is_alive(file)]
    return sorted(found, key=lambda process: (process.since, process.pid))


def is_alive(file: Path) -> bool:
    """Whether the process whose file this is holds its lock on it; where that cannot be seen, it is taken to."""
    try:
        with file.open("r") as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _read(file: Path) -> Process:
    """What a process says of itself; one that says nothing, such as `maintain`, is known by its number."""
    try:
        return Process(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pid = file.name.partition("-")[0]
        return Process("other", int(pid) if pid.isdigit() else 0, os.uname().nodename, _began(file), "")


def _began(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
