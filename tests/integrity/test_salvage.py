"""What is taken out of a damaged store goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from penstock.naming import TableName
from penstock.state import SqliteState

T = TableName.parse("orders")
NOTICES, WORKFLOWS = 5, 3


def left(folder: Path, *, forget: bool) -> Path:
    """A store with five events, of which notices have acted on all and workflows on three."""
    with closing(SqliteState(folder)) as store:
        for number in range(NOTICES):
            store.events.add("dead", T, {"file": str(number)})
        store.events.advance("notices", NOTICES)
        store.events.advance("workflows", WORKFLOWS)
        if forget:
            store.events.trim(float("inf"), float("inf"))
        return store.file


@pytest.fixture
def taken_over(tmp_path: Path) -> Callable[..., SqliteState]:
    """A new store that took over what was left."""

    def take_over(*, forget: bool) -> SqliteState:
        store = SqliteState(tmp_path / "new")
        store.take_over(left(tmp_path / "old", forget=forget))
        return store

    return take_over


def test_nobody_is_told_again(taken_over: Callable[..., SqliteState]) -> None:
    """Those who act on events go on after what they acted on; notices, too, which a new store knows from birth."""
    with closing(taken_over(forget=False)) as store:
        cursors = {name: store.events.cursor(name) for name in ("notices", "workflows")}
        assert cursors == {"notices": NOTICES, "workflows": WORKFLOWS}
        assert [event.sequence for event in store.events.after(cursors["workflows"])] == [4, 5]


@pytest.mark.parametrize("forget", [False, True])
def test_new_events_are_seen(taken_over: Callable[..., SqliteState], *, forget: bool) -> None:
    """What happens after a repair is newer than what anybody acted on, also where no old event could be read."""
    with closing(taken_over(forget=forget)) as store:
        new = store.events.add("committed", T, {"files": []})
        for name in ("notices", "workflows"):
            assert store.events.after(store.events.cursor(name))[-1].sequence == new
