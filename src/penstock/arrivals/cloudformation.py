"""Files that land on AWS: a rule per pattern, the queue that they lead to, and the function that takes from it.

An object that is made in raw is an event; the rule whose pattern fits its key puts the event into the queue as it is.
EventBridge's patterns know only `*`, which crosses folders, so a rule may let through more than the table's own
pattern, never less; the function looks again. What the queue cannot be given, and what is taken too often without an
answer, goes to the dead-letter queue.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar

from troposphere import AWS_NO_VALUE, GetAtt, Ref, awslambda, events, sqs

from penstock.cloudformation import ACCOUNT, STACK, Sizes, Stack, encrypted_queue, function, only_for, sub
from penstock.declaration import Declaration, patience_of, seconds_of

QUEUE, DEAD_QUEUE = "IntakeQueue", "DeadLetterQueue"
VISIBILITY = 6
"""By how many times the queue hides a message longer than an invocation may take: what AWS asks for."""
LEAST_RECEIVES = 10
BESIDE_ATTEMPTS = 5
LONG_POLL = 20
EVENT_AGE = 86_400
EVENT_ATTEMPTS = 185
"""How often and how long EventBridge tries to put an event into the queue."""
_CLASS = re.compile(r"\[!?\]?[^\]]*\]|\?")


class QueueScaling(awslambda.ScalingConfig):  # type: ignore[misc] # troposphere ships no types
    """How many invocations work on a queue at once; troposphere 4.11 knows only what another kind of source has."""

    props: ClassVar[dict[str, Any]] = {"MaximumConcurrency": (int, True)}


def render(stack: Stack, declaration: Declaration, environment: dict[str, Any]) -> None:
    """Add rules, queues, the function `intake` and what connects them."""
    aws = declaration.aws
    _queues(stack, declaration)
    for pattern in sorted({table.files for table in declaration.tables.values()}):
        _rule(stack, pattern)
    stack.parameter(
        "FunctionMemory", aws.function.memory, "Megabytes of the function intake", MinValue=512, MaxValue=10240
    )
    sizes = Sizes(
        "FunctionMemory",
        int(seconds_of(aws.function.timeout)),
        aws.function.storage,
        aws.function.architecture,
        aws.function.reserved,
        snapshot=aws.function.from_snapshot,
    )
    alias = function(stack, "intake", "Turns files that landed into rows of tables", sizes, environment)
    _mapping(stack, declaration, alias)


def receives(declaration: Declaration) -> int:
    """How often a message is taken until it goes to the dead-letter queue by itself."""
    if declaration.aws.intake.receives is not None:
        return declaration.aws.intake.receives
    said = [patience_of(declaration.retry, table.retry).attempts for table in declaration.tables.values()]
    return max(LEAST_RECEIVES, max(said, default=0) + BESIDE_ATTEMPTS)


def wildcard(files: str) -> str:
    """The pattern over keys that EventBridge understands and that fits whatever a table's `files` fit."""
    literal = files.replace("\\", "\\\\")
    return re.sub(r"(?:\*\*/|\*)+", "*", _CLASS.sub("*", literal))


def _queues(stack: Stack, declaration: Declaration) -> None:
    here = f"${{AWS::Region}}:{ACCOUNT}"
    from_rules = {
        "Sid": "FromRules",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Condition": only_for(f"arn:${{AWS::Partition}}:events:{here}:rule/{STACK}-*"),
    }
    intake_arn = f"arn:${{AWS::Partition}}:sqs:{here}:{STACK}-intake"
    redriven = {"redrivePermission": "byQueue", "sourceQueueArns": [sub(intake_arn)]}
    dead = encrypted_queue(
        stack,
        DEAD_QUEUE,
        "dead-letters",
        [from_rules | {"Resource": f"${{{DEAD_QUEUE}.Arn}}"}],
        RedriveAllowPolicy=redriven,
    )
    aws = declaration.aws
    longest = int(seconds_of(aws.function.timeout)) * VISIBILITY + int(seconds_of(aws.intake.window))
    encrypted_queue(
        stack,
        QUEUE,
        "intake",
        [from_rules | {"Resource": f"${{{QUEUE}.Arn}}"}],
        VisibilityTimeout=longest,
        ReceiveMessageWaitTimeSeconds=LONG_POLL,
        RedrivePolicy=sqs.RedrivePolicy(deadLetterTargetArn=GetAtt(dead, "Arn"), maxReceiveCount=receives(declaration)),
    )


def _rule(stack: Stack, files: str) -> None:
    """Lead what fits a pattern to the queue; the same pattern has the same rule, wherever else the lake changes."""
    known = hashlib.sha256(files.encode()).hexdigest()[:8]
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [Ref("RawBucket")]}, "object": {"key": [{"wildcard": wildcard(files)}]}},
    }
    target = events.Target(
        Id="intake",
        Arn=GetAtt(QUEUE, "Arn"),
        DeadLetterConfig=events.DeadLetterConfig(Arn=GetAtt(DEAD_QUEUE, "Arn")),
        RetryPolicy=events.RetryPolicy(MaximumEventAgeInSeconds=EVENT_AGE, MaximumRetryAttempts=EVENT_ATTEMPTS),
    )
    rule = events.Rule(
        f"Rule{known}",
        Name=sub(f"{STACK}-{known}"),
        Description=f"Files that land in raw: {files}",
        EventPattern=pattern,
        State="ENABLED",
        Targets=[target],
        DependsOn=[f"{QUEUE}Policy", f"{DEAD_QUEUE}Policy"],
    )
    stack.add(rule)


def _mapping(stack: Stack, declaration: Declaration, alias: Ref) -> None:
    intake = declaration.aws.intake
    at_once = stack.parameter(
        "IntakeConcurrency", intake.concurrency, "Invocations that work on files at once", MinValue=2, MaxValue=1000
    )
    window = int(seconds_of(intake.window))
    mapping = awslambda.EventSourceMapping(
        "IntakeMapping",
        EventSourceArn=GetAtt(QUEUE, "Arn"),
        FunctionName=alias,
        BatchSize=intake.batch,
        MaximumBatchingWindowInSeconds=window or Ref(AWS_NO_VALUE),
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig=QueueScaling(MaximumConcurrency=at_once),
    )
    stack.add(mapping)
