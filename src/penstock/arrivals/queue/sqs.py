"""The queue that says which files landed, and the one for what failed for good, on SQS.

An event source mapping takes messages out of the intake queue and deletes those that the function does not name in its
answer. What is done to them besides is done here: their time is prolonged while there is work on them, and set to the
moment at which trying again is of use.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock.arrivals.queue.messages import Message, landed
from penstock.aws import asking, client
from penstock.errors import AwsError

MAPPING_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What the event source mapping does with the intake queue, as the function."""
INTAKE_ACTIONS = (*MAPPING_ACTIONS, "sqs:ChangeMessageVisibility")
DEAD_ACTIONS = ("sqs:SendMessage",)
WAKING_ACTIONS = ("sqs:SendMessage",)
"""What whoever replays a file does with the intake queue."""
FORGETTING_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
"""What whoever replays or discards dead letters does with their queue."""
ACTIONS = (*INTAKE_ACTIONS, *DEAD_ACTIONS)

_T = TypeVar("_T")

AT_ONCE = 10
"""Messages that SQS takes in one call."""
LONGEST = 42_000
"""Seconds that a message is kept away at most: 12 hours from when it was given out, says SQS, less an invocation."""
UNLIMITED = 1 << 30
MOST = 100_000
"""Letters that are kept of what cannot be understood; S3 and EventBridge write a thousand."""
SHOWN = 250
"""Most letters of a reason that stand in a message's attribute."""
LOOKING_SECONDS = 60
"""How long messages are kept from others that are looked through."""


@dataclass(frozen=True)
class Letter:
    """What a message says of a file that failed for good.

    Attributes:
        arrival: Its number in the state store.
        code: The kind of trouble; line, row and column are where it is, as far as is known.
    """

    lake: str
    bucket: str
    table: str
    file: str
    arrival: int
    attempts: int
    reason: str
    run: str
    at: str
    version: str = ""
    code: str = ""
    line: int | None = None
    row: int | None = None
    column: str | None = None


class IntakeQueue:
    """The queue of files that landed."""

    def __init__(self, url: str, region: str | None = None) -> None:
        """Use the queue at `url`."""
        self._url, self._region = url, region
        self._receives: int | None = None

    def receives(self) -> int:
        """How often a message is given out until SQS moves it to the dead-letter queue by itself; asked once."""
        if self._receives is None:
            with asking("look at the queue of files that landed", self._url):
                answer = client("sqs", self._region).get_queue_attributes(
                    QueueUrl=self._url, AttributeNames=["RedrivePolicy"]
                )
            said = answer.get("Attributes", {}).get("RedrivePolicy", "{}")
            self._receives = int(json.loads(said).get("maxReceiveCount", UNLIMITED))
        return self._receives

    def prolong(self, messages: Sequence[Message], seconds: float) -> None:
        """Keep messages from everybody else for so many seconds from now on; 0 gives them to whoever comes first.

        Those that are gone already, or that somebody else has meanwhile, do not matter.
        """
        timeout = max(0, min(round(seconds), LONGEST))
        for some in _parts(messages):
            entries = [
                {"Id": str(at), "ReceiptHandle": message.receipt, "VisibilityTimeout": timeout}
                for at, message in enumerate(some)
            ]
            with asking("keep messages of files that landed", self._url):
                client("sqs", self._region).change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def wake(self, bucket: str, keys: Iterable[str]) -> None:
        """Have files looked at again, as if they had just landed."""
        for some in _parts(list(keys)):
            entries = [{"Id": str(at), "MessageBody": landed(bucket, key)} for at, key in enumerate(some)]
            _send(self._url, self._region, entries)


class DeadLetterQueue:
    """The queue of what failed for good; its depth is what the alarm looks at."""

    def __init__(self, url: str, region: str | None = None) -> None:
        """Use the queue at `url`."""
        self._url, self._region = url, region

    def put(self, letter: Letter) -> None:
        """Say that a file failed for good."""
        facts = {name: fact for name, fact in vars(letter).items() if fact not in (None, "")}
        self._put(facts, letter.reason)

    def put_strange(self, lake: str, message: Message, reason: str) -> None:
        """Keep a message that is of no use, as it came."""
        self._put({"lake": lake, "reason": reason, "message": message.id, "body": message.body[:MOST]}, reason)

    def _put(self, facts: Mapping[str, Any], reason: str) -> None:
        shown = {"reason": {"DataType": "String", "StringValue": _plain(reason)[:SHOWN] or "?"}}
        body = json.dumps(facts, ensure_ascii=True)
        _send(self._url, self._region, [{"Id": "0", "MessageBody": body, "MessageAttributes": shown}])

    def forget(self, arrivals: Collection[int]) -> int:
        """Take out the messages of arrivals that were replayed or given up; gives how many.

        All messages are looked through, until only such come that were there before; the others come back at once.
        """
        sqs, wanted, gone = client("sqs", self._region), set(arrivals), 0
        others = dict[str, str]()
        with asking("take dead letters out of their queue", self._url):
            while messages := self._received(sqs):
                known = others.keys() & {message["MessageId"] for message in messages}
                for message in messages:
                    if _number(message["Body"]) in wanted:
                        sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                        gone += 1
                    else:
                        others[message["MessageId"]] = message["ReceiptHandle"]
                if len(known) == len(messages):
                    break  # there are so many that the first ones are back
            for some in _parts(list(others.values())):
                entries = [
                    {"Id": str(at), "ReceiptHandle": receipt, "VisibilityTimeout": 0} for at, receipt in enumerate(some)
                ]
                sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        return gone

    def _received(self, sqs: Any) -> list[dict[str, Any]]:
        found = sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=AT_ONCE, VisibilityTimeout=LOOKING_SECONDS, WaitTimeSeconds=1
        )
        messages: list[dict[str, Any]] = found.get("Messages", [])
        return messages


def _send(url: str, region: str | None, entries: list[dict[str, Any]]) -> None:
    with asking("send a message", url):
        answer = client("sqs", region).send_message_batch(QueueUrl=url, Entries=entries)
    if failed := answer.get("Failed"):
        message = f"AWS could not send a message: {failed[0].get('Code')}: {failed[0].get('Message', '')}"
        raise AwsError(message, where=url)


def _number(body: str) -> int | None:
    try:
        found = json.loads(body).get("arrival")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def _plain(text: str) -> str:
    """What SQS takes as a text: no control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[at : at + AT_ONCE] for at in range(0, len(items), AT_ONCE))
