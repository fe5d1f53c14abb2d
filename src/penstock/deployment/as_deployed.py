"""The lake on this machine, held to what its functions may do on AWS: what they would be refused is refused here.

Each look at a zone, the catalog or the state store is put to the evaluator as the request that the deployed function
would make. Looking for files and tables is upkeep's, everything else is intake's. While a step in Python runs, it can
open no file of the lake's zones: on AWS there is none on a function's disk, but in S3.

What cannot be seen from here: what a step does over the network, and what the engine's own reader opens by a name that
a step made up.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from types import FrameType
from typing import Any

from penstock.access import arns
from penstock.access.evaluate import Policy, Request, evaluate
from penstock.access.policy import document, filled, stack_values
from penstock.clock import Clock
from penstock.declaration import Declaration
from penstock.deployed import Deployed
from penstock.deployment.permissions import calls, functions, principal_of
from penstock.errors import AccessError
from penstock.naming import TableName, Transform
from penstock.opened import Opened
from penstock.site import LocalSite
from penstock.state import Head, Heads, SqliteState
from penstock.steps import python as python_step
from penstock.storage import FileVersion, LocalZone, Seals
from penstock.tables import LocalCatalog
from penstock.tables.catalog import Change, Evolution

ACCOUNT, REGION = "000000000000", "eu-west-1"
"""What stands for the account and, where none is declared, for the region of a lake that need not be deployed."""
KEYS = {"s3:GetObject": ("kms:Decrypt",), "s3:PutObject": ("kms:GenerateDataKey",)}
"""What S3 does with the key on behalf of who reads or writes."""


def planned(declaration: Declaration) -> Deployed:
    """Where the parts of a lake will be, as far as it can be told from its declaration."""
    aws = declaration.aws
    stack, region = aws.stack_name(declaration.lake), aws.region or REGION
    at = f"{region}:{ACCOUNT}"
    named = {zone: getattr(aws.buckets, zone) or f"{stack}-{zone}" for zone in ("raw", "processed", "enriched")}
    return Deployed(
        lake=declaration.lake,
        stack=stack,
        region=region,
        account=ACCOUNT,
        raw_bucket=named["raw"],
        processed_bucket=named["processed"],
        enriched_bucket=named["enriched"],
        state_table=f"{stack}-state",
        intake_queue=f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{stack}-intake",
        dead_letter_queue=f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{stack}-dead-letters",
        topic_prefix=f"arn:aws:sns:{at}:{stack}-notice-",
        workgroup=stack,
        key=f"arn:aws:kms:{at}:key/the-key-of-{stack}",
    )


class Judge:
    """Puts requests to the policies of the functions, and remembers what was refused.

    Attributes:
        refused: What was refused, each once.
    """

    def __init__(self, declaration: Declaration, policies: Mapping[str, Policy] | None = None) -> None:
        """Judge by the policies that would be deployed, or by `policies`, by function."""
        self.deployed = planned(declaration)
        self._values = stack_values(self.deployed)
        self._policies = policies or {
            name: document(principal_of(declaration, name).statements, self.fill) for name in ("intake", "upkeep")
        }
        self.refused: dict[str, AccessError] = {}
        self._known: set[tuple[str, str, str]] = set()

    @property
    def allowed(self) -> dict[str, int]:
        """How many different calls each function was asked about and may make."""
        return dict(sorted(Counter(function for function, _, _ in self._known).items()))

    def fill(self, text: str) -> str:
        """A text of a statement, with the names of this lake's parts."""
        return filled(text, self._values)

    def ask(self, function: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        """Go on where a function may do something.

        Raises:
            AccessError: It may not; the error names the statement that is missing.
        """
        resource = self.fill(resource)
        found = {key: self.fill(value) for key, value in (context or {}).items()}
        if action.startswith("s3:"):
            found["aws:ResourceAccount"] = ACCOUNT
        asked = (function, action, f"{resource} {sorted(found.items())}")
        if asked in self._known:
            return
        decision = evaluate([self._policies[function]], Request(action, resource, found))
        if not decision.allowed:
            raise self._refusal(function, action, resource, decision.sid)
        self._known.add(asked)

    def object(self, function: str, action: str, bucket: str, key: str) -> None:
        """Go on where a function may do something to an object, and may use the key for it."""
        self.ask(function, action, arns.objects(bucket, key.replace("$", "${!$}")).replace("${!$}", "$"))
        through = {
            "kms:ViaService": "s3.${AWS::Region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": arns.bucket(bucket),
        }
        for each in KEYS.get(action, ()):
            self.ask(function, each, arns.KEY, through)

    def _refusal(self, function: str, action: str, resource: str, denied: str) -> AccessError:
        message = f"deployed, the function {function} may not {action} on {resource}"
        hint = f"missing: a statement that allows {action} on {resource}; statements follow from lake.yaml"
        if denied:
            hint = f'the statement "{denied}" denies it'
        return self.refuse(AccessError(message, hint=hint))

    def refuse(self, error: AccessError) -> AccessError:
        """Remember a refusal; gives it back to be raised."""
        return self.refused.setdefault(str(error), error)

    def assert_tells(self, declaration: Declaration) -> None:
        """Make sure that the functions may publish to the topic of each notice."""
        for topic in functions.notices(declaration):
            for action in calls.NOTICES:
                self.ask("upkeep", action, topic)

    def assert_fetches(self, declaration: Declaration) -> None:
        """Make sure that the functions may fetch each secret that they need."""
        for wanted in declaration.aws.wanted_secrets.values():
            place = arns.secret(wanted.secret).replace("-??????", "-a1B2c3")
            for function in ("intake", "upkeep"):
                for action in calls.SECRETS:
                    self.ask(function, action, place)


class JudgedZone(LocalZone):
    """A folder that answers as a bucket would to the functions."""

    def __init__(self, judge: Judge, bucket: str, root: Path, seals: Seals | None = None) -> None:
        """Stand for the bucket that `bucket` names in statements."""
        super().__init__(root, seals)
        self._judge, self._bucket = judge, bucket

    def may(self, action: str, key: str) -> None:
        """Go on where intake may do something to a file."""
        self._judge.object("intake", action, self._bucket, key)

    def list(self, pattern: str) -> Iterator[FileVersion]:
        """Files whose key matches: upkeep looks for them."""
        for action in calls.among(calls.RAW if self._bucket == arns.RAW else calls.TABLES, calls.LISTS):
            self._judge.ask("upkeep", action, arns.bucket(self._bucket))
        return super().list(pattern)

    def stat(self, key: str) -> FileVersion | None:
        """The current version; a missing one is told from a forbidden one by who may list."""
        self.may("s3:GetObject", key)
        self._judge.ask("intake", "s3:ListBucket", arns.bucket(self._bucket))
        return super().stat(key)

    def open(self, key: str, mark: str | None = None, /) -> BufferedReader:
        """Open for reading."""
        self.may("s3:GetObject", key)
        return super().open(key, mark)

    def location(self, key: str, mark: str | None = None, /) -> str:
        """Where engines find the file."""
        self.may("s3:GetObject", key)
        return super().location(key, mark)

    def publish(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`."""
        self.may("s3:PutObject", key)
        return super().publish(local, key)

    def replace(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`, in place of what is there."""
        self.may("s3:PutObject", key)
        return super().replace(local, key)

    def delete(self, key: str) -> None:
        """Remove the file."""
        self.may("s3:DeleteObject", key)
        super().delete(key)

    def discard(self, paths: Iterable[str]) -> None:
        """Remove published files that no commit names."""
        listed = [*paths]
        for path in listed:
            self.may("s3:DeleteObject", Path(path).relative_to(self.root).as_posix())
        super().discard(listed)


class JudgedCatalog(LocalCatalog):
    """A catalog that answers as Glue would to the functions, and writes metadata as to a bucket."""

    def __init__(self, judge: Judge, folder: Path, heads: Heads, seals: Seals | None = None) -> None:
        """Use the tables below `folder`."""
        super().__init__(folder, heads, seals)
        self._judge, self._lake = judge, judge.deployed.lake

    def may(self, action: str, table: TableName) -> None:
        """Go on where intake may do something to a table."""
        places = ("catalog", f"database/{self._judge.deployed.database(table.layer)}")
        for place in (*(arns.glue(place) for place in places), arns.glue_table(self._lake, table)):
            self._judge.ask("intake", action, place)

    def _writes(self, action: str, table: TableName) -> None:
        self._judge.object("intake", "s3:PutObject", arns.PROCESSED, f"{table.layer}/{table.name}/metadata/v1.json")
        self.may(action, table)

    def tables(self) -> list[TableName]:
        """All tables: upkeep looks for them."""
        self._judge.ask("upkeep", "glue:GetDatabases", arns.glue("catalog"))
        return super().tables()

    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands."""
        self.may("glue:GetTable", table)
        return super().pointer(table)

    def create(
        self,
        table: TableName,
        columns: list[tuple[str, str]],
        properties: Mapping[str, str],
        partition: Sequence[Transform] = (),
    ) -> Head:
        """Make a table."""
        self._writes("glue:CreateTable", table)
        return super().create(table, columns, properties, partition)

    def evolve(self, base: Head, evolution: Evolution) -> Head:
        """Change a table's columns."""
        self._writes("glue:UpdateTable", base.table)
        return super().evolve(base, evolution)

    def repartition(self, base: Head, partition: Sequence[Transform]) -> Head:
        """Lay new files out in another way."""
        self._writes("glue:UpdateTable", base.table)
        return super().repartition(base, partition)

    def commit(self, change: Change) -> Head:
        """Apply a change as one snapshot."""
        self._writes("glue:UpdateTable", change.base.table)
        return super().commit(change)


class JudgedSite(LocalSite):
    """The lake's own folder, as the deployed functions would find it."""

    def __init__(self, lake: Opened, policies: Mapping[str, Policy] | None = None) -> None:
        """Stand in the lake's folder; `policies` are used in place of those that would be deployed."""
        super().__init__(lake.folder, lake.zones, lake.note_sealed)
        self.judge = Judge(lake.declaration, policies)
        self._zones = (
            JudgedZone(self.judge, arns.RAW, self.raw.root),
            JudgedZone(self.judge, arns.PROCESSED, self.processed.root, self.seals),
            JudgedZone(self.judge, arns.ENRICHED, self.enriched.root),
        )
        self.raw, self.processed, self.enriched = self._zones

    def state(self, clock: Clock) -> SqliteState:
        """Open the state store, which needs all that it may ever need."""
        for action in calls.STATE:
            self.judge.ask("intake", action, arns.state_table())
        return super().state(clock)

    def catalog(self, heads: Heads) -> JudgedCatalog:
        """Open the catalog."""
        return JudgedCatalog(self.judge, self.processed.root, heads, self.seals)

    @cached_property
    def watch(self) -> Callable[[str], None]:
        """Refuses a file of the zones to a step in Python; given to the interpreter, which asks it for each file."""

        def refuse(path: str) -> None:
            place = Path(os.path.realpath(path))
            zone = next((zone for zone in self._zones if place.is_relative_to(os.path.realpath(zone.root))), None)
            if zone is None or not _in_step():
                return
            key = place.relative_to(os.path.realpath(zone.root)).as_posix()
            zone.may("s3:GetObject", key)
            message = f"deployed, a step in Python finds no file {key}: what is in the zones is in S3 there"
            hint = "give a step what it needs as a file beside lake.yaml, which is deployed with it"
            raise self.judge.refuse(AccessError(message, hint=hint))

        return refuse


_watches: list[Callable[[str], None]] = []
_watching = threading.local()


def watch_steps(site: JudgedSite) -> None:
    """Hold steps in Python to `site` from now on, for as long as this process lives."""
    if not _watches:
        sys.addaudithook(_hear)
    _watches.append(site.watch)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not arguments or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    if getattr(_watching, "busy", False):  # what is asked here may open files itself
        return
    _watching.busy = True
    try:
        for watch in _watches:
            watch(os.fsdecode(arguments[0]))
    finally:
        _watching.busy = False


def _in_step() -> bool:
    """Whether a step in Python is being called."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the only way to see who calls
    while frame is not None:
        if frame.f_code is python_step.PythonStep._called.__code__:  # noqa: SLF001 - the call that is meant
            return True
        frame = frame.f_back
    return False
