"""The contract of notices: what is told arrives whole and once, and what fails is kept and tried again, on every way.

Ways on this machine go with its state store, topics of AWS with the one in DynamoDB.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.errors import PenstockError
from penstock.naming import TableName
from penstock.notices import Letter, Notifier, notifier_of
from penstock.signals import Signals
from penstock.state import State
from tests.notices.posts import Post

ORDERS = TableName.parse("orders")
DAY = 86_400.0


class Processes:
    """Processes that look after the notices of one lake, each with a store and a notifier of its own."""

    def __init__(self, folder: Path, post: Post, clock: HeldClock) -> None:
        self._folder, self._post, self._clock = folder, post, clock
        self._open: list[State | Notifier] = []

    def one(self) -> tuple[State, Notifier]:
        """One more of them, which has looked once."""
        state, place = self._post.state(self._clock), (self._folder, self._folder / ".penstock")
        notifier = notifier_of(self._post.declaration, place, state, self._clock, Signals(), self._post.deployed)
        self._open += [notifier, state]
        notifier.attend()
        return state, notifier

    def close(self) -> None:
        """End them."""
        for part in self._open:
            part.close()


@pytest.fixture
def processes(tmp_path: Path, post: Post, clock: HeldClock) -> Iterator[Processes]:
    """As many as a test asks for."""
    made = Processes(tmp_path, post, clock)
    yield made
    made.close()


def die(state: State, files: int) -> None:
    """Let files end as dead letters."""
    for at in range(files):
        state.events.add("dead", ORDERS, {"file": f"{at}.csv", "reason": "is empty", "attempts": 1, "arrival": at})


def test_a_letter_arrives_whole_and_once(post: Post) -> None:
    """Its subject, and its text in whatever language, with marks of HTML and many lines, arrive as they are."""
    text = "héllo ✓ <b>not bold</b> & {x}\n\n" + "a line of a long letter, where 100 % is 100 %\n" * 1_000
    post.deliver(Letter("7", 1_700_000_000.0, "[shop] orders: 1 file dead", text, "failure"))
    ((subject, found),) = post.heard()
    assert subject == "[shop] orders: 1 file dead"
    assert found.replace("\r\n", "\n").strip() == text.strip()


def test_letters_of_many_threads_do_not_mix(post: Post) -> None:
    """What several threads deliver at once arrives, each letter once, with its own text."""
    with ThreadPoolExecutor(8) as pool:
        letters = [Letter(str(at), 1_700_000_000.0 + at, f"subject {at}", f"text {at}") for at in range(24)]
        list(pool.map(post.deliver, letters))
    assert sorted((subject, text.strip()) for subject, text in post.heard()) == sorted(
        (letter.subject, letter.body) for letter in letters
    )


def test_what_cannot_be_delivered_is_an_error_with_its_reason(post: Post) -> None:
    """Nothing is swallowed: the attempt fails with an error that names where to and why; the next one can succeed."""
    letter = Letter("7", 1_700_000_000.0, "subject", "text")
    post.fail()
    with pytest.raises(PenstockError) as failed:
        post.deliver(letter)
    assert failed.value.where
    assert failed.value.what
    post.mend()
    assert post.heard() == []
    post.deliver(letter)
    assert [(subject, text.strip()) for subject, text in post.heard()] == [("subject", "text")]


def test_a_thousand_events_are_one_message(processes: Processes, post: Post) -> None:
    """What happened together is told together, with how often it happened."""
    state, notifier = processes.one()
    die(state, 1_000)
    assert notifier.finish()
    ((subject, _),) = post.heard()
    assert subject == "[shop] orders: 1,000 files dead"
    assert state.messages.counts() == {"sent": 1, "waiting": 0, "given_up": 0}


def test_processes_side_by_side_tell_once(processes: Processes, post: Post, clock: HeldClock) -> None:
    """However many look after the same lake, what happened is told by one of them; the others leave it alone."""
    state, first = processes.one()
    others = [processes.one()[1] for _ in range(2)]
    die(state, 3)
    told = [notifier.finish() for notifier in (*others, first)]
    assert told.count(True) == 1
    clock.sleep(DAY)
    for notifier in (first, *others):
        notifier.finish()
    assert [subject for subject, _ in post.heard()] == ["[shop] orders: 3 files dead"]


def test_what_failed_is_kept_and_told_once_it_can_be(processes: Processes, post: Post, clock: HeldClock) -> None:
    """An attempt that fails is kept with its reason; another process tells it later, and it arrives once."""
    state, notifier = processes.one()
    post.fail()
    die(state, 1)
    notifier.finish()
    (kept,) = state.messages.list(("waiting",))
    assert (kept.attempts, bool(kept.error)) == (1, True)
    notifier.close()
    post.mend()
    assert post.heard() == []
    clock.sleep(DAY / 4)
    other, again = processes.one()
    again.finish()
    assert [subject for subject, _ in post.heard()] == ["[shop] orders: 1 file dead"]
    assert other.messages.counts() == {"sent": 1, "waiting": 0, "given_up": 0}
