"""How often to try, and how long to rest: pure, bounded, and declared key by key."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.declaration import Patience, Retry, loads, patience_of
from penstock.errors import DeclarationError

PATIENCES = st.builds(
    Patience,
    attempts=st.integers(1, 1_000),
    wait=st.floats(1, 1e7),
    backoff=st.floats(1, 100),
    jitter=st.floats(0, 1),
    max_wait=st.floats(1, 1e7),
)
ATTEMPTS = st.integers(1, 100_000)


def test_the_default_rests() -> None:
    """Left out, a file is tried five times, with rests of 1, 2, 4 and 8 seconds and a fifth of chance."""
    assert patience_of() == Patience(5, 1.0, 2.0, 0.2, 300.0)
    assert list(Patience(jitter=0).delays(random.Random(1))) == [1, 2, 4, 8]
    assert list(Patience(10, jitter=0, max_wait=30).delays(random.Random(1))) == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert list(Patience(attempts=1).delays(random.Random(1))) == []


@given(PATIENCES, ATTEMPTS, st.integers())
def test_rests_are_bounded(patience: Patience, attempt: int, seed: int) -> None:
    """Whatever is declared, no rest is negative, and none is longer than the longest."""
    assert 0 <= patience.delay(attempt, random.Random(seed)) <= patience.longest


@given(PATIENCES, ATTEMPTS)
def test_rests_grow(patience: Patience, attempt: int) -> None:
    """Without chance, no rest is shorter than the one before it, and each is the declared factor longer."""
    still, chance = Patience(patience.attempts, patience.wait, patience.backoff, 0, patience.max_wait), random.Random(1)
    rest, next_ = still.delay(attempt, chance), still.delay(attempt + 1, chance)
    assert still.wait * (1 - 1e-12) <= rest <= next_
    assert next_ == pytest.approx(min(rest * patience.backoff, patience.longest))


@given(PATIENCES, ATTEMPTS, st.integers())
def test_chance_stays_within_its_share(patience: Patience, attempt: int, seed: int) -> None:
    """A rest is at most the declared share longer or shorter than without chance; the same seed gives the same."""
    still = Patience(patience.attempts, patience.wait, patience.backoff, 0, patience.max_wait)
    plain, rest = still.delay(attempt, random.Random(seed)), patience.delay(attempt, random.Random(seed))
    assert plain * (1 - patience.jitter) * (1 - 1e-9) <= rest <= plain * (1 + patience.jitter) * (1 + 1e-9)
    assert rest == patience.delay(attempt, random.Random(seed))


@given(PATIENCES, st.integers())
def test_there_are_as_many_rests_as_failures_that_are_tried_again(patience: Patience, seed: int) -> None:
    """The last attempt is followed by no rest."""
    assert len(list(patience.delays(random.Random(seed)))) == patience.attempts - 1


def test_chance_spreads_the_attempts() -> None:
    """Files that failed together are not tried again together."""
    chance = random.Random(1)
    rests = [Patience(wait=100, jitter=0.5).delay(1, chance) for _ in range(1_000)]
    assert min(rests) < 55
    assert max(rests) > 145
    assert 95 < sum(rests) / len(rests) < 105


def test_a_table_overrides_key_by_key() -> None:
    """What a table leaves out is as the lake says, what the lake leaves out is the default."""
    declaration = loads(
        """
lake: shop
retry: {attempts: 8, wait: 10s, backoff: 3}
tables:
  orders: {files: "*.csv", retry: {wait: 2m, jitter: 0}}
  others: {files: "*.tsv"}
"""
    )
    orders, others = declaration.tables["orders"], declaration.tables["others"]
    assert patience_of(declaration.retry, orders.retry) == Patience(8, 120.0, 3.0, 0.0, 300.0)
    assert patience_of(declaration.retry, others.retry) == Patience(8, 10.0, 3.0, 0.2, 300.0)
    assert patience_of(None, Retry(attempts=1)) == Patience(attempts=1)


def test_a_first_rest_longer_than_the_longest_counts() -> None:
    """A lake that says how long to wait, and nothing of the longest wait, gets what it says."""
    patience = patience_of(Retry(wait="10m"))
    assert list(patience_of(Retry(wait="10m", jitter=0)).delays(random.Random(1))) == [600.0] * 4
    assert patience.longest == 600


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{attempts: 0}", "retry.attempts"),
        ("{attempts: 1001}", "retry.attempts"),
        ("{wait: 0s}", "retry.wait"),
        ("{wait: 10}", "retry.wait"),
        ("{backoff: 0.5}", "retry.backoff"),
        ("{backoff: .inf}", "retry.backoff"),
        ("{jitter: 1.5}", "retry.jitter"),
        ("{jitter: -0.1}", "retry.jitter"),
        ("{max_wait: never}", "retry.max_wait"),
        ("{atempts: 3}", 'unknown key "atempts"; did you mean "attempts"?'),
    ],
)
def test_nonsense_is_refused(text: str, problem: str) -> None:
    """A number of attempts, a rest or a share that cannot be meant is named with its place."""
    with pytest.raises(DeclarationError) as raised:
        loads(f"lake: shop\nretry: {text}\n")
    assert "lake.yaml:2:" in str(raised.value)
    assert problem in str(raised.value)
