"""The store of messages keeps its contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.errors import DamagedStateError
from penstock.state import Message, SqliteState, Tally

ONE = Message(0, "ops", "outbox", "waiting", 1.0, 2.0, events="{}")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    """A store."""
    made = SqliteState(tmp_path, HeldClock())
    yield made
    made.close()


def test_messages_are_kept_in_order(state: SqliteState) -> None:
    """Messages have numbers in the order in which they were begun, and are found by number and by state."""
    numbers = [state.messages.add(replace(ONE, subject=f"s{at}")) for at in range(3)]
    assert numbers == [1, 2, 3]
    state.messages.replace(replace(ONE, message=2, state="sent", sent_at=5.0, error="é"))
    assert [one.message for one in state.messages.list()] == numbers
    assert [one.message for one in state.messages.list(("waiting",))] == [1, 3]
    assert [one.message for one in state.messages.list(limit=2)] == [2, 3]
    assert state.messages.get(2) == replace(ONE, message=2, state="sent", sent_at=5.0, error="é")
    assert state.messages.get(9) is None
    assert state.messages.counts() == {"waiting": 2, "sent": 1, "given_up": 0}


def test_when_somebody_was_told(state: SqliteState) -> None:
    """Times of sent messages are those of one notice and one target, oldest first."""
    for at in (9.0, 3.0, 6.0):
        state.messages.add(replace(ONE, state="sent", sent_at=at))
    state.messages.add(replace(ONE, state="sent", sent_at=7.0, target="other"))
    state.messages.add(replace(ONE, state="sent", sent_at=7.0, notice="other"))
    assert state.messages.sent_times("ops", "outbox", 4.0) == (6.0, 9.0)


def test_tally(state: SqliteState) -> None:
    """Messages are counted by notice, target and state, with the time when the target was last told."""
    for at in (9.0, 3.0):
        state.messages.add(replace(ONE, state="sent", sent_at=at))
    state.messages.add(replace(ONE, target="b"))
    assert state.messages.tally() == (Tally("ops", "b", "waiting", 1, None), Tally("ops", "outbox", "sent", 2, 9.0))


def test_messages_that_are_over_are_forgotten(state: SqliteState) -> None:
    """What was sent, or last tried and given up, long ago is forgotten; what waits stays, however old it is."""
    state.messages.add(replace(ONE, state="waiting", not_before=5.0))
    state.messages.add(replace(ONE, state="given_up", created=1.0, not_before=50.0))
    state.messages.add(replace(ONE, state="given_up", created=1.0, not_before=5.0))
    state.messages.add(replace(ONE, state="sent", sent_at=5.0))
    state.messages.add(replace(ONE, state="sent", sent_at=50.0))
    assert state.messages.trim(10.0) == 2
    assert state.messages.counts() == {"waiting": 1, "sent": 1, "given_up": 1}


def test_part_of_a_transaction(state: SqliteState) -> None:
    """What is recorded together with what fails is not recorded."""

    def fail() -> None:
        with state.together():
            state.messages.add(ONE)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert state.messages.list() == []


def test_damage_shows(state: SqliteState) -> None:
    """A row that is not as it was written is refused."""
    state.messages.add(ONE)
    with sqlite3.connect(state.file) as other:
        other.execute("DROP TRIGGER messages_changed")
        other.execute("DROP TRIGGER messages_sound")
        other.execute("UPDATE messages SET target='evil'")
    other.close()
    with pytest.raises(DamagedStateError):
        state.messages.list()
