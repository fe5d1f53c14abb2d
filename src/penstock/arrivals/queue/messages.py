"""Messages of a queue that say which files landed, and what they say, in each of the forms that AWS writes them.

Nothing of a message is believed but the names of files: whatever else it says may be old, or have come twice. The file
is looked at as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

TEST = "s3:TestEvent"
"""What S3 sends to a queue to see whether it may."""


@dataclass(frozen=True)
class Message:
    """One message, as a function is given it.

    Attributes:
        id: What the answer calls it.
        receipt: What it is prolonged and let go by.
        received: How often it was given to anyone, this time included.
        body: What it says.
        keys: Files that may have changed.
        trouble: Why it cannot be understood; empty where it can.
        letter: The number of a dead letter, and the run that made it one, whose message somebody moved back into the
            queue; it is to be tried again.
    """

    id: str
    receipt: str
    received: int
    body: str
    keys: tuple[str, ...] = ()
    trouble: str = ""
    letter: tuple[int, str] | None = None


def read_messages(event: Mapping[str, Any], bucket: str) -> list[Message]:
    """The messages of an event; what they say of other buckets than `bucket` is not understood."""
    return [_read(record, bucket) for record in event.get("Records", ())]


def _read(record: Mapping[str, Any], bucket: str) -> Message:
    body = str(record.get("body", ""))
    keys, trouble, letter = tuple[str, ...](), "", None
    try:
        said = json.loads(body)
        while _is_kept(said):  # it was put away once, and moved back
            body = said["body"]
            said = json.loads(body)
        letter = (int(said["arrival"]), str(said["run"])) if _is_letter(said) else None
        keys = tuple(dict.fromkeys(_keys(said, bucket)))
    except ValueError as error:
        trouble = str(error) if isinstance(error, _NotUnderstoodError) else "it is not JSON"
    except (KeyError, TypeError, AttributeError):
        trouble = "it does not say which file landed, in any form that S3 or EventBridge write"
    received = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    return Message(
        record["messageId"], record["receiptHandle"], received, body, keys, trouble, None if trouble else letter
    )


def _is_kept(said: Any) -> bool:
    """Whether this is a message as it was put among the dead letters, with what it was in it."""
    return isinstance(said, dict) and {"lake", "message", "body"} <= said.keys()


def _is_letter(said: Any) -> bool:
    """Whether this is what the dead-letter queue says of a file."""
    return isinstance(said, dict) and {"lake", "bucket", "file", "arrival", "run"} <= said.keys()


class _NotUnderstoodError(ValueError):
    """What a message says is of no use."""


def _keys(said: Any, bucket: str) -> Iterable[str]:
    """The files that a message names. EventBridge writes names as they are, S3 itself as in a URL."""
    if said.get("Event") == TEST:
        return []
    if _is_letter(said):
        found = [(said["bucket"], said["file"])]
    elif "detail" in said:
        found = [(said["detail"]["bucket"]["name"], said["detail"]["object"]["key"])]
    else:
        places = [record["s3"] for record in said["Records"]]
        found = [(place["bucket"]["name"], unquote_plus(place["object"]["key"])) for place in places]
    if other := next((name for name, _ in found if name != bucket), None):
        message = f"it is about the bucket {other}, and the lake's raw zone is {bucket}"
        raise _NotUnderstoodError(message)
    return [key for _, key in found if not key.endswith("/")]


def landed(bucket: str, key: str, reason: str = "by hand") -> str:
    """A message that a file is to be looked at, in EventBridge's form."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}, "reason": reason}
    return json.dumps({"source": "penstock", "detail-type": "Look Again", "detail": detail})
