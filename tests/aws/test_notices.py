"""Messages of a deployed lake: published to real topics, received by a real queue that listens to them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.clock import HeldClock
from penstock.declaration import Declaration, examine, loads
from penstock.deployed import Deployed
from penstock.deployment.synth import synthesise
from penstock.naming import TableName
from penstock.notices import Letter, Notifier, Target, notifier_of
from penstock.notices.aws import LONGEST_SUBJECT, TopicDelivery, topics_of
from penstock.signals import Signals
from penstock.state import SqliteState
from tests.aws import cloud

LAKE = """
lake: orders
access:
  finance: {contacts: ["mailto:finance@example.org"]}
notices:
  - {name: failures, when: [dead], to: ["mailto:ops@example.org", finance], digest: 1m}
  - {name: uploads, when: [arrived, committed], to: finance}
"""
STACK = "penstock-orders"


def tell_dead(state: SqliteState, count: int) -> None:
    """So many files failed for good."""
    for at in range(count):
        facts = {"file": f"orders/{at}.csv", "reason": "the file is empty", "attempts": 1, "arrival": at}
        state.events.add("dead", TableName.parse("orders"), facts)


@pytest.fixture
def deployed() -> Deployed:
    """Where the parts of the lake are; only its topics are there."""
    cloud.start()
    cloud.reset()
    facts = dict.fromkeys(Deployed.__dataclass_fields__, "-")
    prefix = f"arn:aws:sns:{cloud.REGION}:{cloud.ACCOUNT}:{STACK}-notice-"
    return Deployed(**{**facts, "stack": STACK, "region": cloud.REGION, "topic_prefix": prefix})


@pytest.fixture
def declaration() -> Declaration:
    """Two notices."""
    return loads(LAKE)


class Topics:
    """The topics of the notices, and a queue that hears what is published."""

    def __init__(self, *names: str, stack: str = STACK) -> None:
        """Make them."""
        self._sns, self._sqs = aws.client("sns"), aws.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=f"ears-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        for name in names:
            topic = self._sns.create_topic(Name=f"{stack}-notice-{name}")["TopicArn"]
            self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def heard(self) -> list[dict[str, Any]]:
        """What was published since the last time."""
        found: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found


class Lake:
    """What a notifier looks after."""

    def __init__(self, folder: Path, declaration: Declaration, deployed: Deployed) -> None:
        """Open a store of its own."""
        self.clock = HeldClock()
        self.state = SqliteState(folder, self.clock)
        self.told: list[dict[str, Any]] = []
        signals = Signals()
        signals.listen("*", self.told.append)
        self.notifier: Notifier = notifier_of(declaration, (folder, folder), self.state, self.clock, signals, deployed)

    def close(self) -> None:
        """Close both."""
        self.notifier.close()
        self.state.close()


@pytest.fixture
def lake(tmp_path: Path, declaration: Declaration, deployed: Deployed) -> Iterator[Lake]:
    """A lake whose notices go to topics."""
    made = Lake(tmp_path, declaration, deployed)
    made.notifier.attend()
    yield made
    made.close()


def test_a_thousand_failures_are_one_publication(lake: Lake) -> None:
    """A notice publishes to its own topic, once for all that happened, in the words of a lake on one machine."""
    topics = Topics("failures", "uploads")
    tell_dead(lake.state, 1_000)
    assert lake.notifier.finish()
    (message,) = topics.heard()
    assert message["TopicArn"].endswith(f"{STACK}-notice-failures")
    assert message["Subject"] == "[orders] orders: 1,000 files dead"
    assert "1,000 x " in message["Message"]
    assert [facts["target"] for facts in lake.told if facts["event"] == "told"] == [f"topic {STACK}-notice-failures"]
    assert lake.state.messages.counts() == {"sent": 1, "waiting": 0, "given_up": 0}


def test_a_topic_that_is_not_there_is_tried_again(lake: Lake) -> None:
    """What AWS refuses is kept with its reason, and goes out once it can."""
    tell_dead(lake.state, 1)
    lake.notifier.finish()
    (kept,) = lake.state.messages.list(("waiting",))
    assert "NotFound" in (kept.error or "")
    topics = Topics("failures")
    lake.clock.sleep(3_600)
    lake.notifier.finish()
    assert len(topics.heard()) == 1
    assert lake.state.messages.counts() == {"sent": 1, "waiting": 0, "given_up": 0}


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("", []),
        ("notices: []", []),
        ("notices: [{name: a, when: [dead], to: 'file:'}, {when: [dead], to: 'file:'}]", ["a", "notice_2"]),
        ("notices: [{name: a, when: [dead], to: 'file:'}]\naws: {here_only: [notices.a]}", []),
    ],
)
def test_only_topics_that_the_stack_has(deployed: Deployed, said: str, names: list[str]) -> None:
    """Nothing is published where no topic is: not for the notice that goes without saying, nor for one that stays."""
    found = loads(f"lake: orders\n{said}\n")
    assert [one.name for one in topics_of(found, deployed)] == names
    topics = {f"{STACK}-notice-{name}" for name in names}
    body = synthesise(examine(f"lake: orders\n{said}\n", environment={})).resources.values()
    made = [one["Properties"]["TopicName"] for one in body if one["Type"] == "AWS::SNS::Topic"]
    assert {str(name["Fn::Sub"]).replace("${AWS::StackName}", STACK) for name in made} - topics == {f"{STACK}-alarms"}
    assert len(made) == len(topics) + 1


def test_subject_and_text_are_as_aws_takes_them(deployed: Deployed) -> None:
    """A subject is plain, short and one line, whatever is in it; an overlong text is cut, and says so."""
    topics = Topics("failures")
    deliver, target = TopicDelivery(deployed.region), Target("topic", deployed.topic("failures"))
    deliver(target, Letter("1", 0.0, "été\nfichiers arrivés " + "x" * 200, "où " * 100_000))
    (message,) = topics.heard()
    assert message["Subject"].startswith("ete fichiers arrives xxx")
    assert len(message["Subject"]) == LONGEST_SUBJECT
    assert len(message["Message"].encode()) < 256_000
    assert message["Message"].endswith("the rest is in the log)")
