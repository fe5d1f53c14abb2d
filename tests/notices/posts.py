"""Ways that messages of notices go: each with what hears them at its end, and a way to let it fail.

The mail server, the receiver of webhooks and the folder are real; topics are those of moto, with a queue that listens.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from penstock import aws
from penstock.clock import Clock
from penstock.declaration import Declaration, loads
from penstock.deployed import Deployed
from penstock.notices import Delivery, Letter, Target
from penstock.notices.aws import TopicDelivery
from penstock.notices.deliver import Deliver
from penstock.state import SqliteState, State
from tests.aws import cloud
from tests.aws.tables import dynamo_state
from tests.notices.servers import hook, mail_server

NOTICE = "failures"


class Post(Protocol):
    """A way that messages go.

    Attributes:
        declaration: A lake whose notice `failures` goes that way.
        deployed: Where the lake is on AWS; None for one on this machine.
        target: Where letters go.
    """

    declaration: Declaration
    deployed: Deployed | None
    target: Target

    def deliver(self, letter: Letter) -> None:
        """Make one attempt, as the notifier does."""

    def state(self, clock: Clock) -> State:
        """Open the state store that goes with it, as one more process."""

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts of all that arrived so far."""

    def fail(self) -> None:
        """Let nothing through, until it is mended."""

    def mend(self) -> None:
        """Let everything through again."""

    def close(self) -> None:
        """End what listens."""


class _Here:
    """What ways on this machine share."""

    deployed: Deployed | None = None

    def __init__(self, folder: Path, to: str, clock: Clock, more: str = "") -> None:
        _load_apprise()
        self.folder, self._clock = folder, clock
        self.declaration = _lake(to, more)
        self.target = Target("target", to)
        self._deliver: Deliver = Delivery(self.declaration.mail, folder, folder / ".penstock", clock)

    def deliver(self, letter: Letter) -> None:
        """Make one attempt."""
        self._deliver(self.target, letter)

    def state(self, clock: Clock) -> State:
        """Open the store that goes with it."""
        return SqliteState(self.folder / ".penstock", clock)


class OutboxPost(_Here):
    """Files in a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, "file:", clock)
        self._outbox = folder / ".penstock" / "outbox"

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts so far."""
        texts = [file.read_text("utf-8") for file in sorted(self._outbox.glob("*.txt"))]
        return [(text.partition("\n")[0].removeprefix("Subject: "), text.partition("\n\n")[2]) for text in texts]

    def fail(self) -> None:
        """Let nothing through."""
        shutil.rmtree(self._outbox, ignore_errors=True)
        self._outbox.parent.mkdir(parents=True, exist_ok=True)
        self._outbox.write_text("a file, where a folder has to be", encoding="utf-8")

    def mend(self) -> None:
        """Let everything through again."""
        self._outbox.unlink()

    def close(self) -> None:
        """End what listens: nothing does."""


class MailPost(_Here):
    """Mails to a server."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._open = ExitStack()
        self._server = self._open.enter_context(mail_server())
        mail = f"mail: {{server: 'smtp://127.0.0.1:{self._server.port}', from: lake@example.org}}\n"
        super().__init__(folder, "mailto:ops@example.org", clock, mail)

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts so far."""
        return list(zip(self._server.subjects, self._server.texts, strict=True))

    def fail(self) -> None:
        """Let nothing through."""
        self._server.refusals = ["451 not now"] * 100

    def mend(self) -> None:
        """Let everything through again."""
        self._server.refusals = []

    def close(self) -> None:
        """End what listens."""
        self._open.close()


class HookPost(_Here):
    """Webhooks."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._open = ExitStack()
        self._hook = self._open.enter_context(hook())
        super().__init__(folder, f"json://127.0.0.1:{self._hook.port}/", clock)

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts so far."""
        return [(said["title"], said["message"]) for said in self._hook.received]

    def fail(self) -> None:
        """Let nothing through."""
        self._hook.answers = [503] * 100

    def mend(self) -> None:
        """Let everything through again."""
        self._hook.answers = []

    def close(self) -> None:
        """End what listens."""
        self._open.close()


class TopicPost:
    """Topics of a deployed lake."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        cloud.start()
        self.folder, self._clock = folder, clock
        self.declaration = _lake("mailto:ops@example.org")
        self._name = f"{cloud.bucket()}-notice-{NOTICE}"  # a name of its own
        prefix = f"arn:aws:sns:{cloud.REGION}:{cloud.ACCOUNT}:{self._name.removesuffix(NOTICE)}"
        facts: dict[str, Any] = dict.fromkeys(Deployed.__dataclass_fields__, "-")
        stack = self._name.removesuffix(f"-notice-{NOTICE}")
        self.deployed: Deployed | None = Deployed(
            **{**facts, "stack": stack, "region": cloud.REGION, "topic_prefix": prefix}
        )
        self.target = Target("target", f"{prefix}{NOTICE}")
        self._deliver: Deliver = TopicDelivery(cloud.REGION)
        self._sns, self._sqs = aws.client("sns"), aws.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=f"{self._name}-ears")["QueueUrl"]
        self._heard: list[tuple[str, str]] = []
        self.mend()

    def deliver(self, letter: Letter) -> None:
        """Make one attempt."""
        self._deliver(self.target, letter)

    def state(self, clock: Clock) -> State:
        """Open the store that goes with it."""
        return dynamo_state(self.folder, clock)

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts so far."""
        while found := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                said: Mapping[str, str] = json.loads(message["Body"])
                self._heard.append((said["Subject"], said["Message"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return list(self._heard)

    def fail(self) -> None:
        """Let nothing through."""
        self._sns.delete_topic(TopicArn=self.target.url)

    def mend(self) -> None:
        """Let everything through again."""
        topic = self._sns.create_topic(Name=self._name)["TopicArn"]
        arn = f"arn:aws:sqs:{cloud.REGION}:{cloud.ACCOUNT}:{self._queue.rpartition('/')[2]}"
        self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def close(self) -> None:
        """End what listens."""
        self._sqs.delete_queue(QueueUrl=self._queue)


@cache
def _load_apprise() -> None:
    """What apprise imports with a warning is imported before warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        apprise.Apprise.instantiate("json://localhost/")


def _lake(to: str, more: str = "") -> Declaration:
    notice = f"notices: [{{name: {NOTICE}, when: [dead], to: '{to}', digest: 1m}}]\n"
    return loads(f"lake: shop\n{more}{notice}tables: {{orders: {{files: '*.csv'}}}}\n", environment={})
