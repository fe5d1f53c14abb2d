"""People are told of what functions do: through real topics of moto, once for all that a digest collects.

Moto confirms every subscription at once and sends no mail: a queue listens in the place of people.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.deployment.functions import Runtime
from tests.aws.pump import Context
from tests.aws.scene import DECLARATION, Scene
from tests.aws.test_notices import Topics
from tests.told import count

MINUTE, HOUR = 60.0, 3_600.0
NOTICES = """
notices:
  - {name: failures, when: [dead], to: "mailto:ops@example.org"}
  - {name: uploads, when: [committed], to: "mailto:ops@example.org", tables: [t], digest: 1m}
  - {name: daily, when: [committed], to: "mailto:boss@example.org", digest: 2h}
  - {name: here, when: [dead, committed], to: "file:"}
aws: {here_only: [notices.here]}
"""
TOPICS = ("failures", "uploads", "daily")


class Told(Scene):
    """A scene whose people listen."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, DECLARATION + NOTICES)
        self.topics: Topics | None = None

    def listen(self) -> None:
        """Make the topics."""
        self.topics = Topics(*TOPICS, stack=self.lake.deployed.stack)

    def heard(self) -> list[tuple[str, str]]:
        """Topics and subjects of what was published since the last time."""
        assert self.topics is not None
        found = [(message["TopicArn"].rpartition("-")[2], message["Subject"]) for message in self.topics.heard()]
        count("notices on AWS", "publications", len(found), unit="publications")
        return sorted((topic, subject.partition("] ")[2]) for topic, subject in found)

    def upkeep(self) -> list[str]:
        """Run upkeep; gives what it did."""
        return list(self.runtime.tend({}, Context())["done"])

    def land(self, *numbers: int, bad: bool = False) -> None:
        """Let files land, and give them to the function."""
        for number in numbers:
            self.lake.land(f"t/{number:03}.csv", b"" if bad else f"id\n{number}\n".encode())
        self.drain()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    """A lake whose topics are there."""
    scene = Told(tmp_path / "lake")
    scene.listen()
    yield scene
    scene.close()


def test_a_digest_is_one_publication(told: Told) -> None:
    """What an invocation did is told at its end; what follows within a digest is one more message, of upkeep."""
    told.lake.land("t/bad.csv", b"")
    told.land(1)
    assert told.heard() == [("failures", "t: 1 file dead"), ("uploads", "t: 1 file committed")]
    for at in range(2, 5):
        told.lake.land(f"t/bad{at}.csv", b"")
        told.land(at)
    assert told.heard() == []
    told.clock.sleep(15 * MINUTE)
    assert "notices" in told.upkeep()
    assert told.heard() == [("failures", "t: 3 files dead"), ("uploads", "t: 3 files committed")]
    told.clock.sleep(15 * MINUTE)
    told.upkeep()
    assert told.heard() == []
    told.clock.sleep(2 * HOUR)
    told.upkeep()
    assert told.heard() == [("daily", "t: 4 files committed")]


def test_a_topic_that_fails_harms_no_file(tmp_path: Path) -> None:
    """While SNS takes nothing, files become rows and messages are done; what was not told, upkeep tells, once."""
    scene = Told(tmp_path / "lake")
    scene.lake.land("t/bad.csv", b"")
    scene.land(1)
    assert scene.waiting() == (0, 0)
    assert scene.pump.told.keys() == {"done"}
    assert scene.rows("SELECT id FROM t") == [(1,)]
    assert {event["notice"] for event in scene.lake.events("not_told")} == {"failures", "uploads"}
    scene.listen()
    assert scene.heard() == []
    scene.clock.sleep(15 * MINUTE)
    for _ in range(2):
        scene.upkeep()
        scene.clock.sleep(15 * MINUTE)
    assert scene.heard() == [("failures", "t: 1 file dead"), ("uploads", "t: 1 file committed")]
    scene.close()


def test_whatever_fails_in_telling_is_said(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling that cannot even begin is an event in the log, and ends no invocation; upkeep makes up for it."""

    def refused(*_: object) -> bool:
        raise OSError("no more threads")

    with monkeypatch.context() as patch:
        patch.setattr(told.runtime.lake.notifier(), "waits", refused)
        told.lake.land("t/bad.csv", b"")
        told.land()
    assert told.pump.told.keys() == {"done"}
    assert {event["reason"] for event in told.lake.events("attendant_failed")} == {"no more threads"}
    told.upkeep()
    assert told.heard() == [("failures", "t: 1 file dead")]


def test_a_killed_invocation_loses_no_notice(told: Told) -> None:
    """What an invocation did that was killed before it told anybody, or while it did, is told by upkeep."""
    told.lake.land("t/bad.csv", b"")
    with told.lake.open(told.clock) as killed:
        killed.run()
    assert told.heard() == []
    told.upkeep()
    assert told.heard() == [("failures", "t: 1 file dead")]
    told.clock.sleep(HOUR)
    told.lake.land("t/worse.csv", b"")
    with told.lake.open(told.clock) as killed:
        killed.run()
        notifier = killed.notifier()
        notifier._leads()
        notifier._plan()
        notifier._hurry(None)
        assert notifier._take(f"topic {told.lake.deployed.stack}-notice-failures") is not None
    assert told.heard() == []
    for _ in range(2):
        told.clock.sleep(15 * MINUTE)
        told.upkeep()
    assert told.heard() == [("failures", "t: 1 file dead")]


def test_functions_side_by_side_tell_once(told: Told) -> None:
    """Several processes share the telling: each tells what it did, and leaves the next one its turn."""
    others = [told.lake.runtime(told.clock, f"other{at}") for at in range(3)]
    runtimes: list[Runtime] = [told.runtime, *others]
    for at, runtime in enumerate(runtimes):
        told.pump.handler = runtime.take
        told.lake.land(f"t/bad{at}.csv", b"")
        told.drain()
        told.clock.sleep(2 * MINUTE)
    assert told.heard() == [("failures", "t: 1 file dead")] * len(runtimes)
    for other in others:
        other.close()


def test_upkeep_leaves_alone_what_is_not_declared(told: Told) -> None:
    """Upkeep may not touch a table that lake.yaml does not declare any more: it leaves it alone, and says so once."""
    told.lake.land("unlucky/a.csv", b"id\n1\n")
    told.unlucky = False
    told.land(1)
    file = told.lake.folder / "lake.yaml"
    file.write_text(file.read_text("utf-8").replace('  unlucky: {files: "unlucky/*.csv"}\n', ""), encoding="utf-8")
    runtime = told.lake.runtime(told.clock, "later")
    for _ in range(2):
        assert "tables" in runtime.tend({}, Context())["done"]
    runtime.close()
    (said,) = told.lake.events("left_alone")
    assert (said["tables"], said["reason"]) == ("unlucky", "lake.yaml does not declare them")
