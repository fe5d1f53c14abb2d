"""Upkeep on AWS: a function, and the schedule that calls it.

A schedule carries no tags; its group, which is the stack's own, does. It does not wait for an answer; an event on which
the function failed for good goes to a dead-letter queue of its own, with the same alarm as that of the files. Nobody
waits for upkeep either, so that it begins without a snapshot, which would cost money all the time.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, scheduler

from penstock.cloudformation import STACK, Sizes, Stack, encrypted_queue, function, sub
from penstock.declaration import Declaration, seconds_of

DEAD_QUEUE = "UpkeepDeadLetterQueue"
EVENT_AGE = 3600
EVENT_ATTEMPTS = 4
FLEXIBLE_MINUTES = 1


def render(stack: Stack, declaration: Declaration, environment: dict[str, Any]) -> None:
    """Add the function `upkeep`, its schedule and its dead-letter queue."""
    aws = declaration.aws
    encrypted_queue(stack, DEAD_QUEUE, "upkeep-dead-letters")
    stack.parameter("UpkeepMemory", aws.upkeep.memory, "Megabytes of the function upkeep", MinValue=512, MaxValue=10240)
    sizes = Sizes(
        "UpkeepMemory",
        int(seconds_of(aws.upkeep.timeout)),
        aws.function.storage,
        aws.function.architecture,
        dead_letters=DEAD_QUEUE,
    )
    words = "Looks after tables, and settles what was left lying"
    alias = function(stack, "upkeep", words, sizes, environment)
    target = scheduler.Target(
        Arn=alias,
        RoleArn=GetAtt("ScheduleRole", "Arn"),
        Input="{}",
        DeadLetterConfig=scheduler.DeadLetterConfig(Arn=GetAtt(DEAD_QUEUE, "Arn")),
        RetryPolicy=scheduler.RetryPolicy(MaximumEventAgeInSeconds=EVENT_AGE, MaximumRetryAttempts=EVENT_ATTEMPTS),
    )
    group = scheduler.ScheduleGroup("Schedules", Name=sub(STACK))
    stack.add(group)
    schedule = scheduler.Schedule(
        "UpkeepSchedule",
        GroupName=group.ref(),
        Name=sub(f"{STACK}-upkeep"),
        Description=words,
        ScheduleExpression=rate(aws.upkeep.every),
        FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="FLEXIBLE", MaximumWindowInMinutes=FLEXIBLE_MINUTES),
        KmsKeyArn=GetAtt("Key", "Arn"),
        State="ENABLED",
        Target=target,
    )
    stack.add(schedule)


def rate(every: str) -> str:
    """How often, as EventBridge says it: `rate(15 minutes)`."""
    minutes = int(seconds_of(every)) // 60
    return "rate(1 minute)" if minutes == 1 else f"rate({minutes} minutes)"
