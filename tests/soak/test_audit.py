"""The audit of a soak sees what it is there to see: each thing that can be wrong, made wrong by hand, is found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.state.sqlite import sums
from tests.soak.audit import audit, growth
from tests.soak.plan import Landing, Moment, Plan
from tests.soak.world import Sample, World

GOOD = b"id,name,amount,at\n1,x,5,2024-01-05\n2,y,500,2024-01-05\n3,,6,2024-01-05\n4,z,7,2024-02-30\n"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lake in which a few files landed, without anything else."""
    files = (
        ("events/a.csv", GOOD),
        ("events/b.csv", GOOD),
        ("events/bad.csv", b""),
        ("codes/a.csv", b"code,label\n1,a\n"),
    )
    world = World(tmp_path_factory.mktemp("audit"), Plan(1, 8.0, [Moment(0.0, Landing("new", "rename", files))]))
    world.carry_out_first()
    yield world
    world.close()


def test_a_lake_that_is_right_is_found_right(done: World) -> None:
    """Nothing is found where nothing is wrong."""
    assert list(audit(done)) == []


def file_gone(world: World) -> None:
    """A file lands and nobody takes it."""
    (world.lake / "raw" / "events" / "new.csv").write_bytes(GOOD)


def file_changed(world: World) -> None:
    """A file holds other rows than those that were read."""
    (world.lake / "raw" / "events" / "a.csv").write_bytes(GOOD.replace(b",x,5,", b",x,6,"))


def bad_file_good(world: World) -> None:
    """A file that could not become rows is counted as if it had."""
    _change(world, "UPDATE arrivals SET state='finished' WHERE key='events/bad.csv'")


def waiting(world: World) -> None:
    """A file waits that nobody looks for."""
    _change(world, "UPDATE arrivals SET state='pending' WHERE key='events/b.csv'")


def account(world: World) -> None:
    """A run loses a row."""
    _change(world, "UPDATE runs SET accounting=json_set(accounting, '$.rows_in', 99) WHERE state='finished'")


def alarm_over(world: World) -> None:
    """An alarm ends while its reason lasts."""
    _change(world, "UPDATE alarms SET state='OK' WHERE alarm='dead_letters'")


def alarm_twice(world: World) -> None:
    """An alarm is told twice."""
    columns = 'name, "table", at, facts'
    _change(world, f"INSERT INTO events ({columns}) SELECT {columns} FROM events WHERE name='alarm'")


def message_unsent(world: World) -> None:
    """A message still waits."""
    _change(world, "UPDATE messages SET state='waiting' WHERE notice='kept'")


def message_lost(world: World) -> None:
    """A message counts as sent that never arrived."""
    _change(world, "UPDATE messages SET body=body || 'more' WHERE notice='failures'")


def event_untold(world: World) -> None:
    """Something happened that no message tells of."""
    _change(world, "INSERT INTO events (name, \"table\", at, facts) VALUES ('dead', 'events', 1, '{}')")


def ended(world: World) -> None:
    """A process ended by itself."""
    world.toll.ended.append("first ended by itself")


WRONGS: dict[Callable[[World], None], str] = {
    file_gone: "table events lacks: 1 rows",
    file_changed: "table events lacks: 1 rows, such as (1, 'x', 6",
    bad_file_good: "('events', 'events/bad.csv') is finished",
    waiting: "events/b.csv is still pending",
    account: "does not add up",
    alarm_over: "the alarm dead_letters is OK, its last change was ALARM",
    alarm_twice: "and were told as",
    message_unsent: "of kept is waiting",
    message_lost: "of failures never arrived",
    event_untold: "failures told",
    ended: "a process: first ended",
}


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.__name__)
def test_what_is_wrong_is_found(done: World, wrong: Callable[[World], None], tmp_path: Path) -> None:
    """Each wrong is told in words; thereafter the lake is put back as it was."""
    ended = list(done.toll.ended)
    shutil.copytree(done.lake, tmp_path / "kept")
    try:
        wrong(done)
        found = list(audit(done))
    finally:
        done.toll.ended = ended
        shutil.rmtree(done.lake)
        shutil.move(tmp_path / "kept", done.lake)
    assert any(WRONGS[wrong] in line for line in found), found


def test_growth_is_found(done: World) -> None:
    """Memory, threads and open files are compared, quarter with quarter, of one process."""

    def of(*quarters: tuple[int, int, int]) -> list[str]:
        done.toll.samples = [
            Sample(quarter * 2.0 + at / 10, 7, *figures) for quarter, figures in enumerate(quarters) for at in range(20)
        ]
        return growth(done)[1]

    flat = (100_000_000, 12, 30)
    assert of(flat, flat, flat, flat) == []
    assert of((9_000_000, 1, 1), flat, flat, (124_000_000, 13, 33)) == []
    assert of(flat, flat, flat, (126_000_000, 12, 30)) == ["bytes grew from 100,000,000 to 126,000,000"]
    assert of(flat, flat, flat, (100_000_000, 19, 46)) == ["threads grew from 12 to 19", "files grew from 30 to 46"]
    assert of(flat) == ["too few samples of the steady process: [0, 0]"]


def _change(world: World, sql: str) -> None:
    """Write into the state store, as no program but this one may."""
    with closing(sqlite3.connect(world.lake / ".penstock" / "state.db")) as connection:
        sums.install(connection)
        connection.execute(sql)
        connection.commit()
