"""What looking at alarms costs: no more in a lake with a long history than in a young one."""

from __future__ import annotations

from pathlib import Path

from penstock.lake import Lake
from tests.alarms.watched import Watched

EVERY = """  late: {freshness: {older_than: 2h}}
  errors: {error_rate: {above: 0.1, within: 5m}}
  slow: {duration: {above: 1s, of: p95, within: 5m}}
  stuck: {oldest_waiting: {older_than: 9d}}
  rotten: {breaches: {at_least: 1, within: 5m}}
  mail: {undelivered: {}}"""
FEW, MANY = 2_000, 40_000


def fill(lake: Lake, count: int) -> None:
    """A history of so many arrivals, runs, checks and events, ten a second; as many files wait."""
    now = lake.clock.now()
    numbers = [(at, now - at / 10) for at in range(count)]
    arrivals = '"table", key, version, size, modified_ns, mark, state, recorded_at, plan'
    with lake.state.together():
        sql = lake.store._database._connection
        for state, plan, some in (("finished", None, count), ("pending", None, count), ("dead", "p", 100)):
            sql.executemany(
                f"INSERT INTO arrivals ({arrivals}) VALUES ('orders', ?, 'v', 1, 1, 'm', '{state}', ?, ?)",
                [(f"{state} {at}", moment, plan) for at, moment in numbers[:some]],
            )
        sql.executemany(
            'INSERT INTO runs (run, "table", state, accounting, started, duration_ms, arrivals, snapshot) '
            "VALUES (?, 'orders', 'finished', '{}', ?, 50, '[\"a\"]', 1)",
            numbers,
        )
        sql.executemany(
            'INSERT INTO checks (run, file, name, "table", kind, on_breach, "when", rows, breaches, at) '
            "VALUES (?, 'f', 'n', 'orders', 'k', 'warn', 'after', 10, 1, ?)",
            numbers,
        )
        sql.executemany(
            "INSERT INTO events (name, \"table\", at, facts) VALUES ('failed', 'orders', ?, '{}')", [numbers[0][1:]]
        )
        sql.executemany("INSERT INTO events (name, \"table\", at, facts) VALUES ('arrived', ?, ?, '{}')", numbers)


def steps(folder: Path, count: int) -> int:
    """How many steps the store takes for one look at every kind of alarm; in hundreds."""
    watched, taken = Watched(folder, EVERY), 0
    with watched.opened() as lake:
        fill(lake, count)
        lake.alarms().attend()

        def step() -> None:
            nonlocal taken
            taken += 1

        sql = lake.store._database._connection
        sql.set_progress_handler(step, 100)
        lake.alarms().attend()
        sql.set_progress_handler(None, 0)
    return taken


def test_a_long_history_costs_nothing(tmp_path: Path) -> None:
    """Twenty times the arrivals, runs, checks and events take no more steps of the store for a look at all alarms."""
    few, many = steps(tmp_path / "few", FEW), steps(tmp_path / "many", MANY)
    assert few > 50, "the steps were counted"
    assert many < 1.5 * few + 300
