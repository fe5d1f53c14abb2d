"""From a file in S3 to its rows, through the queue and the function, on the AWS of this machine.

Moto runs S3, EventBridge, SQS, DynamoDB and Glue; the event source mapping is `tests/aws/pump.py`. What moto does not
do: it keeps no event back and doubles none (the storms do that), and it does not refuse what policies do not allow.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.arrivals.failing import Failing
from penstock.arrivals.noticing.unseen import Unseen
from penstock.arrivals.queue.holding import LOOK_SECONDS, Holding
from penstock.arrivals.queue.messages import landed, read_messages
from penstock.arrivals.queue.sqs import DeadLetterQueue, IntakeQueue
from penstock.arrivals.queue.worker import QueueWorker
from penstock.deployment import handlers
from penstock.deployment.functions import Runtime, opened
from penstock.errors import AwsError
from tests.aws import cloud
from tests.aws.lakes import CloudLake
from tests.aws.pump import Context, Pump, event_of
from tests.aws.scene import DECLARATION, Scene
from tests.told import count

ODD_KEYS = [
    "t/plain.csv",
    "t/two words.csv",
    "t/a+b.csv",
    "t/100%.csv",
    "t/%2B.csv",
    "t/été/naïve — ü.csv",
    "t/日本/データ.csv",
    "t/year=2024/a&b=c;d.csv",
    "t/quote'\".csv",
]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene of its own."""
    made = Scene(tmp_path / "lake")
    yield made
    made.close()


def test_a_file_becomes_rows(scene: Scene) -> None:
    """A file that lands in S3 is rows of a table after one invocation; its message is done, and all of it is told."""
    scene.lake.land("t/a.csv", b"id,name\n1,a\n2,b\n")
    assert scene.pump.once()
    assert scene.waiting() == (0, 0)
    assert scene.rows("SELECT * FROM t ORDER BY id") == [(1, "a"), (2, "b")]
    (told,) = scene.lake.events("finished")
    assert (told["table"], told["file"], told["rows_out"]) == ("t", "t/a.csv", 2)
    (metrics,) = scene.lake.metrics()
    assert (metrics["Lake"], metrics["Table"], metrics["RowsOut"], metrics["Files"]) == (
        scene.lake.deployed.lake,
        "t",
        2,
        1,
    )
    count("intake on AWS", "files", unit="files")


def test_keys_are_what_they_are(scene: Scene) -> None:
    """Spaces, plus and percent signs and letters of any script in keys arrive as they are, in both forms of events."""
    for at, key in enumerate(ODD_KEYS):
        scene.lake.land(key, f"id,key\n{at},{at}\n".encode())
    scene.drain()
    wanted = sorted(ODD_KEYS)
    assert sorted(row[0] for row in scene.rows("SELECT file FROM penstock.arrivals WHERE state = 'finished'")) == wanted
    raw, queue = scene.lake.deployed.raw_bucket, scene.lake.deployed.intake_queue
    arn = f"arn:aws:sqs:{cloud.REGION}:{cloud.ACCOUNT}:{queue.rpartition('/')[2]}"
    notification = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    aws.client("s3").put_bucket_notification_configuration(Bucket=raw, NotificationConfiguration=notification)
    for at, key in enumerate(ODD_KEYS):
        scene.lake.land(key, f"id,key\n{at},{at + 100}\n".encode())
    scene.drain()
    assert [row[0] for row in scene.rows("SELECT key FROM t ORDER BY id")] == list(range(100, 100 + len(ODD_KEYS)))
    count("intake on AWS", "odd keys in two forms", 2 * len(ODD_KEYS), unit="files")


def test_a_bad_file_is_a_dead_letter_with_its_reason(scene: Scene) -> None:
    """A file that cannot be read is a message in the dead-letter queue that says why; the others of the batch are in.

    Duplicates of its event add no second message.
    """
    bad = b"id,id\n1,2\n"
    for key, content in {"t/a.csv": b"id,name\n1,a\n", "t/bad.csv": bad, "t/z.csv": b"id,name\n3,c\n"}.items():
        scene.lake.land(key, content)
    scene.drain()
    for _ in range(3):
        scene.send(landed(scene.lake.deployed.raw_bucket, "t/bad.csv"))
        scene.drain()
    (letter,) = scene.lake.dead_letters()
    ((reason, line, arrival),) = scene.rows("SELECT reason, line, id FROM penstock.dead_letters")
    assert letter["attributes"]["reason"]["StringValue"] == reason[:250]
    assert {name: letter[name] for name in ("table", "file", "reason", "line", "arrival", "attempts")} == {
        "table": "t",
        "file": "t/bad.csv",
        "reason": reason,
        "line": line,
        "arrival": arrival,
        "attempts": 1,
    }
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(1,), (3,)]
    assert sum(line.get("Dead", 0) for line in scene.lake.metrics()) == 1


def test_what_is_no_files_business_is_done_or_kept(scene: Scene) -> None:
    """Test events are ignored, what no table wants is said, what cannot be understood is among the dead letters."""
    raw = scene.lake.deployed.raw_bucket
    scene.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": raw}))
    strange = ["not JSON", '{"detail": {}}', "[]", "7", landed("another-bucket", "t/a.csv"), '{"Records": [{}]}']
    for body in strange:
        scene.send(body)
    for key in ("unwanted.csv", "t/_hidden/x.csv", "t/.x.csv", "t/x.csv.tmp"):
        scene.lake.land(key, b"id\n1\n")
    scene.send(landed(raw, "t/folder/"))
    scene.send(landed(raw, "t/gone.csv"))
    scene.send(landed(raw, "t//twice.csv"))
    scene.drain()
    letters = scene.lake.dead_letters()
    assert sorted(letter["body"] for letter in letters if "twice" not in letter["body"]) == sorted(strange)
    assert all(letter["reason"] for letter in letters)
    assert {event["file"] for event in scene.lake.events("unclaimed")} >= {"unwanted.csv"}
    assert scene.rows("SELECT count(*) FROM penstock.arrivals") == [(0,)]
    assert scene.pump.told.keys() == {"done"}


def test_a_failed_attempt_comes_back_when_its_rest_is_over(scene: Scene) -> None:
    """What fails for a moment comes back after the declared rest, and is in when it succeeds; others do not wait."""
    scene.lake.land("unlucky/a.csv", b"id\n1\n")
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.pump.once()
    assert scene.waiting() == (0, 1)
    assert scene.rows("SELECT count(*) FROM t") == [(1,)]
    scene.pump.pass_time()  # SQS may give it again before that: it is not tried
    scene.pump.once()
    assert scene.rows("SELECT attempts, state FROM penstock.arrivals WHERE table_name = 'unlucky'") == [(1, "pending")]
    scene.unlucky = False
    scene.clock.sleep(61)
    scene.pump.pass_time()
    scene.pump.once()
    assert scene.waiting() == (0, 0)
    assert scene.rows("SELECT count(*) FROM unlucky") == [(1,)]
    assert [event["retry_in"] for event in scene.lake.events("failed")] == [60]


def test_what_fails_for_good_is_dead_after_its_attempts(scene: Scene) -> None:
    """After the declared attempts, counted in the state store, a file is dead; a replay takes it up again."""
    scene.lake.land("unlucky/a.csv", b"id\n1\n")
    scene.drain()
    (letter,) = scene.lake.dead_letters()
    assert (letter["attempts"], letter["reason"]) == (
        3,
        "the operating system refuses: Input/output error",
    )
    scene.unlucky = False
    deployed = scene.lake.deployed
    with scene.lake.open(scene.clock) as laptop:
        (answer,) = laptop.dead.replay(laptop.dead.find())
        IntakeQueue(deployed.intake_queue).wake(deployed.raw_bucket, [answer.letter.key])
    assert answer.outcome == "waits"
    scene.drain()
    assert scene.rows("SELECT count(*) FROM unlucky") == [(1,)]


def test_messages_of_dead_letters_can_be_taken_out(scene: Scene) -> None:
    """Whoever replays or gives up dead letters takes their messages out of the queue; the others stay."""
    for at in range(12):
        scene.lake.land(f"t/{at:02}.csv", b"")
    scene.drain()
    arrivals = [row[0] for row in scene.rows("SELECT id FROM penstock.dead_letters ORDER BY file")]
    assert DeadLetterQueue(scene.lake.deployed.dead_letter_queue).forget(arrivals[:5]) == 5
    assert sorted(letter["arrival"] for letter in scene.lake.dead_letters()) == sorted(arrivals[5:])


def test_looking_through_dead_letters_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many dead letters that the first come back before the last was looked at, none is looked at for ever."""
    for at in range(3):
        scene.lake.land(f"t/{at}.csv", b"")
    scene.drain()
    monkeypatch.setattr("penstock.arrivals.queue.sqs.LOOKING_SECONDS", 0)
    assert DeadLetterQueue(scene.lake.deployed.dead_letter_queue).forget([-1]) == 0
    assert len(scene.lake.dead_letters()) == 3


def test_messages_of_an_invocation_that_fails_come_back(tmp_path: Path) -> None:
    """While the function fails as a whole, everything comes back; SQS itself moves it after as many receives as set."""
    scene = Scene(tmp_path / "lake", receives=4)
    scene.lake.land("t/a.csv", b"id\n1\n")
    aws.client("dynamodb").delete_table(TableName=scene.lake.deployed.state_table)
    for _ in range(5):
        scene.pump.once()
        scene.pump.pass_time()
    assert (len(scene.pump.errors), scene.pump.told["failed"]) == (4, 4)
    (letter,) = scene.lake.dead_letters()
    assert letter["detail"]["object"]["key"] == "t/a.csv"
    scene.close()


class Waning:
    """A context with time for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        self.looks -= 1
        return 900_000 if self.looks > 0 else 100


def test_when_time_is_short_the_rest_goes_back(tmp_path: Path) -> None:
    """A function whose time is nearly over takes up nothing more; what it gives back counts as no attempt."""
    alone = DECLARATION.replace('{files: "t/**/*.csv"}', '{files: "t/**/*.csv", steps: [{dedupe: {key: [id]}}]}')
    scene = Scene(tmp_path / "lake", alone)
    for at in range(8):
        scene.lake.land(f"t/{at}.csv", f"id\n{at}\n".encode())
    for looks in (5, 12, 20, 28):
        scene.pump.once(Waning(looks))  # type: ignore[arg-type]
        scene.pump.pass_time()
    assert scene.pump.told["back"] > 0
    assert scene.lake.events("paused")
    assert scene.rows("SELECT coalesce(max(attempts), 0) FROM penstock.arrivals WHERE state = 'pending'") == [(0,)]
    scene.drain()
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(at,) for at in range(8)]
    assert scene.rows("SELECT max(attempts) FROM penstock.arrivals") == [(1,)]
    scene.close()


def test_a_disk_is_free_of_what_a_process_left_that_was_ended(scene: Scene) -> None:
    """The next process on the disk of one that ran out of time or memory has the room that its unfinished files took.

    Copies stay.
    """
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.drain()
    work = scene.lake.work / "function"
    there = {path for path in work.rglob("*") if path.is_file()}
    left = [work / "spill/7-0123abcd/x.tmp", work / f"scratch/{'0' * 32}/file", work / "processed/t/.x.parquet.tmp"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
    scene.runtime.close()
    scene.runtime = scene.lake.runtime(scene.clock)
    assert not [path for path in left if path.exists()]
    assert {path for path in there if path.suffix == ".parquet"} == set(work.rglob("*.parquet")) != set()


def test_copies_do_not_fill_the_disk_while_an_invocation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each commit, not only between invocations, copies go beyond what may be kept."""
    monkeypatch.setattr("penstock.deployment.functions.KEPT_BYTES", 3_000)
    scene = Scene(tmp_path / "lake")
    for at in range(4):
        scene.lake.land(f"t/{at}.csv", f"id\n{at}\n".encode())
    scene.drain()
    copies = [file for file in (scene.lake.work / "function/processed").rglob("*.*") if "seals.db" not in file.name]
    assert sum(file.stat().st_size for file in copies if file.is_file()) <= 3_000
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(at,) for at in range(4)]
    scene.close()


def test_a_file_that_rests_for_long_comes_back_when_its_rest_is_over(tmp_path: Path) -> None:
    """A rest of hours is one receive, not one every quarter of an hour: the queue would give up before the retries."""
    scene = Scene(tmp_path / "lake", DECLARATION.replace("wait: 1m", "wait: 2h, max_wait: 2h"))
    asked = list[float]()
    prolong = IntakeQueue.prolong

    def noted(queue: IntakeQueue, messages: Any, seconds: float) -> None:
        asked.append(seconds)
        prolong(queue, messages, seconds)

    scene.lake.land("unlucky/a.csv", b"id\n1\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(IntakeQueue, "prolong", noted)
        scene.pump.once()
    assert asked[-1] == 7_200
    scene.close()


def test_the_store_may_fail_while_work_is_given_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be given back now, as AWS cannot be reached, ends no invocation: it is given back later."""
    arrivals, left = scene.runtime.lake.state.arrivals, [RuntimeError("out of luck")]
    give_back, trouble = arrivals.give_back, [AwsError("out of reach") for _ in range(3)]

    def receive(*arguments: Any) -> Any:
        if left:
            raise left.pop()
        return arguments[3]

    def unreachable(*arguments: Any, **named: Any) -> Any:
        if trouble:
            raise trouble.pop()
        return give_back(*arguments, **named)

    monkeypatch.setattr(Failing, "receive", receive)
    monkeypatch.setattr(arrivals, "give_back", unreachable)
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.drain()
    assert (scene.pump.errors, left) == ([], [])
    assert [event["reason"] for event in scene.lake.events("blocked")] == ["out of luck"]
    assert scene.rows("SELECT id FROM t") == [(1,)]


def test_files_that_never_end_leave_time_for_upkeep(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an invocation of upkeep, a quarter belongs to looking for files and a quarter to working on them, at least."""
    seen = list[float]()
    monkeypatch.setattr(Unseen, "look", lambda _self, remaining, whole: seen.append(remaining()))  # noqa: ARG005
    monkeypatch.setattr(QueueWorker, "catch_up", lambda _self, remaining: seen.append(remaining()))
    scene.runtime.tend({}, Context(800_000))
    assert seen == [200, 400]


def test_a_worker_that_is_kept_is_not_stopped(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that runs out when the work is over, while its end is noted, leaves the next invocation a worker that works.

    The notes take real time here, in which it is seen that the invocation's is short.
    """
    context, noting = Context(), QueueWorker._wait

    def slow(*arguments: Any) -> Any:
        context.milliseconds = 100
        time.sleep(3 * LOOK_SECONDS)
        return noting(*arguments)

    scene.lake.land("t/a.csv", b"id\n1\n")
    with monkeypatch.context() as patched:
        patched.setattr(QueueWorker, "_wait", slow)
        scene.pump.once(context)
    scene.lake.land("t/b.csv", b"id\n2\n")
    scene.pump.once()
    assert scene.waiting() == (0, 0)
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_upkeep_finds_what_nobody_was_told_of(scene: Scene) -> None:
    """A file whose event was lost, and a dead letter whose message was not sent, are found by upkeep."""
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.lake.land("t/bad.csv", b"")
    while messages := scene.pump.receive():
        scene.pump.settle(messages, {"batchItemFailures": []})  # the events are lost
    with scene.lake.open(scene.clock) as laptop:  # an invocation that is killed before it tells of a dead letter
        laptop.run()
    assert scene.lake.dead_letters() == []
    scene.lake.land("t/b.csv", b"id\n2\n")
    assert scene.runtime.tend({"whole": True}, Context())["done"] == [
        "look",
        "intake",
        "quarantine",
        "tables",
        "notices",
        "events",
        "figures",
        "copies",
    ]
    assert [letter["file"] for letter in scene.lake.dead_letters()] == ["t/bad.csv"]
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    freshness = [line for line in scene.lake.metrics() if "Freshness" in line]
    assert [line["Table"] for line in freshness] == ["t"]


def test_upkeep_goes_on_after_what_fails(scene: Scene) -> None:
    """A part of upkeep that fails is told, holds up no other part, and ends the invocation as failed."""
    scene.lake.land("t/a.csv", b"id\n1\n")
    scene.drain()
    aws.client("sqs").delete_queue(QueueUrl=scene.lake.deployed.dead_letter_queue)
    scene.lake.land("t/b.csv", b"")
    with pytest.raises(AwsError, match="send a message"):
        scene.runtime.tend({"whole": True}, Context())
    (told,) = scene.lake.events("attendant_failed")
    assert told["attendant"] == "intake"
    assert scene.rows("SELECT state FROM penstock.arrivals WHERE file = 't/b.csv'") == [("dead",)]
    assert [line["Table"] for line in scene.lake.metrics() if "Freshness" in line] == ["t"]


def test_the_handlers_keep_one_lake_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """What Lambda calls opens the lake once in a process, from its environment, and writes nothing beside it."""
    folder = tmp_path / "lake"
    scene = Scene(folder)
    there = sorted(folder.iterdir())
    for name, value in {**scene.lake.variables, "PENSTOCK_WORK": str(tmp_path / "work")}.items():
        monkeypatch.setenv(name, value)
    opened.cache_clear()
    try:
        for at in range(3):
            scene.lake.land(f"t/{at}.csv", f"id\n{at}\n".encode())
            messages = scene.pump.receive()
            assert handlers.intake(event_of(messages), Context()) == {"batchItemFailures": []}
        first = opened()
        assert handlers.upkeep({"task": "upkeep"}, Context())["done"]
        assert opened() is first
    finally:
        first.close()
        opened.cache_clear()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines if line.get("event") == "finished"] == ["t/0.csv", "t/1.csv", "t/2.csv"]
    assert sorted(folder.iterdir()) == there
    scene.close()


def test_a_function_that_cannot_open_its_lake_says_why(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """An error that ends an invocation is a line of JSON in the log, and the batch comes back."""
    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(name)
    opened.cache_clear()
    with pytest.raises(Exception, match="does not say where everything is"):
        handlers.intake({"Records": []}, Context())
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["event"], told["part"], told["kind"]) == ("part_failed", "the function intake", "AwsError")
    assert "traceback" in told


def test_messages_are_held_while_there_is_work_on_them(scene: Scene) -> None:
    """A message stays away for as long as it is held, though the queue gave it for a second only; the time is real."""
    queue = scene.lake.deployed.intake_queue
    aws.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    scene.send("held")
    messages = read_messages(event_of(scene.pump.receive()), "any")
    with Holding(IntakeQueue(queue), messages, lambda: 900.0) as held:
        answer = aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2)
        assert not held.short
    assert "Messages" not in answer
    IntakeQueue(queue).prolong(messages, 0)
    assert scene.pump.receive()


def test_a_lake_is_worked_on_as_its_runtime_is_told(tmp_path: Path) -> None:
    """Two functions' processes with disks of their own see each other's tables: nothing they need is on a disk."""
    scene = Scene(tmp_path / "lake")
    other: CloudLake = scene.lake
    second: Runtime = other.runtime(scene.clock, "second")
    scene.lake.land("t/a.csv", b"id,name\n1,a\n")
    scene.drain()
    scene.lake.land("t/a.csv", b"id,name\n1,b\n")
    Pump(scene.lake.deployed.intake_queue, second.take).drain(lambda: scene.clock.sleep(61))
    scene.lake.land("t/b.csv", b"id,name,more\n2,c,x\n")
    scene.drain()
    assert scene.rows("SELECT * FROM t ORDER BY id") == [(1, "b", None), (2, "c", "x")]
    scene.close()
    second.close()
