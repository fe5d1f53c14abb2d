"""AWS's own trouble, or the disk's, buries no file: it waits, nothing is counted against it, and it is told why.

A wire in front of moto refuses, as AWS does, what the tests say; that AWS's own outages look like this is not tested
here. Moto's queue moves a message to the dead-letter queue by itself, as SQS does; it knows no longest time for which a
message can be kept away.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import aws, faults
from penstock.arrivals.cloudformation import LEAST_RECEIVES
from penstock.arrivals.failing import MOST_HELD_UP, OUTAGE_AT_MOST_SECONDS
from penstock.arrivals.queue.sqs import LONGEST, IntakeQueue
from penstock.aws import asking, is_of_aws
from penstock.errors import AwsDeniedError, AwsError, BadFileError, CommitUnknownError
from penstock.storage.copies import Copies
from tests.aws.proxy import Answer, Rule, Wire, wire
from tests.aws.pump import Context
from tests.aws.scene import DECLARATION, Scene
from tests.told import count, say

DENIED = Answer(403, "AccessDenied", "User: x is not authorized to perform: s3:GetObject")
ALONE = DECLARATION.replace('{files: "t/**/*.csv"}', '{files: "t/**/*.csv", steps: [{dedupe: {key: [id]}}]}')
"""Files of t are worked on one by one."""
REFUSALS = {
    "denied": DENIED,
    "expired": Answer(400, "ExpiredToken", "The provided token has expired."),
    "key": Answer(400, "KMS.DisabledException", "The key is disabled."),
}

SAID = {
    "denied": "AWS does not allow these credentials to",
    "expired": "AWS does not take the credentials any more, which are needed to write a file",
    "key": "KMS.DisabledException: The key is disabled.",
}


class Troubled(Scene):
    """A scene behind a wire."""

    def __init__(self, folder: Path, wired: Wire, declaration: str = DECLARATION, receives: int = 10) -> None:
        super().__init__(folder, declaration, receives)
        self.wire, self.asked = wired, list[float]()

    def refuse(self, place: str, answer: Answer) -> None:
        """From now on AWS refuses: to look at files once work on one began, or to take data, or metadata of tables."""
        raw = self.lake.deployed.raw_bucket
        rules: dict[str, Rule] = {
            "read": lambda method, path: answer if method in {"HEAD", "GET"} and raw in path and self._file else None,
            "write": lambda method, path: answer if method == "PUT" and "/data/" in path else None,
            "commit": lambda method, path: answer if method == "PUT" and "/metadata/" in path else None,
        }
        self._file, self.wire.rule = "", rules[place]

    def recover(self) -> None:
        """AWS does again what it is asked."""
        self.wire.rule = lambda _method, _path: None

    def attempts(self) -> list[tuple[str, str, int]]:
        """Files with their states and counted attempts."""
        return self.rows("SELECT file, state, attempts FROM penstock.arrivals ORDER BY file")


@pytest.fixture
def wired() -> Iterator[Wire]:
    """A wire to AWS."""
    with wire() as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, wired: Wire) -> Iterator[Troubled]:
    """A scene of its own."""
    made = Troubled(tmp_path / "lake", wired)
    yield made
    made.close()


@pytest.mark.parametrize(("place", "refusal"), [("read", "denied"), ("write", "key"), ("commit", "expired")])
def test_aws_in_trouble_buries_no_good_file(scene: Troubled, place: str, refusal: str) -> None:
    """However often AWS refuses, no attempt is counted, the message comes back, and it is said why the file waits."""
    scene.refuse(place, REFUSALS[refusal])
    scene.lake.land("t/a.csv", b"id\n1\n")
    for _ in range(4):  # more often than a file of its own fault is tried
        assert scene.pump.once()
        scene.clock.sleep(61)
        scene.pump.pass_time()
    scene.recover()
    assert scene.attempts() == [("t/a.csv", "pending", 0)]
    ((reason,),) = scene.rows("SELECT reason FROM penstock.arrivals")
    assert SAID[refusal] in reason
    assert scene.lake.dead_letters() == []
    told = scene.lake.events("outage")
    assert [SAID[refusal] in event["reason"] for event in told] == [True] * 4
    assert {event["retry_in"] for event in told} == {60}
    assert sum(line.get("Failures", 0) for line in scene.lake.metrics()) == 4  # an alarm may look at them all the same
    scene.drain()
    assert scene.attempts() == [("t/a.csv", "finished", 1)]
    assert scene.rows("SELECT id FROM t") == [(1,)]
    count("outages", f"{place}: {refusal}", unit="refusals")


def test_a_file_that_aws_refuses_holds_up_no_other(scene: Troubled) -> None:
    """One object that the function may not read, as somebody else's key is on it, waits alone."""
    scene.wire.rule = lambda method, path: DENIED if method in {"GET", "HEAD"} and "t/theirs" in path else None
    for name in ("a", "theirs", "z"):
        scene.lake.land(f"t/{name}.csv", f"id\n{ord(name[0])}\n".encode())
    assert scene.pump.once()
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(ord("a"),), (ord("z"),)]
    assert scene.waiting() == (0, 1)
    (told,) = scene.lake.events("unrecorded")
    assert told["file"] == "t/theirs.csv"
    assert SAID["denied"] in told["reason"]


def test_while_nothing_can_be_done_little_is_tried(tmp_path: Path, wired: Wire) -> None:
    """When one file after the other is refused, the others of an invocation are left alone, and come back as well."""
    scene = Troubled(tmp_path / "lake", wired, ALONE)
    for at in range(5):
        scene.lake.land(f"t/{at}.csv", f"id\n{at}\n".encode())
    scene.refuse("write", REFUSALS["key"])
    assert scene.pump.once()
    assert len(scene.lake.events("outage")) == MOST_HELD_UP
    assert scene.waiting() == (0, 5)
    scene.recover()
    assert {(state, attempts) for _, state, attempts in scene.attempts()} == {("pending", 0)}
    scene.drain()
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(at,) for at in range(5)]
    scene.close()


def test_messages_outlast_an_outage(tmp_path: Path, wired: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message stays away for longer each time, so that the queue gives it up after half a day at the soonest.

    The last time it is put among the dead letters with the reason. Its file needs no message: upkeep takes it up.
    Moved back into the queue, as the console does, it is understood.
    """
    scene, prolong = Troubled(tmp_path / "lake", wired, receives=4), IntakeQueue.prolong

    def noted(queue: IntakeQueue, messages: Any, seconds: float) -> None:
        scene.asked.append(seconds)
        prolong(queue, messages, seconds)

    monkeypatch.setattr(IntakeQueue, "prolong", noted)
    scene.refuse("write", REFUSALS["key"])
    scene.lake.land("t/a.csv", b"id\n1\n")
    waits = list[float]()
    for _ in range(4):
        assert scene.pump.once()
        waits.append(scene.asked[-1])
        scene.clock.sleep(61)
        scene.pump.pass_time()
    assert waits[:3] == [60 * 2.0**received for received in range(1, 4)]
    assert sum(60 * 2.0**received for received in range(1, LEAST_RECEIVES)) > 12 * 3600
    assert 60 * 2.0 ** (LEAST_RECEIVES - 1) < LONGEST < 12 * 3600
    assert scene.waiting() == (0, 0)
    (letter,) = scene.lake.dead_letters()
    assert letter["reason"].startswith("t/a.csv was told of 4 times, and still waits: ")
    assert REFUSALS["key"].text in letter["reason"]
    scene.recover()
    assert scene.attempts() == [("t/a.csv", "pending", 0)]
    scene.runtime.tend({}, Context())
    assert scene.rows("SELECT id FROM t") == [(1,)]
    del letter["attributes"]
    scene.send(json.dumps(letter))
    scene.drain()
    assert scene.rows("SELECT id FROM t") == [(1,)]
    assert scene.lake.dead_letters() == []
    scene.close()


def test_what_aws_refuses_for_a_day_is_dead_with_its_reason(scene: Troubled) -> None:
    """After a day attempts count: what will always be refused is told of. Its message, moved back, tries it again."""
    scene.refuse("write", REFUSALS["key"])
    scene.lake.land("t/a.csv", b"id\n1\n")
    assert scene.pump.once()
    scene.clock.sleep(OUTAGE_AT_MOST_SECONDS)
    scene.pump.pass_time()
    scene.drain()
    scene.recover()
    (letter,) = scene.lake.dead_letters()
    assert (letter["attempts"], letter["code"]) == (3, "aws")
    assert REFUSALS["key"].text in letter["reason"]
    del letter["attributes"]
    for _ in range(2):  # the second one finds that there is nothing to do
        scene.send(json.dumps(letter))
        scene.drain()
        assert scene.attempts() == [("t/a.csv", "finished", 1)]
    assert scene.rows("SELECT id FROM t") == [(1,)]
    assert scene.lake.dead_letters() == []


def test_a_letter_that_is_moved_back_and_fails_again_is_one_letter(scene: Troubled) -> None:
    """A dead letter that is moved back while nothing was mended is dead again, once, however it comes."""
    scene.lake.land("t/bad.csv", b"id,id\n1,2\n")
    scene.drain()
    (letter,) = scene.lake.dead_letters()
    del letter["attributes"]
    for _ in range(3):
        scene.send(json.dumps(letter))
    scene.drain()
    (again,) = scene.lake.dead_letters()
    assert (again["arrival"], again["reason"]) == (letter["arrival"], letter["reason"])
    assert again["run"] != letter["run"]
    assert len(scene.lake.events("dead")) == 2


def test_messages_of_a_function_that_fails_stay_away_for_longer(
    scene: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the state store is not there, the queue's receives are not used up within minutes."""
    seen, prolong = list[float](), IntakeQueue.prolong

    def noted(queue: IntakeQueue, messages: Any, seconds: float) -> None:
        seen.append(seconds)
        prolong(queue, messages, seconds)

    scene.lake.land("t/a.csv", b"id\n1\n")
    aws.client("dynamodb").delete_table(TableName=scene.lake.deployed.state_table)
    monkeypatch.setattr(IntakeQueue, "prolong", noted)
    waits = list[float]()
    for _ in range(3):
        assert scene.pump.once()
        waits.append(seen[-1])
        scene.pump.pass_time()
    assert waits == [120, 240, 480]
    assert len(scene.pump.errors) == 3


def test_which_errors_are_of_aws() -> None:
    """Outages, throttling, credentials and keys are AWS's; what it says of the request, or a file's fault, is not."""
    from botocore.exceptions import ClientError, EndpointConnectionError

    def told(error: Exception) -> AwsError:
        with pytest.raises(AwsError) as found, asking("write a file", "s3://b/k"):
            raise error
        return found.value

    passing: tuple[str, ...] = (
        "SlowDown",
        "InternalError",
        "ServiceUnavailable",
        "ThrottlingException",
        "AccessDenied",
        "ExpiredToken",
    )
    passing += ("KMS.DisabledException", "KMSInvalidStateException", "NoSuchBucket", "ResourceNotFoundException")
    for code in passing:
        assert is_of_aws(told(ClientError({"Error": {"Code": code, "Message": "x"}}, "PutObject"))), code
    for code in ("ValidationException", "InvalidInputException", "EntityTooLarge", "KeyTooLongError"):
        assert not is_of_aws(told(ClientError({"Error": {"Code": code, "Message": "x"}}, "PutObject"))), code
    assert is_of_aws(told(EndpointConnectionError(endpoint_url="http://x")))
    assert is_of_aws(CommitUnknownError("who knows"))
    wrapped = RuntimeError("an engine's")
    wrapped.__cause__ = AwsDeniedError("no")
    assert is_of_aws(wrapped)
    bad = BadFileError("no header")
    bad.__cause__ = AwsDeniedError("no")
    assert not is_of_aws(bad)
    assert not is_of_aws(OSError(errno.EIO, "x"))
    say("outages", f"{len(passing)} codes of AWS's own trouble")


# --- The disk ----------------------------------------------------------------------------------


class FullDisk:
    """A disk that has no room for the rows of some files, so many times."""

    def __init__(self, scene: Scene, beginning: str, times: int) -> None:
        self._scene, self._beginning, self.left, self.copies = scene, beginning, times, list[int]()
        self._file = ""
        scene.runtime.lake.signals.listen("started", self._note)
        faults.install(self._strike)

    def _note(self, event: dict[str, Any]) -> None:
        self._file = event["file"]

    def _strike(self, place: str) -> None:
        if place == "engine.write" and self._file.startswith(self._beginning):
            self.copies.append(len(list((self._scene.lake.work / "function/processed").rglob("*.parquet"))))
            if self.left:
                self.left -= 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_counts_as_no_attempt_and_is_freed(scene: Troubled) -> None:
    """A file that finds the function's disk full is tried again at once, when all copies of tables are gone."""
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.drain()
    disk = FullDisk(scene, "t/b", 1)
    scene.lake.land("t/b.csv", b"id\n2\n")
    scene.drain(2)
    assert disk.copies == [1, 0]
    assert [event["file"] for event in scene.lake.events("full")] == ["t/b.csv"]
    assert scene.attempts() == [("t/a.csv", "finished", 1), ("t/b.csv", "finished", 1)]
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_a_file_that_never_fits_says_what_helps(scene: Troubled) -> None:
    """What finds no room even so, with the disk to itself, has its attempts and is dead: nobody else fills the disk."""
    FullDisk(scene, "t/huge", 99)
    scene.lake.land("t/huge.csv", b"id\n1\n")
    scene.lake.land("t/small.csv", b"id\n2\n")
    scene.drain()
    (letter,) = scene.lake.dead_letters()
    assert (letter["file"], letter["attempts"]) == ("t/huge.csv", 3)
    assert letter["reason"].startswith("the operating system refuses: No space left on device; ")
    assert "set aws.function.storage in lake.yaml" in letter["reason"]
    assert len(scene.lake.events("full")) == 1
    assert scene.rows("SELECT id FROM t") == [(2,)]


def test_a_full_disk_gives_no_file_a_wrong_name(scene: Troubled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for the copy that is hashed, the file is not recorded as one that cannot be read."""
    digest, left = Copies.digest, [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))]

    def full(copies: Copies, key: str, mark: str) -> str:
        if left:
            raise left.pop()
        return digest(copies, key, mark)

    monkeypatch.setattr(Copies, "digest", full)
    scene.lake.land("t/a.csv", b"id\n1\n")
    assert scene.pump.once()
    assert scene.attempts() == []
    scene.pump.pass_time()
    scene.drain()
    ((version,),) = scene.rows("SELECT version FROM penstock.arrivals")
    assert version == hashlib.sha256(b"id\n1\n").hexdigest()
    assert scene.rows("SELECT id FROM t") == [(1,)]
