"""A lake that is up while a plan is carried out: real processes that are killed, a real mail server that goes away."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from tests.notices.servers import MailServer, body, free_port
from tests.soak.plan import Landing, Plan
from tests.soak.truth import DECLARATION

Who = Literal["first", "steady", "second"]
PENSTOCK = Path(sys.executable).with_name("penstock")
RUN_SECONDS = 60.0
DRAIN_SECONDS = 90.0
"""How long a process may take to end: `up.drain`, and on a busy machine the time that it takes to start."""


@dataclass(frozen=True)
class Sample:
    """What the steady process took, at a moment after the start of the soak."""

    at: float
    pid: int
    bytes: int
    threads: int
    files: int


@dataclass
class Toll:
    """What befell the lake.

    Attributes:
        deeds: How often what was done.
        landed: How many files landed, by why.
        late: The longest time by which something happened later than planned.
        ended: How processes ended that nobody killed.
        samples: What the steady process took.
    """

    deeds: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)
    late: float = 0.0
    ended: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


class Mail:
    """A mail server that may be away for a while."""

    def __init__(self) -> None:
        """Be there."""
        self.port = free_port()
        self._servers = [MailServer(port=self.port)]
        self.up = True
        self._servers[-1].start()

    def go(self) -> None:
        """Be away."""
        if self.up:
            self.up = False
            self._servers[-1].stop()

    def come(self) -> None:
        """Be there again."""
        if not self.up:
            self.up = True
            self._servers.append(MailServer(port=self.port))
            self._servers[-1].start()

    @property
    def received(self) -> list[tuple[str, str]]:
        """Subject and text of every message that was taken."""
        every = [message for server in self._servers for message in server.received]
        return [(str(message["subject"]), body(message)) for message in every]


class World:
    """The lake, who works on it, and what is done to it."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Make the lake below `folder`."""
        self.lake, self.plan = folder / "lake", plan
        self.mail, self.toll = Mail(), Toll()
        (self.lake / "raw" / "events").mkdir(parents=True)
        (self.lake / "raw" / "codes").mkdir()
        (self.lake / "lake.yaml").write_text(DECLARATION.replace("PORT", str(self.mail.port)))
        self.output = folder / "output"
        self.output.mkdir()
        self._up: dict[str, subprocess.Popen[bytes]] = {}
        self._started: Counter[str] = Counter()
        self._aside_now: list[threading.Thread] = []
        self._began = 0.0

    # --- The plan ---------------------------------------------------------------------------------

    def carry_out_first(self) -> None:
        """Let land what comes first, and let it be processed before anything else happens."""
        self._land(self.plan.moments[0].what)
        done = self.command("run", "--quiet")
        assert done.returncode in (0, 3), done.stderr

    def carry_out(self) -> None:
        """Carry out the plan, in its own time."""
        self.carry_out_first()
        self._began = time.monotonic()
        for who in ("first", "steady"):
            self._start(who)
        sampling = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(sampling,))
        sampler.start()
        try:
            for moment in self.plan.moments[1:]:
                self._wait_until(moment.at)
                self._do(moment.what)
            self._wait_until(self.plan.seconds)
        finally:
            sampling.set()
            sampler.join()
            self._wait_for_others()

    def _wait_until(self, at: float) -> None:
        """Wait for a moment, and see to it that those who were killed come back."""
        while (left := self._began + at - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
            self._look_after()
        self.toll.late = max(self.toll.late, -left)

    def _look_after(self) -> None:
        """Start those again who are no more; somebody who ended by himself is remembered."""
        for who in ("first", "steady"):
            process = self._up.get(who)
            if process is not None and process.poll() is not None:
                self._end(who)
                self._start(who)

    def _do(self, what: Landing | str) -> None:
        if isinstance(what, Landing):
            self._land(what)
            return
        self.toll.deeds[what] += 1
        verb, _, who = what.partition(" ")
        deeds: dict[str, Callable[[], object]] = {
            "kill": lambda: self._kill(who),
            "stop": lambda: self._stop(who),
            "start": lambda: self._start(who),
            "mail": self.mail.go if who == "down" else self.mail.come,
            "run": lambda: self._aside(self._run),
            "replay": lambda: self._beside("dead", "replay", "--all"),
            "discard": self._discard,
        }
        deeds[verb]()

    # --- What lands -------------------------------------------------------------------------------

    def _land(self, what: Any) -> None:
        assert isinstance(what, Landing)
        self.toll.landed[what.kind] += len(what.files)
        if what.manner == "slow":
            self._aside(lambda: self._write(what))
        else:
            self._write(what)

    def _write(self, what: Landing) -> None:
        raw = self.lake / "raw"
        if what.manner == "folder":
            self._move_in(what)
            return
        for key, content in what.files:
            target = raw / key
            target.parent.mkdir(parents=True, exist_ok=True)
            names = {"rename": f".{target.name}.tmp", "part": f"{target.name}.part"}
            written = target.with_name(names.get(what.manner, target.name))
            size = max(-(-len(content) // what.pieces), 1)
            with written.open("wb", buffering=0) as file:
                for at in range(0, len(content), size):
                    file.write(content[at : at + size])
                    time.sleep(what.seconds / what.pieces)
            written.replace(target)

    def _move_in(self, what: Landing) -> None:
        """Let a folder land whole."""
        folder = Path(what.files[0][0]).parent
        aside = self.lake / "incoming" / folder.name
        aside.mkdir(parents=True)
        for key, content in what.files:
            (aside / Path(key).name).write_bytes(content)
        (self.lake / "raw" / folder).parent.mkdir(parents=True, exist_ok=True)
        aside.replace(self.lake / "raw" / folder)

    # --- Who works on it --------------------------------------------------------------------------

    def _start(self, who: str) -> None:
        if who in self._up:
            return
        self._started[who] += 1
        with self._output(who).open("wb") as log:
            self._up[who] = subprocess.Popen(
                [PENSTOCK, "-C", self.lake, "up", "--no-http"], stdout=log, stderr=subprocess.STDOUT
            )

    def _kill(self, who: str) -> None:
        process = self._up.pop(who, None)
        if process is not None:
            process.kill()
            process.wait()
            self._start(who)

    def _stop(self, who: str, *, again: bool = True) -> None:
        """Ask it to end, and see, while everything goes on, that it does so in time and in order."""
        process = self._up.pop(who, None)
        if process is None:
            return
        output = self._output(who)
        process.send_signal(signal.SIGTERM)
        self._aside(lambda: self._see_end(who, process, output))
        if again and who == "first":
            self._start(who)

    def _see_end(self, who: str, process: subprocess.Popen[bytes], output: Path) -> None:
        try:
            code = process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.toll.ended.append(f"{who} did not end within {DRAIN_SECONDS:g} s of SIGTERM: {_end_of(output)}")
            return
        if code and not (code == -signal.SIGTERM and not output.stat().st_size):  # it had not begun yet
            self.toll.ended.append(f"{who} ended with {code} after SIGTERM: {_end_of(output)}")

    def _end(self, who: str) -> None:
        process = self._up.pop(who)
        self.toll.ended.append(f"{who} ended by itself with {process.returncode}: {_end_of(self._output(who))}")

    def _output(self, who: str) -> Path:
        return self.output / f"{who}-{self._started[who]:03d}.txt"

    def _aside(self, deed: Callable[[], object]) -> None:
        """Do something while everything else goes on."""
        self._aside_now.append(threading.Thread(target=deed))
        self._aside_now[-1].start()

    def _beside(self, *arguments: str) -> None:
        self._aside(lambda: self.command(*arguments))

    def _run(self) -> None:
        """Run the lake once, beside those who are up; where files come without end, it is asked to end."""
        done = subprocess.Popen([PENSTOCK, "-C", self.lake, "run", "--quiet"], stdout=subprocess.DEVNULL)
        try:
            code = done.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.toll.deeds["run that was asked to end"] += 1
            done.terminate()
            code = done.wait(DRAIN_SECONDS)
        if code not in (0, 3, 128 + signal.SIGTERM):
            self.toll.ended.append(f"penstock run ended with {code}")

    def _discard(self) -> None:
        """Give up the oldest dead letter."""
        rows = self.ask("SELECT sequence FROM arrivals WHERE state='dead' ORDER BY sequence LIMIT 1")
        if rows:
            self._beside("dead", "discard", str(rows[0][0]), "--why", "of no use")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the command line, as a person does in another terminal."""
        done = subprocess.run(
            [str(PENSTOCK), "-C", str(self.lake), *arguments], capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode not in (0, 1, 3) or "Traceback" in done.stderr:
            self.toll.ended.append(f"penstock {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done

    # --- Looking on -------------------------------------------------------------------------------

    def _sample(self, over: threading.Event) -> None:
        while not over.wait(1.0):
            process = self._up.get("steady")
            if process is None:
                continue
            try:
                found = psutil.Process(process.pid)
                with found.oneshot():
                    sample = Sample(
                        time.monotonic() - self._began,
                        process.pid,
                        found.memory_info().rss,
                        found.num_threads(),
                        found.num_fds(),
                    )
            except psutil.Error:
                continue
            self.toll.samples.append(sample)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the state store's file; the lake is not opened for it."""
        file = self.lake / ".penstock" / "state.db"
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    def settle(self, seconds: float) -> str | None:
        """Let everything be done that is to do; gives what is left, or None."""
        self.mail.come()
        end, quiet, left = time.monotonic() + seconds, 0, "nothing was looked at"
        while time.monotonic() < end:
            self._look_after()
            left = ", ".join(self._left())
            quiet = 0 if left else quiet + 1
            if quiet == 4:
                return None
            time.sleep(0.5)
        return left

    def _left(self) -> list[str]:
        found = [
            f"{count} arrivals {state}"
            for state, count in self.ask(
                "SELECT state, count(*) FROM arrivals WHERE state IN ('pending', 'working') GROUP BY 1"
            )
        ]
        found += [
            f"{count} messages wait"
            for (count,) in self.ask("SELECT count(*) FROM messages WHERE state='waiting'")
            if count
        ]
        (told,) = self.ask("SELECT coalesce((SELECT sequence FROM cursors WHERE consumer='notices'), 0)")[0]
        (newest,) = self.ask("SELECT coalesce(max(sequence), 0) FROM events")[0]
        return [*found, *([f"{newest - told} events untold"] if newest > told else [])]

    def close(self) -> None:
        """End everything."""
        for who in list(self._up):
            process = self._up.pop(who)
            process.kill()
            process.wait()
        self.mail.go()

    def stop_all(self) -> None:
        """Ask everybody to end, in order."""
        for who in list(self._up):
            self._stop(who, again=False)
        self._wait_for_others()

    def _wait_for_others(self) -> None:
        for thread in self._aside_now:
            thread.join()


def _end_of(output: Path) -> str:
    """The end of what a process printed."""
    return output.read_text(errors="replace")[-2000:]
