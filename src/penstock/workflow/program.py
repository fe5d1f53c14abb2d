"""Programs that workflows start: no shell, arguments as they stand, a small environment, a limit of time.

A program gets nothing of Penstock's own environment but where programs are, where its home is, and which language is
spoken; what else it needs is declared. What it prints goes to the journal with every secret hidden. When its time is
over, or Penstock is asked to stop, it and everything that it started in its own process group is ended: asked first,
killed after a few seconds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from penstock.clock import iso
from penstock.errors import StepFailedError, StepRefusedError
from penstock.redaction import redacted, register
from penstock.state import WorkflowRun
from penstock.workflow.step import Attempt, Halt, Outcome

ALLOW = "PENSTOCK_ALLOW_EXEC"
ANCESTORS = "PENSTOCK_WORKFLOWS"
INHERITED = re.compile(r"^(?:PATH|HOME|USER|LOGNAME|TMPDIR|TZ|LANG|LANGUAGE|LC_[A-Z]+|VIRTUAL_ENV)$")
SECRET = re.compile(r"pass|secret|token|key|credential|auth|cookie|private|dsn|conn", re.IGNORECASE)
"""Names of variables whose values are never shown."""
MOST_OUTPUT = 64 * 1024
SHOWN_OUTPUT = 2_000
LONGEST_VALUE = 32_000
GRACE_SECONDS = 5.0
CHUNK = 16 * 1024


def facts_of(run: WorkflowRun, lake: str, folder: Path) -> dict[str, str]:
    """What a program is told of the run and of the event that started it."""
    event = run.cause.get("event")
    told: dict[str, Any] = {
        "PENSTOCK_LAKE": lake,
        "PENSTOCK_FOLDER": folder,
        "PENSTOCK_WORKFLOW": run.workflow,
        "PENSTOCK_RUN": run.run,
        "PENSTOCK_TRIGGER": run.trigger,
        "PENSTOCK_DUE": iso(run.due),
        ANCESTORS: ",".join([*run.cause.get("ancestors", []), run.workflow]),
    }
    if event is not None:
        told |= {"PENSTOCK_EVENT": event, "PENSTOCK_EVENT_TABLE": run.cause.get("table") or ""}
        told |= {f"PENSTOCK_EVENT_{name.upper()}": fact for name, fact in run.cause.get("facts", {}).items()}
    return {name: _value(str(fact)) for name, fact in told.items()}


def _value(text: str) -> str:
    """A text as an environment can hold it: without the one character that ends it, and not beyond all bounds."""
    text = text.replace("\0", "\\0")[:LONGEST_VALUE]
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


@dataclass(frozen=True)
class Programs:
    """Starts programs in the lake's folder."""

    lake: str
    folder: Path
    announce: Callable[..., None]
    allowed: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def __call__(self, attempt: Attempt) -> Outcome:
        """Start the program of a step and wait for its end.

        Raises:
            StepRefusedError: Programs are not allowed, or this one is not there.
            StepFailedError: It ended with another exit code than 0.
        """
        command = attempt.action.exec_ or []
        if not (self.allowed or self.environment.get(ALLOW) == "1"):
            message = f"exec is off, so {command[0]} was not started"
            hint = f"allow programs with allow_exec: true in lake.yaml, or with {ALLOW}=1 in the environment"
            raise StepRefusedError(message, hint=hint)
        given = attempt.action.environment
        self._hide(given)
        inherited = {name: value for name, value in self.environment.items() if INHERITED.match(name)}
        ended = _run(
            command, self.folder, {**inherited, **facts_of(attempt.run, self.lake, self.folder), **given}, attempt.halt
        )
        output = redacted(ended.output)
        facts = {"workflow": attempt.run.workflow, "run": attempt.run.run, "step": attempt.action.words}
        self.announce("workflow_output", **facts, exit=ended.code, output=output, left_out=ended.left_out)
        if ended.code != 0:
            raise StepFailedError(_ending(command[0], ended.code, output))
        return {"exit": 0, "output": output[-SHOWN_OUTPUT:]}

    def _hide(self, given: Mapping[str, str]) -> None:
        for name, value in (*self.environment.items(), *given.items()):
            if SECRET.search(name):
                register(value)


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, the end of what it printed, and how many bytes before that are left out."""

    code: int
    output: str
    left_out: int


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], halt: Halt) -> Ended:
    try:
        process = subprocess.Popen(  # noqa: S603 - what is declared is started, without a shell
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = "a program stands below the lake's folder, as in ./publish.sh, or on the PATH, and may be executed"
        raise StepRefusedError(f"{command[0]} cannot be started: {reason}", hint=hint) from error
    reader = _Reader(process.stdout)
    over = threading.Event()
    halt.listen(lambda: threading.Thread(target=_end, args=(process, over), daemon=True).start())
    code = process.wait()
    over.set()
    _signal(process.pid, signal.SIGKILL)  # what it left running holds on to its output
    reader.join(GRACE_SECONDS)
    return Ended(code, reader.text, reader.left_out)


def _end(process: subprocess.Popen[bytes], over: threading.Event) -> None:
    """Ask a program to end, and kill it when it does not."""
    if not over.is_set():
        _signal(process.pid, signal.SIGTERM)
        if not over.wait(GRACE_SECONDS):
            _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Reader(threading.Thread):
    """Keeps the end of what a program prints."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(name="penstock-program-output", daemon=True)
        self._stream = stream
        self._kept = b""
        self.left_out = 0
        self.start()

    def run(self) -> None:
        if self._stream is None:
            return
        with self._stream as stream, suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), CHUNK):
                self._kept += chunk
                self.left_out += max(len(self._kept) - MOST_OUTPUT, 0)
                self._kept = self._kept[-MOST_OUTPUT:]

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "backslashreplace")


def _ending(program: str, code: int, output: str) -> str:
    if code < 0:
        how = f"{program} was ended by {signal.Signals(-code).name}"
    else:
        how = f"{program} ended with exit code {code}"
    lines = output.strip().splitlines()
    return f"{how}: {lines[-1][:SHOWN_OUTPUT]}" if lines else how
