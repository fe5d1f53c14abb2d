"""What the road of a file asks of the state store: no more in a lake with a long history than in a young one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.naming import TableName
from penstock.state import Accounting, SqliteState

T = TableName.parse("orders")
FEW, MANY = 2_000, 40_000


def fill(state: SqliteState, count: int) -> None:
    """A history of so many finished files; as many wait."""
    columns = '"table", key, version, size, modified_ns, mark, state, recorded_at, accounting'
    with state.together():
        sql = state._database._connection
        for kind in ("finished", "pending", "superseded"):
            sql.executemany(
                f"INSERT INTO arrivals ({columns}) VALUES ('orders', ?, 'v', 1, 1, 'm', '{kind}', 1, '{{}}')",
                [(f"{kind} {at}",) for at in range(count)],
            )


def road(state: SqliteState) -> dict[str, Callable[[], object]]:
    """What is asked on the road of a few files, by name; in the order of the road."""
    claimed = []
    return {
        "record": lambda: state.arrivals.record(T, "new", "v", 1, 1, "m"),
        "record anew": lambda: state.arrivals.record(T, "finished 7", "w", 1, 1, "m"),
        "marks": lambda: state.backlog.marks(T, [f"finished {at}" for at in range(50)]),
        "due": lambda: state.backlog.due(T),
        "ahead": lambda: state.backlog.is_ahead(T, 3),
        "last": state.backlog.last,
        "claim": lambda: claimed.extend(state.arrivals.claim(T, 20)),
        "held": lambda: all(map(state.arrivals.held, claimed)),
        "finish": lambda: [state.arrivals.finish(one, "r", Accounting(), None) for one in claimed[:10]],
        "append": lambda: [state.arrivals.finish(one, "r", Accounting(), None, replaces=False) for one in claimed[10:]],
        "finish again": lambda: [state.arrivals.finish(one, "r", Accounting(), None) for one in claimed],
        "leases": lambda: state.leases.release(state.leases.acquire("table orders")),  # type: ignore[arg-type]
        "events": lambda: state.events.after(state.events.cursor("notices"), 10),
    }


def steps(folder: Path, count: int) -> dict[str, int]:
    """How many steps the store takes for each of it, in tens."""
    state, taken = SqliteState(folder), 0

    def step() -> None:
        nonlocal taken
        taken += 1

    found = {}
    fill(state, count)
    state.backlog.due(T)
    state._database._connection.set_progress_handler(step, 10)
    for name, ask in road(state).items():
        before = taken
        ask()
        found[name] = taken - before
    state.close()
    return found


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, int]]:
    """Steps after a short history, and after one that is twenty times as long."""
    return steps(tmp_path_factory.mktemp("few"), FEW), steps(tmp_path_factory.mktemp("many"), MANY)


def test_a_long_history_costs_nothing(costs: tuple[dict[str, int], dict[str, int]]) -> None:
    """Twenty times the files that are in, wait and gave way take no more steps for the files at hand."""
    few, many = costs
    assert sum(few.values()) > 50, "the steps were counted"
    assert {name: (few[name], many[name]) for name in few if many[name] > 1.5 * few[name] + 30} == {}
