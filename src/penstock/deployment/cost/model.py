"""How much of what AWS charges for a lake uses in a month: the model behind the bill, with its assumptions.

Quantities only; what they cost is told elsewhere. Each is the sum of what a lake uses when nothing happens and what
each file, query and mail adds, so that more of anything never costs less. Where AWS's own numbers are not known
beforehand, such as how many calls a commit makes, an estimate stands here; what was measured says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.alarms.cloudwatch import Watched, watched
from penstock.cloudformation.function import SNAPSHOT_STORAGE
from penstock.declaration import Declaration, days_of, notice_name, seconds_of
from penstock.deployment.cost.volumes import Volumes
from penstock.runs.metrics import UNITS

HOURS = 730
MONTH_SECONDS = HOURS * 3600
GIGABYTE, TERABYTE, MEGABYTE = 1e9, 1e12, 1e6
WHOLE_CORE = 1769
"""Megabytes of a function that has a whole processor."""

SECONDS_PER_FILE = 1.5
"""A file's calls to S3, DynamoDB and Glue, one after the other, and its share of a commit."""
SECONDS_PER_MEGABYTE = 0.05
"""Reading, steps, checks and writing on a whole processor; 0.041 measured for CSV, see benchmarks."""
UPKEEP_SECONDS, UPKEEP_SECONDS_PER_TABLE = 2.0, 1.0
PROCESSED_SHARE = 0.3
"""Bytes of a table for one byte of its files; CSV gave 0.18, Parquet files would give about 1."""
OLD_MONTHS = 1
"""Months of tables' files that are kept as old versions, after small files were joined."""
WRITES_PER_FILE, READS_PER_FILE = 10, 30
WRITES_PER_QUERY, READS_PER_QUERY = 2, 30
READS_PER_UPKEEP, WRITES_PER_UPKEEP = 20, 2
STATE_WRITES_PER_FILE, STATE_READS_PER_FILE = 36, 40
STATE_WRITES_PER_UPKEEP, STATE_READS_PER_UPKEEP = 10, 40
STATE_BYTES_PER_FILE = 4_000
CATALOG_CALLS_PER_FILE, CATALOG_CALLS_PER_UPKEEP, CATALOG_CALLS_PER_QUERY = 7, 3, 3
POLLERS, POLL_SECONDS = 5, 20
"""An event source mapping asks an empty queue with so many pollers, each once in so many seconds."""
MESSAGES_PER_FILE = 4
"""Requests of SQS for a file: sent, received, kept, deleted."""
KEYED, KEY_SECONDS, KEY_CALLS_PER_FILE = 3, 300, 3
"""What uses the key while nothing happens, how long a data key serves, and what a file adds."""
LOG_BYTES_PER_FILE, LOG_BYTES_PER_UPKEEP = 4_000, 3_000
COLD_STARTS_PER_HOUR = 6
"""At most so many environments of a function are begun in an hour, before it gets more files at once."""
SMALLEST_SCAN = 10_000_000
"""Bytes that Athena charges for at least, per query."""

ASSUMPTIONS = (
    f"a month has {HOURS} hours; prices are AWS's list prices on demand, without tax; its free tier is not counted",
    f"a file takes the function {SECONDS_PER_FILE} s, and {SECONDS_PER_MEGABYTE} s more per MB on a whole processor",
    f"a function has a whole processor from {WHOLE_CORE:,} MB on; each file has an invocation of its own",
    f"upkeep takes {UPKEEP_SECONDS:g} s, and {UPKEEP_SECONDS_PER_TABLE:g} s more per table",
    f"a table is {PROCESSED_SHARE:g} of the size of its files; old versions are kept for a month",
    f"a file makes {WRITES_PER_FILE} requests that write and {READS_PER_FILE} that read in S3",
    f"a file takes {STATE_WRITES_PER_FILE} write and {STATE_READS_PER_FILE} read units of DynamoDB",
    f"a file makes {CATALOG_CALLS_PER_FILE} calls of Glue",
    f"an empty queue is asked by {POLLERS} pollers every {POLL_SECONDS} s",
    f"Athena charges {SMALLEST_SCAN // 1_000_000} MB per query at least",
    "metrics of the functions cost in the hours in which files land; a file lands in an hour of its own",
    "the key is not rotated yet: each of its first two yearly rotations adds what the key costs",
    "events of S3 on the default bus are free; what leaves AWS, and uploads, are not counted",
    "secrets that aws.secrets names are yours and are not priced: neither keeping them nor fetching them",
)
"""What the bill rests on, for people."""


@dataclass(frozen=True)
class Quantity:
    """So much of an item of the price table, and what for."""

    item: str
    what: str
    amount: float


def quantities(declaration: Declaration, volumes: Volumes) -> list[Quantity]:
    """What a lake uses in a month with these volumes."""
    lake = _Lake(declaration, volumes)
    return [*lake.storage(), *lake.functions(), *lake.messages(), *lake.state(), *lake.catalog(), *lake.watching()]


class _Lake:
    """The quantities of one lake in one month, part by part."""

    def __init__(self, declaration: Declaration, volumes: Volumes) -> None:
        self._declaration, self._aws, self._volumes = declaration, declaration.aws, volumes
        self._tables = len(declaration.tables)
        self._upkeeps = MONTH_SECONDS / seconds_of(self._aws.upkeep.every)
        self._landed = volumes.files * volumes.size

    def storage(self) -> Iterator[Quantity]:
        """S3 and the key."""
        at, upkeeps = self._volumes, self._upkeeps
        kept = self._landed * (at.months + PROCESSED_SHARE * (at.months + OLD_MONTHS))
        yield Quantity("s3_storage", "files, tables and old versions", kept / GIGABYTE)
        writes = at.files * WRITES_PER_FILE + at.queries * WRITES_PER_QUERY + upkeeps * WRITES_PER_UPKEEP
        yield Quantity("s3_write", "requests that write or list", writes)
        reads = at.files * READS_PER_FILE + at.queries * READS_PER_QUERY
        yield Quantity("s3_read", "requests that read", reads + upkeeps * READS_PER_UPKEEP * self._tables)
        yield Quantity("kms_key", "one key", 1)
        calls = KEYED * MONTH_SECONDS / KEY_SECONDS + at.files * KEY_CALLS_PER_FILE + at.queries
        yield Quantity("kms_request", "requests, with bucket keys", calls)

    def functions(self) -> Iterator[Quantity]:
        """Lambda, and the snapshots that functions begin from."""
        aws, files = self._aws, self._volumes.files
        intake, upkeep = aws.function.memory / 1024, aws.upkeep.memory / 1024
        slower = max(1.0, WHOLE_CORE / aws.function.memory)
        each = SECONDS_PER_FILE + SECONDS_PER_MEGABYTE * slower * self._volumes.size / MEGABYTE
        tending = self._upkeeps * (UPKEEP_SECONDS + UPKEEP_SECONDS_PER_TABLE * self._tables)
        yield Quantity("lambda_request", "invocations", files + self._upkeeps)
        item = f"lambda_{aws.function.architecture}"
        yield Quantity(item, "function intake", files * each * intake)
        yield Quantity(item, "function upkeep", tending * upkeep)
        if disk := max(0, aws.function.storage - SNAPSHOT_STORAGE) / 1024:
            yield Quantity("lambda_disk", "disk above 512 MB", disk * (files * each + tending))
        for name, memory, starts in (
            ("intake", intake, min(files, HOURS * COLD_STARTS_PER_HOUR)),
            ("upkeep", upkeep, self._upkeeps),
        ):
            if name in snapshots(self._declaration):
                yield Quantity("snapshot_kept", f"snapshot of {name}", memory * MONTH_SECONDS)
                yield Quantity("snapshot_restored", f"starts of {name}", memory * starts)

    def messages(self) -> Iterator[Quantity]:
        """SQS, the schedule and SNS."""
        polls = POLLERS * MONTH_SECONDS / POLL_SECONDS
        yield Quantity("sqs_request", "requests, most of them to an empty queue", polls + self._sent())
        yield Quantity("schedule", "calls of upkeep", self._upkeeps)
        yield Quantity("sns_request", "messages to people", self._volumes.mails)
        yield Quantity("sns_mail", "mails", self._volumes.mails)

    def _sent(self) -> float:
        return self._volumes.files * MESSAGES_PER_FILE

    def state(self) -> Iterator[Quantity]:
        """DynamoDB, on demand."""
        files, upkeeps = self._volumes.files, self._upkeeps
        writes = files * STATE_WRITES_PER_FILE + upkeeps * STATE_WRITES_PER_UPKEEP
        yield Quantity("dynamodb_write", "writes, on demand", writes)
        reads = files * STATE_READS_PER_FILE + upkeeps * STATE_READS_PER_UPKEEP
        yield Quantity("dynamodb_read", "reads, on demand", reads)
        kept = files * self._volumes.months * STATE_BYTES_PER_FILE / GIGABYTE
        yield Quantity("dynamodb_storage", "the state store", kept)
        yield Quantity("dynamodb_recovery", "recovery to any moment", kept)

    def catalog(self) -> Iterator[Quantity]:
        """Glue and Athena."""
        at = self._volumes
        asked = at.files * CATALOG_CALLS_PER_FILE + at.queries * CATALOG_CALLS_PER_QUERY
        calls = asked + self._upkeeps * CATALOG_CALLS_PER_UPKEEP * self._tables
        yield Quantity("glue_request", "requests of the catalog", calls)
        layers = {name.rpartition(".")[0] for name in self._declaration.tables}
        yield Quantity("glue_object", "tables and databases", self._tables + len(layers))
        scanned = max(at.scanned, at.queries * SMALLEST_SCAN) if at.queries else 0
        yield Quantity("athena_scanned", "read by queries", scanned / TERABYTE)

    def watching(self) -> Iterator[Quantity]:
        """Logs, metrics, alarms and traces."""
        files, upkeeps = self._volumes.files, self._upkeeps
        taken = (files * LOG_BYTES_PER_FILE + upkeeps * LOG_BYTES_PER_UPKEEP) / GIGABYTE
        yield Quantity("log_taken", "log that is written", taken)
        yield Quantity("log_kept", f"log that is kept, {self._aws.log_keep}", taken * days_of(self._aws.log_keep) / 30)
        busy = min(1.0, files / HOURS)
        series = 1 + self._tables
        yield Quantity("metric", "figures of the lake and of each table", series * (1 + (len(UNITS) - 1) * busy))
        yield Quantity("alarm", "alarms, by the metrics that they watch", _watched_metrics(self._declaration))
        yield Quantity("trace", "traces", files + upkeeps)


def snapshots(declaration: Declaration) -> tuple[str, ...]:
    """The functions that begin from a snapshot, which is charged for as long as it is there."""
    return ("intake",) if declaration.aws.function.from_snapshot else ()


def _watched_metrics(declaration: Declaration) -> int:
    notices = declaration.notices or []
    topics = tuple(notice_name(notice, at) for at, notice in enumerate(notices))
    return sum(len(what.metrics) for what in watched(declaration, topics) if isinstance(what, Watched))
