"""A person at a terminal: a real process on a pseudo-terminal, which is answered and interrupted when it has spoken."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.aws import cloud
from tests.aws.deploying import backend
from tests.aws.synthesised import text_of
from tests.cli.conftest import environment
from tests.told import count

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "tests.aws.small_bundle"]
PATIENCE = 90.0
WIDE = 100
STACK = "penstock-consultations"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = "\x03"
ASKED = "deploy this? [y/N]: "


@dataclass
class Terminal:
    """A terminal with one command in it.

    Attributes:
        process: The command.
        shown: All that it has shown so far.
    """

    process: subprocess.Popen[bytes]
    leader: int
    shown: str = ""

    def until(self, text: str) -> str:
        """Wait until this was shown; gives all that was."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < end, f"never shown: {text}\n{self.shown}"
            assert self._read(), f"ended before it showed: {text}\n{self.shown}"
        return self.shown

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.leader, text.encode())

    def end(self) -> int:
        """Wait for its end; gives its exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=PATIENCE)

    @property
    def last_line(self) -> str:
        """The last line that was shown."""
        lines = [line.strip() for line in _ESCAPES.sub("", self.shown).splitlines()]
        return [line for line in lines if line][-1]

    def after(self, text: str) -> str:
        """What was shown after a text."""
        return self.shown.rpartition(text)[2]

    def _read(self) -> bool:
        """Take what is shown next; False at the end."""
        ready, _, _ = select.select([self.leader], [], [], PATIENCE)
        assert ready, f"it says nothing any more\n{self.shown}"
        try:
            part = os.read(self.leader, 65536)
        except OSError:  # the terminal's other end is closed
            return False
        self.shown += part.decode(errors="replace").replace("\r\n", "\n")
        return bool(part)


class Person:
    """Somebody with a lake that can be deployed, and a terminal.

    Attributes:
        lake: The lake's folder.
    """

    def __init__(self, folder: Path) -> None:
        """Declare the lake in a folder below this one, which also has the caches."""
        self.lake, self._cache = folder / "lake", folder / "cache"
        self.lake.mkdir()
        self.declare()

    def declare(self, more: str = "") -> None:
        """Write `lake.yaml`."""
        text = f"{text_of('consultations')}aws: {{region: {cloud.REGION}, owner: ops@example.org{more}}}\n"
        (self.lake / "lake.yaml").write_text(text, encoding="utf-8")

    @contextmanager
    def calls(self, *arguments: str) -> Iterator[Terminal]:
        """Call the command line on a terminal of its own, where Ctrl-C is a signal."""
        count("commands on a terminal against AWS", arguments[0], unit="calls")
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDE, 0, 0))
        process = subprocess.Popen(
            [*COMMAND, "-C", str(self.lake), *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=self._environment,
            start_new_session=True,
        )
        os.close(follower)
        try:
            yield Terminal(process, leader)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=PATIENCE)
            os.close(leader)

    def calls_blindly(self, *arguments: str) -> tuple[int, str]:
        """Call it where there is no terminal; gives its exit code and standard error."""
        command = [*COMMAND, "-C", str(self.lake), *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stderr

    def deploy(self) -> str:
        """Deploy it without being asked; gives what was shown."""
        with self.calls("deploy", "--yes") as screen:
            assert screen.end() == 0, screen.shown
        return screen.shown

    @property
    def _environment(self) -> dict[str, str]:
        return environment(TERM="xterm", NO_COLOR="1", PYTHONPATH=str(ROOT), PENSTOCK_CACHE=str(self._cache))


def stacks() -> dict[str, str]:
    """The stacks that there are, and how they stand."""
    return {stack.name: stack.status for stack in backend().stacks.values()}
