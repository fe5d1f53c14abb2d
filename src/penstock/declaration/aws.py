"""What a declaration says of AWS: where the lake is deployed, how large its functions are, and what is kept how long.

Nothing of it is needed: a lake without `aws:` is deployed with the defaults. What only AWS can do is said here; the
rest of the declaration means the same there as on one machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from penstock.declaration.aws_secrets import AwsSecret, Secret, as_secret, secret_problems
from penstock.declaration.parse import Document, Path
from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration, Size, bytes_of, seconds_of
from penstock.deployed import stack_name
from penstock.errors import Problem
from penstock.naming import did_you_mean

STACK = r"^[a-z][a-z0-9-]*[a-z0-9]$"
MAIL_ADDRESS = r"^[^\s,;<>@/?]+@[^\s,;<>@/?]+$"
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs can keep."""
SNAPSHOT_STORAGE = 512
"""Megabytes of disk up to which Lambda can begin from a snapshot (SnapStart)."""
LONGEST_FUNCTION = 900
LONGEST_WINDOW = 300
SMALLEST_CUTOFF = 10_000_000
SMALL_BATCH = 10
"""Up to so many messages, SQS gives a batch without a window."""
_PERSON = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:(user|role)/[A-Za-z0-9_+=,.@/*-]+$")
_DAYS = re.compile(r"^[1-9]\d{0,3}d$")


def _days(text: str) -> str:
    if not _DAYS.match(text):
        message = f'must be a number of days, like "30d"; found "{text}"'
        raise ValueError(message)
    return text


def _log_days(text: str) -> str:
    if int(_days(text)[:-1]) not in LOG_DAYS:
        message = f'must be what CloudWatch Logs can keep, days: {", ".join(map(str, LOG_DAYS))}; found "{text}"'
        raise ValueError(message)
    return text


def _function_time(text: str) -> str:
    if seconds_of(text) > LONGEST_FUNCTION:
        message = f'"{text}" is longer than a function may run: 15m'
        raise ValueError(message)
    return text


def _window(text: str) -> str:
    if not re.match(r"^\d{1,4}\s*[sm]$", text) or seconds_of(text) > LONGEST_WINDOW:
        message = f'must be seconds or minutes, 5m at most, like "2s"; found "{text}"'
        raise ValueError(message)
    return text


def _rhythm(text: str) -> str:
    if seconds_of(text) % 60:
        message = f'must be whole minutes, like "15m"; found "{text}"'
        raise ValueError(message)
    return text


def _cutoff(text: str) -> str:
    if bytes_of(text) < SMALLEST_CUTOFF:
        message = f'"{text}" is too small; Athena takes 10MB and more'
        raise ValueError(message)
    return text


def _person(text: str) -> str:
    if not _PERSON.match(text):
        rule = "must be the ARN of an IAM user or role, or a pattern of its name"
        message = f'{rule}, like "arn:aws:iam::123456789012:role/analysts"; found "{text}"'
        raise ValueError(message)
    return text


Days = Annotated[str, AfterValidator(_days)]
BucketName = Annotated[str, Field(min_length=3, max_length=56, pattern=r"^[a-z0-9][a-z0-9-]*[a-z0-9]$")]
FunctionTime = Annotated[Duration, AfterValidator(_function_time)]
Memory = Annotated[int, Field(ge=512, le=10_240)]


Person = Annotated[str, AfterValidator(_person)]


class AwsBuckets(Strict):
    """The buckets of the zones; the names of those left out are made from the stack, the account and the region."""

    raw: BucketName | None = Field(default=None, examples=["shop-raw"])
    """The zone raw."""
    processed: BucketName | None = Field(default=None, examples=["shop-processed"])
    """The zone processed."""
    enriched: BucketName | None = Field(default=None, examples=["shop-enriched"])
    """The zone enriched; results of Athena are in it, too."""

    @model_validator(mode="after")
    def _distinct(self) -> AwsBuckets:
        named = [name for name in (self.raw, self.processed, self.enriched) if name is not None]
        if len(set(named)) != len(named):
            message = "each zone has a bucket of its own: two of these names are the same"
            raise ValueError(message)
        return self


class AwsFunction(Strict):
    """The function that turns files into rows."""

    memory: Memory = Field(default=2048, examples=[3008])
    """Megabytes; the processor grows with it, a whole one at 1769."""
    timeout: FunctionTime = Field(default="5m", examples=["15m"])
    """How long one invocation may take; 15m at most."""
    storage: int = Field(default=512, ge=512, le=10_240, examples=[2048])
    """Megabytes of disk for the files at hand. With more than 512, the function cannot begin from a snapshot, and each
    cold start imports everything anew."""
    snapshot: bool = True
    """Whether the function begins from a snapshot (SnapStart), so that the first file after a quiet time does not wait
    some seconds for everything to be imported. AWS charges for the snapshot as long as it is there: about 7.90 USD a
    month for 2048 MB of memory."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """The processor; arm64 is cheaper."""
    reserved: int | None = Field(default=None, ge=2, le=1_000, examples=[10])
    """How many invocations are reserved of those that the account may have at once; none when left out."""

    @model_validator(mode="after")
    def _can_begin_so(self) -> AwsFunction:
        if "snapshot" in self.model_fields_set and self.snapshot and self.storage > SNAPSHOT_STORAGE:
            message = f"a snapshot is for functions with at most {SNAPSHOT_STORAGE} MB of storage; leave one of them"
            raise ValueError(message)
        return self

    @property
    def from_snapshot(self) -> bool:
        """Whether it begins from a snapshot: it is to, and can."""
        return self.snapshot and self.storage <= SNAPSHOT_STORAGE


class AwsIntake(Strict):
    """How the queue of files that landed is worked on."""

    batch: int = Field(default=20, ge=1, le=10_000)
    """How many files one invocation takes at most; they share commits."""
    window: Annotated[str, AfterValidator(_window)] = Field(default="2s", examples=["10s"])
    """How long files are waited for until a smaller batch is taken; 5m at most."""
    concurrency: int = Field(default=4, ge=2, le=1_000)
    """How many invocations work at the same time."""
    receives: int | None = Field(default=None, ge=5, le=1_000, examples=[20])
    """How often a message is taken until it goes to the dead-letter queue by itself; 10, or 5 more than the most
    `attempts` of any `retry`, when left out. A file that fails is given up by `retry` before."""

    @model_validator(mode="after")
    def _windowed(self) -> AwsIntake:
        if self.batch > SMALL_BATCH and seconds_of(self.window) < 1:
            message = f"a batch of more than {SMALL_BATCH} needs a window of 1s or more"
            raise ValueError(message)
        return self


class AwsUpkeep(Strict):
    """The function that looks after tables and settles what was left lying."""

    memory: Memory = Field(default=2048, examples=[3008])
    """Megabytes."""
    timeout: FunctionTime = Field(default="15m", examples=["5m"])
    """How long one invocation may take; 15m at most."""
    every: Annotated[Duration, AfterValidator(_rhythm)] = Field(default="15m", examples=["1h"])
    """How often it runs."""


class AwsCost(Strict):
    """How much is expected to happen in a month: what `penstock cost` reckons for, where nothing else is asked."""

    files: int | None = Field(default=None, ge=0, examples=[5_000])
    """Files that land; 1,000 when left out."""
    size: Size | None = Field(default=None, examples=["10MB"])
    """How large a file is, on average; 10MB when left out."""
    months: int | None = Field(default=None, ge=0, examples=[24])
    """For how many months files are kept; 12 when left out."""
    queries: int | None = Field(default=None, ge=0, examples=[1_000])
    """Queries of Athena; 200 when left out."""
    scanned: Size | None = Field(default=None, examples=["100GB"])
    """What all of them read together; 20GB when left out."""
    mails: int | None = Field(default=None, ge=0, examples=[100])
    """Mails to people; 30 when left out."""


class AwsRole(Strict):
    """Who may act as a role of `access` on AWS."""

    who: Annotated[list[Person], Field(min_length=1)] | None = Field(
        default=None, examples=[["arn:aws:iam::123456789012:role/analysts", "arn:aws:iam::123456789012:user/finance/*"]]
    )
    """ARNs of IAM users and roles, or patterns of them with `*`, of whatever account. Whoever the lake's account
    allows it by its policies, when left out."""
    mfa: bool = Field(default=False, examples=[True])
    """Whether they must have signed in with a second factor, of which AWS knows only for IAM users."""


class Aws(Strict):
    """The lake on AWS."""

    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", examples=["eu-west-3"])
    """Where; what AWS's own tools say, when left out."""
    stack: str | None = Field(default=None, pattern=STACK, max_length=128, examples=["penstock-orders"])
    """The stack's name, with which all names begin; `penstock-` and the lake's name when left out."""
    owner: str | None = Field(default=None, pattern=MAIL_ADDRESS, examples=["ops@example.org"])
    """E-mail address that all alarms are told to, beside the notices that tell of alarms."""
    buckets: AwsBuckets = AwsBuckets()
    """The buckets of the zones."""
    function: AwsFunction = AwsFunction()
    """The function that turns files into rows."""
    intake: AwsIntake = AwsIntake()
    """How the queue of files that landed is worked on."""
    upkeep: AwsUpkeep = AwsUpkeep()
    """The function that looks after tables."""
    log_keep: Annotated[str, AfterValidator(_log_days)] = Field(default="365d", examples=["30d"])
    """How long logs are kept: days, out of what CloudWatch Logs can keep."""
    results_keep: Days = Field(default="30d", examples=["7d"])
    """How long results of Athena are kept."""
    old_versions_keep: Days = Field(default="30d", examples=["7d"])
    """How long removed and replaced objects of the zones processed and enriched can be brought back; those of raw are
    kept for ever."""
    query_cutoff: Annotated[Size, AfterValidator(_cutoff)] = Field(default="10GB", examples=["1GB"])
    """How much one query of Athena may read; more is cancelled."""
    cost: AwsCost = AwsCost()
    """What `penstock cost` reckons for."""
    secrets: dict[str, Secret] = Field(default={}, examples=[{"SALT": "shop/salt"}])
    """What `${NAME}` is on AWS, by NAME: the secret of AWS Secrets Manager that has its value, by name or ARN, or as a
    mapping. Functions fetch it when they begin; its value is in nothing that is deployed. A `hash` can take it as its
    `salt`; nothing else can."""
    roles: dict[str, AwsRole] = Field(default={}, examples=[{"finance": {"mfa": True}}])
    """Who may act as the roles of `access`, by role."""
    here_only: list[str] = Field(default=[], examples=[["workflows.nightly", "notices.failures"]])
    """Parts of the declaration that stay on this machine and are not deployed: workflows, notices and queries by name.
    Whatever cannot be deployed and does not stand here is refused."""

    @property
    def wanted_secrets(self) -> dict[str, AwsSecret]:
        """The secrets, by the variable that each of them stands for."""
        return {name: as_secret(said) for name, said in sorted(self.secrets.items())}

    def stack_name(self, lake: str) -> str:
        """The stack's name."""
        return self.stack or stack_name(lake)


def days_of(text: str) -> int:
    """How many days `30d` is."""
    return int(text[:-1])


# --- What no single model sees ----------------------------------------------------------------


def aws_problems(document: Document) -> Iterator[Problem]:
    """Check that what is to stay on this machine is there, and that secrets are secrets of something."""
    whole = document.value if isinstance(document.value, dict) else {}
    aws = whole.get("aws")
    parts = aws.get("here_only") if isinstance(aws, dict) else None
    known = list(parts_by_name(whole))
    for at, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, str) and part not in known:
            near = did_you_mean(part, known) or f"; there are: {', '.join(known) or 'none'}"
            text = f'names no workflow, no notice and no query: "{part}"{near}'
            yield document.problem(("aws", "here_only", at), text)
    yield from secret_problems(document)
    yield from _role_problems(document, whole)


def _role_problems(document: Document, whole: dict[str, Any]) -> Iterator[Problem]:
    aws, access = whole.get("aws"), whole.get("access")
    roles = aws.get("roles") if isinstance(aws, dict) else None
    known = list(access) if isinstance(access, dict) else []
    for name in roles if isinstance(roles, dict) else ():
        if name not in known:
            near = did_you_mean(str(name), known) or f"; declared below access: {', '.join(map(str, known)) or 'none'}"
            yield document.problem(("aws", "roles", name), f'no role "{name}" is declared{near}', at_key=True)


def parts_by_name(whole: dict[str, Any]) -> dict[str, Path]:
    """Workflows, notices and saved queries, by what `here_only` calls them, and where they stand."""
    notices, found = whole.get("notices"), dict[str, Path]()
    for kind in ("workflows", "queries"):
        named = whole.get(kind)
        found |= {f"{kind}.{name}": (kind, name) for name in (named if isinstance(named, dict) else ())}
    for at, notice in enumerate(notices if isinstance(notices, list) else ()):
        if isinstance(notice, dict):
            found[f"notices.{notice.get('name') or f'notice_{at + 1}'}"] = ("notices", at)
    return found
