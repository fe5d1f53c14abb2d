"""The lake's bell is heard, whatever becomes of its file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.service.bell import AGAIN_SECONDS, Bell

SOON = AGAIN_SECONDS - 1.0
"""Less than the time after which it is rung anyway."""


class Heard:
    """Counts how often the bell rang."""

    def __init__(self) -> None:
        self.count = 0
        self._news = threading.Condition()

    def note(self) -> None:
        """It rang."""
        with self._news:
            self.count += 1
            self._news.notify_all()

    def more_than(self, count: int, seconds: float = SOON) -> bool:
        """Whether it rings oftener than that in time."""
        with self._news:
            return self._news.wait_for(lambda: self.count > count, seconds)

    def rest(self) -> int:
        """Wait until it is silent; gives how often it rang."""
        while self.more_than(count := self.count, 0.6):
            pass
        return count


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """What is heard of the bell of a lake."""
    (tmp_path / ".penstock").mkdir()
    noted = Heard()
    bell = Bell(tmp_path, noted.note, lambda: None)
    thread = threading.Thread(target=bell.run)
    thread.start()
    try:
        noted.more_than(0)  # once it listens, it rings
        yield noted
    finally:
        bell.stop()
        thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("left", ["another", "nothing"])
def test_a_bell_that_was_removed_is_heard_again(tmp_path: Path, heard: Heard, left: str) -> None:
    """Once its file was removed, or is another one, the next rings are heard as before."""
    bell = tmp_path / ".penstock" / "bell"
    for _ in range(2):
        bell.unlink()
        if left == "another":
            bell.touch()
        before = heard.count
        assert heard.more_than(before)
        end = time.monotonic() + SOON
        while not bell.exists() and time.monotonic() < end:
            time.sleep(0.02)
        before = heard.rest()
        bell.touch()
        assert heard.more_than(before)
