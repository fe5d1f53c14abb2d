"""Where a lake is to stand on AWS: whose account, which region, under which names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.aws import REGION, asking, client
from penstock.errors import AwsCredentialsError

if TYPE_CHECKING:
    from penstock.declaration import Declaration

ACTIONS = ("sts:GetCallerIdentity",)


@dataclass(frozen=True)
class Target:
    """Where a lake is to stand.

    Attributes:
        lake: The lake's name.
        stack: The name of its CloudFormation stack.
        account: Whose, 12 digits.
        region: Where.
        caller: ARN of who asks.
    """

    lake: str
    stack: str
    account: str
    region: str
    caller: str

    @property
    def artifacts(self) -> str:
        """The bucket of what stacks are made from; all lakes of an account share it in a region."""
        return f"penstock-artifacts-{self.account}-{self.region}"

    @property
    def prefix(self) -> str:
        """What the keys of this lake's artifacts begin with."""
        return f"{self.stack}/"

    @property
    def partition(self) -> str:
        """The first part of every ARN after `arn`: `aws`, but for China and the government's regions."""
        return self.caller.split(":")[1] if self.caller.startswith("arn:") else "aws"


def target_of(declaration: Declaration) -> Target:
    """Ask AWS who one is.

    Raises:
        AwsCredentialsError: Credentials or a region are missing, or AWS does not take them.
    """
    region = declaration.aws.region
    where = client("cloudformation", region).meta.region_name
    if not where:
        raise AwsCredentialsError("no AWS region is known", hint=REGION)
    sts = client("sts", region)
    with asking("learn whose account this is"):
        identity = sts.get_caller_identity()
    stack = declaration.aws.stack_name(declaration.lake)
    return Target(declaration.lake, stack, identity["Account"], where, identity["Arn"])
