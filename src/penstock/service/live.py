"""A lake that is alive: files are watched for, recorded, and worked on as they land, until it is asked to stop.

Every part has a thread of its own and waits for news, not for time: the watcher tells the recorder which files may have
changed, the recorder tells the workers that something waits, and what they did is told to the attendants, who look
after upkeep, notices, alarms and workflows. What other processes did to the lake is heard through its bell.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock.arrivals import Recorder, Summary, Watcher, Worker, revive
from penstock.arrivals.settle import Heartbeat
from penstock.declaration import seconds_of
from penstock.lake import Lake
from penstock.service.attendant import Attendant
from penstock.service.bell import Bell
from penstock.service.minder import Minder
from penstock.service.news import News
from penstock.service.threads import Threads
from penstock.service.upkeep import Upkeep
from penstock.steps import table_order
from penstock.tables.library import load_library

log = logging.getLogger("penstock.service")

UPKEEP_SECONDS = 1.0
"""How long upkeep rests after each look: it takes turns of the processor from those who wait for rows."""

Phase = Literal["starting", "running", "paused", "draining", "stopped"]


@dataclass
class Counts:
    """What was done since the lake is up."""

    files: int = 0
    dead: int = 0


class Live:
    """Keeps one lake alive."""

    def __init__(self, lake: Lake, *, workers: int | None = None, refused: bytes | None = None) -> None:
        """Prepare to keep `lake` alive, with as many `workers` as it declares, when left out.

        Whoever keeps it may add to `attendants` before it starts. Once it has ended with `reload`, `lake.yaml` was
        changed to that, and whoever keeps it opens the lake anew. A text that was `refused` is not looked at again.
        """
        self.lake = lake
        self.attendants: list[Attendant] = []
        self.counts = Counts()
        self.paused: str | None = None
        self.reload: bytes | None = None
        self.started_at = 0.0
        self.error: BaseException | None = None
        self._text = lake.text if refused is None else refused
        self._count = workers or lake.declaration.intake.workers
        self._news = News()
        self._threads = Threads(self._failed)
        self._minders: list[Minder] = []
        self._workers: list[Worker] = []
        self._busy: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._warm = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        settle = seconds_of(lake.declaration.intake.settle)
        tables = {name: lake.declared[name] for name in table_order(lake.declared)}
        self._tables = tables
        self.recorder = Recorder(lake.raw, tables, lake.state, lake.signals, self._recorded, settle)
        self.watcher = Watcher(lake.raw, tables, lake.state, lake.signals, self.recorder.hear)
        self._bell = Bell(lake.folder, self._rung, self._declaration_changed)
        self._heart = Heartbeat(lake.state)
        self._upkeep = Upkeep(lake, self._wake_upkeep)

    def start(self) -> None:
        """Start every part; returns once files that land are seen.

        Raises:
            DeclarationError: An expression is not sound, or names a column that can nowhere be.
        """
        lake = self.lake
        lake.assert_columns(self._tables)
        for _ in range(self._count):
            self._workers.append(lake.worker(share=self._count, committed=self._upkeep.note, claimed=self._news.tell))
        self.started_at = lake.clock.now()
        self._listen()
        self._heart.start()
        for name, table in self._tables.items():
            revive(lake.state, name, table, lake.folder)
        self._workers[0].start(self._tables, Summary(), patient=False)
        self._threads.start("warm", self._warm_up)
        self._threads.start("watcher", self.watcher.run)
        self._threads.start("recorder", self.recorder.run)
        self._threads.start("look", self.watcher.look)
        self._threads.start("bell", self._bell.run)
        for number, worker in enumerate(self._workers, start=1):
            self._threads.start(f"worker-{number}", self._once_warm(self._working(worker)))
        self._minders = [Minder(self._upkeep, lake.clock, lake.signals, UPKEEP_SECONDS)]
        self._minders += [Minder(one, lake.clock, lake.signals) for one in self.attendants]
        for minder in self._minders:
            self._threads.start(minder.attendant.name, self._once_warm(minder.run))
        threading.Thread(target=self._end, name="penstock-end", daemon=True).start()
        self.watcher.wait_until_watching()

    def _warm_up(self) -> None:
        """Load what everybody needs, in one thread: packages that name each other fail when two load them at once."""
        try:
            load_library()
        finally:
            self._warm.set()

    def _once_warm(self, work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            self._warm.wait()
            work()

        return run

    def _listen(self) -> None:
        signals = self.lake.signals
        signals.listen("started", self._note_started)
        signals.listen("rung", lambda _: self._wake_attendants())
        for name in ("finished", "dead", "failed"):
            signals.listen(name, self._note_ended)

    def stop(self) -> None:
        """Take no new work, finish the files at hand, and end; returns at once, any thread may call it."""
        self._stopping.set()
        self.watcher.stop()
        self.recorder.stop()
        self._bell.stop()
        for worker in self._workers:
            worker.stop()
        self._news.end()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything has ended, at most `timeout` seconds; whether it has.

        Raises:
            BaseException: What a part ended with that the lake cannot be kept alive without.
        """
        ended = self._ended.wait(timeout)
        if ended and self.error is not None:
            raise self.error
        return ended

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        if self._ended.is_set():
            return "stopped"
        if self._stopping.is_set():
            return "draining"
        if not self.started_at:
            return "starting"
        return "paused" if self.paused else "running"

    def pause(self, reason: str) -> None:
        """Take no work until `resume`; what lands is still recorded."""
        self.paused = reason

    def resume(self) -> None:
        """Take work again."""
        self.paused = None
        self.wake()

    def wake(self) -> None:
        """Something may have happened that nobody heard of: everyone looks."""
        self._news.tell(everyone=True)
        self._wake_attendants()

    @property
    def busy(self) -> list[tuple[str, str, float]]:
        """Files at hand: their tables, names, and since when."""
        with self._lock:
            return [(table, file, since) for (table, file), (since, _) in self._busy.items()]

    @property
    def troubles(self) -> dict[str, str]:
        """Parts that do not do their work, and why."""
        found = {minder.attendant.name: minder.trouble for minder in self._minders if minder.trouble}
        found |= {"watcher": self.watcher.polling} if self.watcher.polling else {}
        return {**found, **self._threads.broken}

    def _working(self, worker: Worker) -> Callable[[], None]:
        def work() -> None:
            while not self._news.over:
                seen = self._news.count
                if self.paused:
                    self._news.wait(seen, None)
                    continue
                step = worker.advance(self._tables)
                self._add(step.summary)
                self._put_down()
                if step.worked:
                    self._news.tell()
                else:
                    timeout = None if step.due is None else max(step.due - self.lake.clock.now(), 0.0)
                    self._news.wait(seen, timeout)

        return work

    def _add(self, summary: Summary) -> None:
        with self._lock:
            self.counts.files += sum(summary.files.values())
            self.counts.dead += len(summary.dead)

    def _recorded(self) -> None:
        self._news.tell()

    def _rung(self) -> None:
        """Another process did something, or this one."""
        self.wake()

    def _declaration_changed(self) -> None:
        """`lake.yaml` was written: a sound declaration is worked by from now on, another one is refused."""
        try:
            text = (self.lake.folder / "lake.yaml").read_bytes()
        except OSError:
            return
        if text == self._text or self._stopping.is_set():
            return
        self._text = text
        if problems := self._problems_with(text):
            self.lake.signals.announce("declaration_refused", problems=problems)
        else:
            self.reload = text
            self.lake.signals.announce("declaration_changed")
            self.stop()

    def _problems_with(self, text: bytes) -> list[str]:
        self._warm.wait()
        try:
            return [str(problem) for problem in self.lake.problems_with(text)]
        except Exception as error:
            log.warning("lake.yaml could not be looked at", exc_info=error)
            return [f"lake.yaml: could not be looked at: {error}; save it again, changed, to have it looked at anew"]

    def _wake_attendants(self) -> None:
        for minder in self._minders:
            if minder.attendant is not self._upkeep:
                minder.news.tell()

    def _wake_upkeep(self) -> None:
        for minder in self._minders:
            if minder.attendant is self._upkeep:
                minder.news.tell()

    def _note_started(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            self._busy[event["table"], event["file"]] = self.lake.clock.now(), threading.get_ident()

    def _note_ended(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            self._busy.pop((event["table"], event["file"]), None)

    def _put_down(self) -> None:
        """A worker that looks for more has nothing at hand, also where nobody said how it ended."""
        with self._lock:
            own = threading.get_ident()
            self._busy = {file: held for file, held in self._busy.items() if held[1] != own}

    def _failed(self, name: str, error: BaseException) -> None:
        """A part ended with an error: without it, the lake only seems to be alive."""
        self.error = error
        self.lake.signals.announce("part_failed", part=name, reason=f"{type(error).__name__}: {error}")
        self.stop()

    def _end(self) -> None:
        """Once everything else has ended, let the attendants look once more, and end."""
        self._stopping.wait()
        self._threads.join(but={minder.attendant.name for minder in self._minders})
        for minder in self._minders:
            minder.news.end()
        self._threads.join()
        self._heart.stop()
        self._ended.set()
