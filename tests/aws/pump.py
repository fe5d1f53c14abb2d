"""The event source mapping, played for real over the queue: messages are received in batches and given to a function.

What it does is what AWS says that it does: what the function does not name in its answer is deleted, what it names, and
all of a batch whose function failed or was killed, comes back when its time is over; SQS itself moves a message to the
dead-letter queue that was received too often. Only time is played: `pass_time` brings back at once what would come back
later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from penstock import aws

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
MINUTES_15 = 900_000


@dataclass
class Context:
    """What Lambda says of an invocation.

    Attributes:
        milliseconds: What is left.
    """

    milliseconds: int = MINUTES_15

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return self.milliseconds


@dataclass
class Pump:
    """Gives the messages of one queue to a function.

    Attributes:
        handler: The function.
        batch: Messages that it gets at once, at most.
        told: What became of messages: `done`, `back`, and `failed` for those of invocations that failed.
        away: Receipts of messages that come back later.
    """

    queue: str
    handler: Handler
    batch: int = 10
    told: Counter[str] = field(default_factory=Counter)
    away: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def receive(self) -> list[dict[str, Any]]:
        """Take a batch out of the queue, for as long as the queue says."""
        sqs, found = aws.client("sqs"), list[dict[str, Any]]()
        while len(found) < self.batch:
            some = sqs.receive_message(
                QueueUrl=self.queue,
                MaxNumberOfMessages=min(10, self.batch - len(found)),
                AttributeNames=["All"],
                WaitTimeSeconds=0,
            ).get("Messages", [])
            if not some:
                break
            found += some
        return found

    def once(self, context: Context | None = None) -> bool:
        """Give one batch to the function; False when nothing waits."""
        messages = self.receive()
        if not messages:
            return False
        try:
            answer = self.handler(event_of(messages), context or Context())
        except Exception as error:  # noqa: BLE001 - as on AWS, whatever it is, the batch comes back
            self.errors.append(error)
            self.settle(messages, None)
        else:
            self.settle(messages, answer)
        return True

    def settle(self, messages: list[dict[str, Any]], answer: dict[str, Any] | None) -> None:
        """Delete what is done; `answer` is None for a function that failed."""
        back = {item["itemIdentifier"] for item in answer["batchItemFailures"]} if answer is not None else None
        for message in messages:
            if back is not None and message["MessageId"] not in back:
                aws.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                self.told["done"] += 1
            else:
                self.away.append(message["ReceiptHandle"])
                self.told["failed" if back is None else "back"] += 1

    def pass_time(self) -> None:
        """Bring back what is away."""
        sqs = aws.client("sqs")
        while self.away:
            receipt = self.away.pop()
            with suppress(sqs.exceptions.ReceiptHandleIsInvalid):  # back by itself in a long storm, and done since
                sqs.change_message_visibility(QueueUrl=self.queue, ReceiptHandle=receipt, VisibilityTimeout=0)

    def drain(self, later: Callable[[], object] | None = None, rounds: int = 50) -> None:
        """Give the function everything, until nothing waits and nothing is away; `later` lets time pass."""
        for _ in range(rounds):
            while self.once():
                pass
            if not self.away:
                return
            if later is not None:
                later()
            self.pass_time()
        raise AssertionError(f"messages still come back after {rounds} rounds: {self.told} {self.errors[-1:]}")


def event_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The event that a function gets for messages."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for message in messages
        ]
    }
