"""The real command, started as a process, and lakes that it made."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROWS = 2000
COMMAND = [sys.executable, "-P", "-m", "penstock"]


@dataclass(frozen=True)
class Outcome:
    """How a call of the command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """The process environment without what would change the output's looks."""
    kept = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


def call(*arguments: str | Path, cwd: Path | None = None, stdin: str = "", **more: str) -> Outcome:
    """Call the command line and wait for its end."""
    process = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=100,
        check=False,
    )
    return Outcome(process.returncode, process.stdout, process.stderr)


def on_terminal(*arguments: str | Path, columns: int = 80, cwd: Path | None = None, **more: str) -> str:
    """Standard output and error of a call whose streams are a terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=cwd,
        env=environment(**{"TERM": "xterm", **more}),
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        shown += part
    process.wait(timeout=60)
    os.close(leader)
    return shown.decode().replace("\r\n", "\n")


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A call of the command line that goes on; it is ended with the block, however that is left."""
    command = [*COMMAND, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment(PYTHONUNBUFFERED="1")
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line of a process's standard output."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str, dict[str, str]], Path]:
    """Make a lake from the text of its `lake.yaml` and the files in its `raw/`."""

    def lake(declaration: str, files: dict[str, str]) -> Path:
        folder = tmp_path / "lake"
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        (folder / "lake.yaml").write_text(declaration, encoding="utf-8")
        for name, text in files.items():
            (folder / "raw" / name).write_text(text, encoding="utf-8")
        return folder

    return lake


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of 2,000 consultations that has been run; tests only read it."""
    folder = tmp_path_factory.mktemp("filled") / "clinic"
    assert call("init", "consultations", folder, "--sample-data", "--rows", str(ROWS)).code == 0
    outcome = call("-C", folder, "run")
    assert outcome.code == 0, outcome.err
    return folder
