"""A Lambda function as the lake has them: published as versions, called by its alias, begun from a snapshot or not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Ref, Select, Split, Sub, awslambda

from penstock.cloudformation.parts import STACK, sub
from penstock.cloudformation.stack import Stack

RUNTIME = "python3.13"
ALIAS = "live"
SNAPSHOT_STORAGE = 512
"""Megabytes of disk up to which Lambda can begin from a snapshot."""
_CODE_FILE = Select(1, Split("/", Ref("CodeKey")))
_BUCKETS = "${RawBucketName} ${ProcessedBucketName} ${EnrichedBucketName}"
"""What every function's configuration takes from parameters, beside its code and its own memory."""
_NOT_OF_VERSIONS = ("Tags", "ReservedConcurrentExecutions")
"""Properties that no version is a copy of."""


@dataclass(frozen=True)
class Sizes:
    """How large a function is, and where its failures go.

    Attributes:
        memory: The parameter with its megabytes.
        timeout: Seconds that an invocation may take.
        storage: Megabytes of disk.
        architecture: Its processor.
        reserved: Invocations that are reserved for it; None for none.
        dead_letters: The queue of events that it failed on when nobody waits for its answer.
        snapshot: Whether it begins from a snapshot, which costs money as long as it is there.
    """

    memory: str
    timeout: int
    storage: int
    architecture: str
    reserved: int | None = None
    dead_letters: str | None = None
    snapshot: bool = False


def function(stack: Stack, name: str, description: str, sizes: Sizes, environment: dict[str, Any]) -> Ref:
    """Add a function, its published version and the alias `live`, and give the alias.

    A version is a copy of code and configuration. Its description holds everything that these come from, so that
    CloudFormation publishes another one whenever any of it has changed; and nothing else, as Lambda publishes none
    where nothing has changed, on which CloudFormation gives the whole deployment up.
    """
    title = name.capitalize()
    made = _function(title, name, description, sizes, environment)
    stack.add(made)
    copied = {key: one for key, one in made.to_dict()["Properties"].items() if key not in _NOT_OF_VERSIONS}
    of = hashlib.sha256(json.dumps(copied, sort_keys=True).encode()).hexdigest()[:8]
    version = awslambda.Version(
        f"{title}Version",
        FunctionName=made.ref(),
        Description=Sub(f"{of} ${{CodeFile}} ${{{sizes.memory}}} {_BUCKETS}", CodeFile=_CODE_FILE),
    )
    stack.add(version)
    alias = awslambda.Alias(
        f"{title}Alias", Name=ALIAS, FunctionName=made.ref(), FunctionVersion=GetAtt(version, "Version")
    )
    stack.add(alias)
    return alias.ref()


def _function(title: str, name: str, description: str, sizes: Sizes, environment: dict[str, Any]) -> awslambda.Function:
    optional: dict[str, Any] = {}
    if sizes.reserved is not None:
        optional["ReservedConcurrentExecutions"] = sizes.reserved
    if sizes.snapshot:
        optional["SnapStart"] = awslambda.SnapStart(ApplyOn="PublishedVersions")
    if sizes.dead_letters is not None:
        optional["DeadLetterConfig"] = awslambda.DeadLetterConfig(TargetArn=GetAtt(sizes.dead_letters, "Arn"))
    return awslambda.Function(
        f"{title}Function",
        FunctionName=sub(f"{STACK}-{name}"),
        Description=description,
        Runtime=RUNTIME,
        Handler=f"penstock.deployment.handlers.{name}",
        Code=awslambda.Code(S3Bucket=Ref("CodeBucket"), S3Key=Ref("CodeKey")),
        Role=GetAtt(f"{title}Role", "Arn"),
        MemorySize=Ref(sizes.memory),
        Timeout=sizes.timeout,
        EphemeralStorage=awslambda.EphemeralStorage(Size=sizes.storage),
        Architectures=[sizes.architecture],
        Environment=awslambda.Environment(Variables=environment),
        KmsKeyArn=GetAtt("Key", "Arn"),
        TracingConfig=awslambda.TracingConfig(Mode="Active"),
        LoggingConfig=awslambda.LoggingConfig(LogGroup=Ref(f"{title}LogGroup")),
        **optional,
    )
