"""Who has not yet confirmed that they want to be told: AWS writes to nobody who did not say yes."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.aws import asking, client
from penstock.deployment.stacks import Resource

ACTIONS = ("sns:ListSubscriptionsByTopic",)
PENDING = "PendingConfirmation"


def unconfirmed(resources: Iterable[Resource], region: str | None) -> list[tuple[str, str]]:
    """Addresses that wait for a confirmation, and the topics that they are to be told of."""
    sns = client("sns", region)
    found: list[tuple[str, str]] = []
    for topic in sorted(part.physical for part in resources if part.type == "AWS::SNS::Topic" and part.physical):
        with asking("look who has confirmed to be told", topic):
            pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            waiting = [part for page in pages for part in page["Subscriptions"] if part["SubscriptionArn"] == PENDING]
        found += [(part["Endpoint"], topic.rpartition(":")[2]) for part in waiting]
    return found
