"""What AWS itself knows of how a deployed lake does: its alarms, its queues, and who has not confirmed to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.aws import asking, client
from penstock.deployed import Deployed
from penstock.deployment.confirmations import unconfirmed
from penstock.deployment.stacks import Stacks

ACTIONS = ("cloudwatch:DescribeAlarms", "sqs:GetQueueAttributes")
WAITING, IN_HAND = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


@dataclass(frozen=True)
class Ringing:
    """An alarm that is on.

    Attributes:
        alarm: Its name, without the stack's.
        since: When it went on, seconds since 1970.
        reason: Why, in CloudWatch's words.
    """

    alarm: str
    since: float
    reason: str


@dataclass(frozen=True)
class Outlook:
    """How a deployed lake does.

    Attributes:
        stack: Its CloudFormation stack.
        region: Where it is.
        ringing: Alarms that are on.
        alarms: How many alarms there are.
        queued: Messages of files that landed, which no function has taken up yet.
        in_hand: Those that one has.
        dead_letters: Messages in the dead-letter queue.
        unconfirmed: Addresses that get no messages, because they have not confirmed yet, and the topics.
    """

    stack: str
    region: str
    ringing: tuple[Ringing, ...]
    alarms: int
    queued: int
    in_hand: int
    dead_letters: int
    unconfirmed: tuple[tuple[str, str], ...]


def look_out(deployed: Deployed) -> Outlook:
    """Ask AWS.

    Raises:
        AwsError: It could not be asked.
    """
    found = _alarms(deployed)
    queued, in_hand = _depth(deployed.intake_queue, deployed.region)
    return Outlook(
        stack=deployed.stack,
        region=deployed.region,
        ringing=tuple(_ringing(one, deployed.stack) for one in found if one["StateValue"] == "ALARM"),
        alarms=len(found),
        queued=queued,
        in_hand=in_hand,
        dead_letters=sum(_depth(deployed.dead_letter_queue, deployed.region)),
        unconfirmed=tuple(unconfirmed(Stacks(deployed.region).resources(deployed.stack), deployed.region)),
    )


def _alarms(deployed: Deployed) -> list[dict[str, Any]]:
    watch = client("cloudwatch", deployed.region)
    with asking("look at the alarms", deployed.stack):
        pages = watch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{deployed.stack}-")
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def _ringing(alarm: dict[str, Any], stack: str) -> Ringing:
    since = alarm["StateUpdatedTimestamp"].timestamp()
    return Ringing(alarm["AlarmName"].removeprefix(f"{stack}-"), since, alarm.get("StateReason", ""))


def _depth(queue: str, region: str) -> tuple[int, int]:
    with asking("look into the queue", queue):
        answer = client("sqs", region).get_queue_attributes(QueueUrl=queue, AttributeNames=[WAITING, IN_HAND])
    return int(answer["Attributes"][WAITING]), int(answer["Attributes"][IN_HAND])
