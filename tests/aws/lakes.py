"""A deployed lake on the AWS of this machine: buckets, table and queues, as its stack has them, and files that land.

What lands goes the whole way: S3 tells EventBridge, a rule puts the event into the queue.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from penstock import aws
from penstock.clock import Clock
from penstock.declaration import examine_deployed
from penstock.deployed import Deployed
from penstock.deployment.functions import FOLDER, WORK, Runtime
from penstock.lake import Lake
from penstock.site.aws import AwsSite
from penstock.state.aws.layout import definition
from tests.aws import cloud

RECEIVES = 10
VISIBLE_SECONDS = 5_400


@dataclass
class CloudLake:
    """A lake of its own on AWS.

    Attributes:
        folder: Where its `lake.yaml` is.
        deployed: Where its parts are.
        work: Where its functions, and laptops, keep what does not last.
        log: What the functions of this process wrote.
    """

    folder: Path
    deployed: Deployed
    work: Path
    log: StringIO = field(default_factory=StringIO)

    @property
    def variables(self) -> dict[str, str]:
        """What its functions are told."""
        return {**self.deployed.environment, FOLDER: str(self.folder), WORK: str(self.work / "function")}

    def runtime(self, clock: Clock | None = None, work: str = "function") -> Runtime:
        """Its functions in this process, in the disk `work` of their own."""
        return Runtime({**self.variables, WORK: str(self.work / work)}, self.log, clock)

    def open(self, clock: Clock | None = None, **values: str) -> Lake:
        """Open it as from a laptop; with the `values` of its secrets, rows can be made."""
        work = self.work / "laptop"
        return Lake(
            self.folder,
            clock,
            site=lambda lake: AwsSite(self.deployed, work, lake.note_sealed),
            read=partial(examine_deployed, values=values or None),
        )

    def land(self, key: str, content: bytes) -> None:
        """Let a file land."""
        aws.client("s3").put_object(Bucket=self.deployed.raw_bucket, Key=key, Body=content)

    def land_all(self, raw: Path) -> int:
        """Let all files of a folder land, in the order of their names; gives their number."""
        files = sorted(file for file in raw.rglob("*") if file.is_file())
        for file in files:
            self.land(file.relative_to(raw).as_posix(), file.read_bytes())
        return len(files)

    def dead_letters(self) -> list[dict[str, Any]]:
        """What the dead-letter queue has; the messages stay away for a while."""
        found = list[dict[str, Any]]()
        while (
            messages := aws.client("sqs")
            .receive_message(
                QueueUrl=self.deployed.dead_letter_queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            .get("Messages")
        ):
            found += [
                {**json.loads(message["Body"]), "attributes": message.get("MessageAttributes", {})}
                for message in messages
            ]
        return found

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Events that the functions of this process wrote."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if "event" in line and name in ("", line["event"])]

    def metrics(self) -> list[dict[str, Any]]:
        """Lines of metrics that they wrote."""
        return [line for line in map(json.loads, self.log.getvalue().splitlines()) if "_aws" in line]


def deploy(
    folder: Path, declaration: str | None = None, *, receives: int = RECEIVES, connected: bool = True
) -> CloudLake:
    """Make a lake; its name gets an end of its own, so that tests do not meet.

    If it is not `connected`, S3 tells nobody what lands.
    """
    cloud.start()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lake.yaml"
    text = file.read_text("utf-8") if declaration is None else declaration
    end = uuid.uuid4().hex[:8]
    text = re.sub(r"^lake: *(\w+)", lambda found: f"lake: {found[1]}_{end}", text, count=1, flags=re.MULTILINE)
    file.write_text(text, encoding="utf-8")
    name = re.search(r"^lake: (\w+)", text, re.MULTILINE)
    assert name is not None
    stack = f"penstock-{name[1].replace('_', '-')}"
    made = _made(name[1], stack, receives)
    if connected:
        _connect(made)
    return CloudLake(folder, made, folder / "aws")


def _made(lake: str, stack: str, receives: int) -> Deployed:
    """Make its parts."""
    sqs = aws.client("sqs")
    dead = sqs.create_queue(QueueName=f"{stack}-dead-letters")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(dead), "maxReceiveCount": receives}
    settings = {"VisibilityTimeout": str(VISIBLE_SECONDS), "RedrivePolicy": json.dumps(redrive)}
    intake = sqs.create_queue(QueueName=f"{stack}-intake", Attributes=settings)["QueueUrl"]
    aws.client("dynamodb").create_table(**definition(f"{stack}-state"))
    return Deployed(
        lake=lake,
        stack=stack,
        region=cloud.REGION,
        account=cloud.ACCOUNT,
        raw_bucket=cloud.bucket(),
        processed_bucket=cloud.bucket(),
        enriched_bucket=cloud.bucket(),
        state_table=f"{stack}-state",
        intake_queue=intake,
        dead_letter_queue=dead,
        topic_prefix=f"arn:aws:sns:{cloud.REGION}:{cloud.ACCOUNT}:{stack}-notice-",
        workgroup=stack,
        key=f"arn:aws:kms:{cloud.REGION}:{cloud.ACCOUNT}:key/none",
    )


def _connect(made: Deployed) -> None:
    """Let the raw bucket tell the queue what landed."""
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=made.raw_bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    events = aws.client("events")
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [made.raw_bucket]}},
    }
    events.put_rule(Name=f"{made.stack}-landed", EventPattern=json.dumps(pattern))
    target = {"Id": "intake", "Arn": _arn(made.intake_queue)}
    answer: Mapping[str, Any] = events.put_targets(Rule=f"{made.stack}-landed", Targets=[target])
    assert not answer["FailedEntryCount"]


def _arn(url: str) -> str:
    return f"arn:aws:sqs:{cloud.REGION}:{cloud.ACCOUNT}:{url.rpartition('/')[2]}"
