"""Where the parts of a deployed lake are: what its stack says at its end, and what its functions are told.

One value, written in two ways: as outputs of the CloudFormation stack, which a laptop reads, and as environment
variables of the functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from penstock.errors import AwsError

VARIABLE = "PENSTOCK_"


@dataclass(frozen=True)
class Deployed:
    """A lake on AWS.

    Attributes:
        lake: Its name.
        stack: The CloudFormation stack's name; what cannot be named by CloudFormation begins with it.
        region: Where it is.
        account: Whose, 12 digits.
        raw_bucket: The bucket of the zone raw.
        processed_bucket: The bucket of the zone processed.
        enriched_bucket: The bucket of the zone enriched; results of queries are in it, too.
        state_table: The DynamoDB table of the state store.
        intake_queue: URL of the queue of files that landed.
        dead_letter_queue: URL of the queue of what failed for good.
        topic_prefix: ARN of each notice's topic, without the notice's name at its end.
        workgroup: Athena's workgroup.
        key: ARN of the key that everything is encrypted with.
    """

    lake: str
    stack: str
    region: str
    account: str
    raw_bucket: str
    processed_bucket: str
    enriched_bucket: str
    state_table: str
    intake_queue: str
    dead_letter_queue: str
    topic_prefix: str
    workgroup: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that functions are given: `PENSTOCK_RAW_BUCKET` and so on."""
        return {VARIABLE + name.upper(): str(getattr(self, name)) for name in NAMES}

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs: `RawBucket` and so on."""
        return {output_name(name): str(getattr(self, name)) for name in NAMES}

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Deployed:
        """What a function was told. Raises AwsError where something is missing."""
        return cls._of({name: variables.get(VARIABLE + name.upper(), "") for name in NAMES}, "the environment")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str]) -> Deployed:
        """What a stack says. Raises AwsError where something is missing: the stack is not Penstock's, or older."""
        stack = outputs.get("Stack", "")
        return cls._of({name: outputs.get(output_name(name), "") for name in NAMES}, f"the stack {stack}".rstrip())

    @classmethod
    def _of(cls, facts: Mapping[str, str], whose: str) -> Deployed:
        if missing := [name for name, fact in facts.items() if not fact]:
            message = f"{whose} does not say where everything is; missing: {', '.join(missing)}"
            raise AwsError(message, hint="bring the stack up to date with: penstock deploy")
        return cls(**facts)

    def database(self, layer: str) -> str:
        """The Glue database of a layer."""
        return database_name(self.lake, layer)

    def log_group(self, function: str) -> str:
        """Where a function's log is."""
        return f"/aws/lambda/{self.stack}-{function}"

    def topic(self, notice: str) -> str:
        """ARN of a notice's topic."""
        return f"{self.topic_prefix}{notice}"


NAMES = tuple(at.name for at in fields(Deployed))
FUNCTIONS = ("intake", "upkeep")
"""The functions of a deployed lake."""


def output_name(name: str) -> str:
    """What CloudFormation calls an attribute of `Deployed`: letters and digits only."""
    return "".join(part.capitalize() for part in name.split("_"))


def database_name(lake: str, layer: str) -> str:
    """The Glue database of a lake's layer."""
    return f"{lake}_{layer}"


def layer_of(lake: str, database: str) -> str | None:
    """The layer whose tables a Glue database has; None for a database of somebody else's."""
    return database.removeprefix(f"{lake}_") if database.startswith(f"{lake}_") else None


def stack_name(lake: str) -> str:
    """The stack of a lake that names none: CloudFormation takes no underscore."""
    return f"penstock-{lake.replace('_', '-')}"
