"""Files that nobody told of are found by looking through the raw bucket, however many there are and however old.

What moto does as S3 does: it lists by name and goes on behind a name, refuses to give what is in an archive, and gives
it once it was restored. What it does not do: a restore takes hours on AWS, and ends after some days; here it is done at
once. Intelligent tiering, which archives by itself, it does not know.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.arrivals.noticing.looking import NOTE, Looker
from penstock.clock import HeldClock
from penstock.site.aws import NOTES
from tests.aws.proxy import Wire, wire
from tests.aws.pump import Context
from tests.aws.scene import Scene
from tests.told import count

HOUR = 3600.0


class Unheard(Scene):
    """A scene in which no event ever arrives; its clock is a day and more ahead of the times that S3 gives to files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock.sleep(time.time() + 30 * HOUR - self.clock.now())

    def land(self, *names: str) -> None:
        """Let files land of which nobody is told."""
        for name in names:
            self.lake.land(f"t/{name}.csv", f"id\n{ord(name)}\n".encode())
        while messages := self.pump.receive():
            self.pump.settle(messages, {"batchItemFailures": []})

    def tend(self, hours: float = 0.0, context: Context | None = None, **event: Any) -> list[str]:
        """Let time pass, and upkeep look; gives the files that are in."""
        self.clock.sleep(hours * HOUR)
        self.runtime.tend(event, context or Context())
        found = self.rows("SELECT file FROM penstock.arrivals WHERE state = 'finished' ORDER BY file")
        return [str(file).removeprefix("t/").removesuffix(".csv") for (file,) in found]

    def note(self) -> dict[str, Any]:
        """What upkeep remembers of its looks."""
        body = aws.client("s3").get_object(Bucket=self.lake.deployed.processed_bucket, Key=f"{NOTES}{NOTE}")["Body"]
        found: dict[str, Any] = json.loads(body.read())
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Unheard]:
    """A scene of its own."""
    made = Unheard(tmp_path / "lake")
    yield made
    made.close()


class Short:
    """A context whose time is over after so many looks at S3, counted by a wire."""

    def __init__(self, wired: Wire, lists: int) -> None:
        self._wire, self._until = wired, wired.count("GET", "versions") + lists

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return 900_000 if self._wire.count("GET", "versions") < self._until else 100


def test_once_a_day_everything_is_looked_at(scene: Unheard) -> None:
    """A file whose event was lost long ago is found by the look of the day, or when somebody asks for it."""
    scene.land("a")
    assert scene.tend() == ["a"]  # the first look is at everything
    scene.land("b")
    assert scene.tend(1) == ["a"]
    assert scene.tend(22.5) == ["a"]
    assert scene.tend(0.6) == ["a", "b"]
    scene.land("c")
    assert scene.tend(1) == ["a", "b"]
    assert scene.tend(1, whole=True) == ["a", "b", "c"]
    count("looks", "daily and asked for", 2, unit="looks at everything")


def test_a_look_goes_on_where_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invocation lists what its time allows, and the next one goes on behind the last name, on any machine."""
    monkeypatch.setattr("penstock.arrivals.noticing.looking.PART", 2)
    with wire() as wired:
        scene = Unheard(tmp_path / "lake")
        scene.land(*"abcdefg")
        seen = []
        for at in range(4):
            scene.runtime.close()
            scene.runtime = scene.lake.runtime(scene.clock, f"machine-{at}")
            scene.runtime.tend({}, Short(wired, 2))
            seen.append(scene.note()["look"] and scene.note()["look"]["after"])
        listed = [path for method, path in wired.seen if method == "GET" and "versions" in path]
        assert seen == ["t/b.csv", "t/d.csv", "t/f.csv", None]
        assert "key-marker=t%2Ff.csv" in listed[-1]
        assert scene.tend() == list("abcdefg")
        scene.close()


def test_what_lands_behind_a_long_look_is_seen_by_the_next(scene: Unheard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that goes on for days leaves nothing out that landed meanwhile among what it had seen already."""
    monkeypatch.setattr("penstock.arrivals.noticing.looking.PART", 1)
    scene.land(*"bc")
    looker = Looker(scene.runtime._site.raw, scene.runtime._site.notes, scene.clock)
    began = looker.begin(whole=False)
    looker.end(began, looker.part(began).rest)
    scene.land("a")
    scene.clock.sleep(50 * HOUR)
    goes_on = looker.begin(whole=False)
    assert (goes_on.began, goes_on.after) == (began.began, "t/b.csv")
    looker.end(goes_on, None)
    assert looker.begin(whole=False).since == began.began - 24 * HOUR
    assert scene.note()["missed"] == began.began


@pytest.mark.parametrize("note", [b"", b"no JSON", b"[]", b'{"look": 7}', b'{"look": {"began": 1}}', b'{"x": 1}'])
def test_a_note_that_is_lost_begins_anew(scene: Unheard, note: bytes) -> None:
    """Whatever became of the note, the next look is at everything; what is recorded is passed by."""
    scene.runtime._site.notes.write(NOTE, note)
    looker = Looker(scene.runtime._site.raw, scene.runtime._site.notes, HeldClock(scene.clock.now()))
    assert looker.begin(whole=False).is_whole


def test_files_that_come_out_of_an_archive_are_taken_up(scene: Unheard) -> None:
    """A file that lay in an archive when it was to be read is dead; a day after it was restored its rows are in.

    Those that are still there stay dead, and none is looked at twice.
    """
    raw, s3 = scene.lake.deployed.raw_bucket, aws.client("s3")
    digest = {"ChecksumAlgorithm": "SHA256"}  # of one of them S3 says what its bytes are, archived or not
    for name, more in {"a": {}, "b": digest, "c": {}}.items():
        body = f"id\n{ord(name)}\n".encode()
        s3.put_object(Bucket=raw, Key=f"t/{name}.csv", Body=body, StorageClass="GLACIER", **more)
    scene.drain()
    assert scene.rows("SELECT code, count(*) FROM penstock.dead_letters GROUP BY code") == [("archived", 3)]
    assert scene.tend() == []
    for name in "ab":
        s3.restore_object(Bucket=raw, Key=f"t/{name}.csv", RestoreRequest={"Days": 1})
    assert scene.tend(1) == []
    assert scene.tend(24) == ["a", "b"]
    assert scene.rows("SELECT id FROM t ORDER BY id") == [(97,), (98,)]
    assert scene.rows("SELECT file FROM penstock.dead_letters") == [("t/c.csv",)]
    assert scene.tend(24) == ["a", "b"]
    count("looks", "restored from an archive", 2, unit="files")
