"""A lake inside of functions: opened once in a process, and kept open from one invocation to the next."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TextIO

from penstock.arrivals import Worker
from penstock.arrivals.queue.place import Place
from penstock.arrivals.queue.sqs import DeadLetterQueue, IntakeQueue
from penstock.arrivals.queue.worker import QueueWorker
from penstock.aws import client
from penstock.clock import Clock, SystemClock
from penstock.declaration import examine_deployed, read_text, seconds_of, wanted_secrets
from penstock.deployed import Deployed
from penstock.deployment.secret_values import SecretValues
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.notices.targets import deployed_notices
from penstock.opened import Opened
from penstock.runs.metrics import Metrics
from penstock.runs.stream import StreamJournal
from penstock.site.aws import KEPT_BYTES, AwsSite
from penstock.state.events import forget_old
from penstock.storage.room import Room
from penstock.tables.library import load_library
from penstock.upkeep.maintain import Maintained

FOLDER, WORK = "PENSTOCK_FOLDER", "PENSTOCK_WORK"
"""Where the lake's folder is, if not beside the code; and the folder for what does not last."""
DEFAULT_WORK = "/tmp/penstock"  # noqa: S108 - the one place where a function may write, which nobody shares
KEPT_SHARE = 5
"""The share of the disk that copies of one bucket may have between invocations: one in so many."""
LEFT = ("scratch", "spill")
"""Folders of what lives no longer than a piece of work."""
REMEDY = "the disk of the functions is too small for the work on it: set aws.function.storage in lake.yaml"
LAST_SECONDS = 30.0
"""Upkeep begins nothing new when no more time is left."""
TELLING_SECONDS, LEFT_SECONDS = 20.0, 10.0
"""How long messages to people may take, and what an invocation has to have left after them."""
TURNS, TURN_SECONDS = 10, 0.2
"""How often, and how far apart, it is tried to be the one who tells people; else who is at it, or comes next, does."""
IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
SERVICES = ("s3", "sqs", "dynamodb", "glue", "sns")
PRELOADED = (
    *("duckdb", "pyarrow.parquet", "pyiceberg.catalog.glue", "pyiceberg.avro.decoder_fast"),
    *("encodings.idna", "encodings.utf_8_sig", "rich.console", "rich.table"),
    *("penstock.wiring.workers", "penstock.tables.mirror_io"),
)
"""What is imported only where it is needed, and is needed by the first file or by upkeep."""
Event = Mapping[str, Any]


class Context(Protocol):
    """What AWS Lambda says of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""


class Runtime:
    """A deployed lake, opened for its functions."""

    def __init__(self, variables: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> None:
        """Open the lake that the environment `variables` speak of; what happens is written to `stream`."""
        self._deployed, self._stream = Deployed.from_environment(variables), stream
        self._work = Path(variables.get(WORK) or DEFAULT_WORK)
        self._work.mkdir(parents=True, exist_ok=True)
        _clear_left(self._work)
        self._folder, self._clock = _folder(variables), clock
        wanted = wanted_secrets(read_text(self._folder))
        self._secrets = SecretValues(wanted, self._deployed.region, clock or SystemClock())
        self._alone: frozenset[TableName] = frozenset()
        self._next: TableName | None = None
        self._open()

    def _open(self) -> None:
        """Open the lake with its secrets as they are now."""
        values = dict(self._secrets.current())
        read = partial(examine_deployed, values=values)
        self.lake = Lake(self._folder, self._clock, site=self._stand, read=read)
        self.lake.signals.listen("unclaimed", self.lake.journal.write)
        self.lake.signals.listen("joined", lambda _: self._prune())
        self._full, self._room = False, Room([self._work], 0, self.lake.clock, REMEDY)
        self._room.listen(self._note_full)
        self._metrics = Metrics(self._deployed.lake, self._stream, self.lake.clock, self.lake.signals)
        self._queue_worker = self._made()
        self._rhythm = seconds_of(self.lake.declaration.aws.upkeep.every)
        self._notices = bool(deployed_notices(self.lake.declaration))
        if self._notices:
            self.lake.notifier().begin()
        self._values = values

    def _renew(self) -> None:
        """Open the lake anew where a secret has changed, as it does when its owner changes it."""
        if self._secrets.current() != self._values:
            self.close()
            self._open()
            self.lake.signals.announce("secret_changed")

    def _stand(self, lake: Opened) -> AwsSite:
        keep = min(KEPT_BYTES, shutil.disk_usage(self._work).total // KEPT_SHARE)
        self._site = AwsSite(self._deployed, self._work, lake.note_sealed, self._stream, keep)
        return self._site

    def _made(self) -> QueueWorker:
        lake, deployed = self.lake, self._deployed
        place = Place(
            lake=deployed.lake,
            folder=lake.folder,
            bucket=deployed.raw_bucket,
            tables=lake.declared,
            raw=self._site.raw,
            notes=self._site.notes,
            room=self._room,
            state=lake.state,
            signals=lake.signals,
            clock=lake.clock,
            prune=self._prune,
        )
        queue = IntakeQueue(deployed.intake_queue, deployed.region)
        return QueueWorker(place, queue, DeadLetterQueue(deployed.dead_letter_queue, deployed.region), self._worker)

    def _worker(self) -> Worker:
        worker = self.lake.worker()
        worker.wait_for_room(self._room)
        return worker

    def _prune(self) -> None:
        """Let go of copies: of those beyond what is kept, or of all of them where the disk was found to be full."""
        self._site.prune(0 if self._full else None)
        self._full = False

    def _note_full(self) -> None:
        self._full = True

    def take(self, event: Event, context: Context) -> dict[str, Any]:
        """Work on an event of the intake queue."""
        self._renew()
        try:
            self._site.tidy()
            answer = self._queue_worker.take(event, _remaining(context))
            self._tell_in_passing(_remaining(context))
        finally:
            self._metrics.flush()
        return answer

    def _tell_in_passing(self, remaining: Callable[[], float]) -> None:
        """Tell people what happened, as far as that goes: files are in, whatever becomes of messages.

        What is not told, upkeep tells: it stands in the state store.
        """
        try:
            self._tell(remaining)
        except Exception as error:  # noqa: BLE001 - it is said, and upkeep tries again
            self.lake.signals.announce("attendant_failed", attendant="notices", reason=str(error))

    def _tell(self, remaining: Callable[[], float]) -> None:
        """Tell people what happened, in this process or in the one that is at it."""
        notifier = self.lake.notifier()
        for _ in range(TURNS if self._notices else 0):
            seconds = min(TELLING_SECONDS, remaining() - LEFT_SECONDS)
            if seconds <= 0 or not notifier.waits(self._rhythm):
                return
            try:
                if notifier.finish(seconds, self._rhythm):
                    return
            finally:
                notifier.step_down()
            self.lake.clock.sleep(TURN_SECONDS)

    def tend(self, event: Event, context: Context) -> dict[str, Any]:
        """Look after the lake, part by part: one that fails holds up no other.

        Args:
            event: `{"whole": true}` has the whole raw zone looked at now, not only once a day.
            context: What AWS Lambda says of the invocation.

        Raises:
            Exception: What failed first.
        """
        self._renew()
        remaining, done, failed = _remaining(context), list[str](), list[Exception]()
        for name, part in self._parts(event, remaining).items():
            if remaining() < LAST_SECONDS and done:
                self.lake.signals.announce("paused", reason=f"no time is left for {name}; it is done the next time")
                continue
            try:
                part()
                done.append(name)
            except Exception as error:  # noqa: BLE001 - it is told, raised at the end, and done again the next time
                self.lake.signals.announce("attendant_failed", attendant=name, reason=str(error))
                failed.append(error)
        self._metrics.flush()
        if failed:
            raise failed[0]
        return {"done": done}

    def _parts(self, event: Event, remaining: Callable[[], float]) -> dict[str, Callable[[], object]]:
        lake, now, whole = self.lake, self.lake.clock.now(), bool(event.get("whole"))
        part = remaining() / 4  # files that never end must not keep upkeep from all else
        return {
            "look": lambda: self._queue_worker.unseen.look(lambda: remaining() - 3 * part, whole=whole),
            "intake": lambda: self._queue_worker.catch_up(lambda: remaining() - 2 * part),
            "quarantine": lambda: lake.purge(lake.declared),
            "tables": lambda: self._maintain(remaining),
            "notices": lambda: self._tell(remaining),
            "events": lambda: forget_old(lake.state.events, now),
            "figures": self._note_freshness,
            "copies": self._site.tidy,
        }

    def _maintain(self, remaining: Callable[[], float]) -> None:
        """Look after the declared tables, as far as the time goes; those not reached are first the next time.

        A function may touch no other table of the lake's databases.

        Raises:
            PenstockError: What failed first.
        """
        there = self.lake.catalog.tables()
        tables = [table for table in there if table in self.lake.declared]
        self._say_left_alone(frozenset(there) - frozenset(tables))
        turn = tables.index(self._next) if self._next in tables else 0
        failed: list[Maintained] = []
        for table in [*tables[turn:], *tables[:turn]]:
            self._next = table
            if remaining() < LAST_SECONDS:
                self.lake.signals.announce("paused", reason=f"no time is left for {table}; it is done the next time")
                break
            failed += self.lake.maintain([str(table)]).failed
            self._prune()
        else:
            self._next = None
        for one in failed:
            if one.error is not None:
                raise one.error

    def _say_left_alone(self, tables: frozenset[TableName]) -> None:
        """Say once in a process which tables are left alone."""
        if tables - self._alone:
            names, why = ", ".join(map(str, sorted(tables))), "lake.yaml does not declare them"
            self.lake.signals.announce("left_alone", tables=names, reason=why)
        self._alone = tables

    def _note_freshness(self) -> None:
        for table in self.lake.declared:
            if (committed := self.lake.state.figures.committed(table)) is not None:
                self._metrics.note(str(table), "Freshness", max(self.lake.clock.now() - committed, 0.0))

    def close(self) -> None:
        """Let go of everything."""
        self.lake.close()


def _remaining(context: Context) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000


def _clear_left(work: Path) -> None:
    """Remove what a process left unfinished that AWS ended: its disk is kept for the next one, and nobody else's."""
    for name in LEFT:
        shutil.rmtree(work / name, ignore_errors=True)
    for part in work.rglob(".*.tmp"):
        part.unlink(missing_ok=True)


def _folder(variables: Mapping[str, str]) -> Path:
    """The lake's folder, as it was deployed."""
    return Path(variables.get(FOLDER) or Path(variables.get("LAMBDA_TASK_ROOT", ".")) / "lake")


def preload(variables: Mapping[str, str]) -> None:
    """Load, in a function that begins, what every invocation needs: it is kept in what processes are copied from."""
    if IN_LAMBDA in variables:
        load_library()
        for name in PRELOADED:
            with suppress(ImportError):  # whoever needs it says so, or does without
                import_module(name)
        secrets = ["secretsmanager"] if wanted_secrets(read_text(_folder(variables))) else []  # none is fetched yet
        for service in (*SERVICES, *secrets):
            client(service, Deployed.from_environment(variables).region)


@cache
def opened() -> Runtime:
    """The lake of this process, opened when it is first needed: never before, as processes are copied until then."""
    return Runtime(os.environ, sys.stdout)


@contextmanager
def telling(function: str) -> Iterator[None]:
    """Say in the log what ends an invocation, as an event like all others."""
    try:
        yield
    except Exception as error:
        facts = {"event": "part_failed", "part": f"the function {function}", "reason": f"{error}"}
        known = {"kind": type(error).__name__, "traceback": "".join(traceback.format_exception(error))}
        StreamJournal(sys.stdout, SystemClock()).write({**facts, **known})
        raise
