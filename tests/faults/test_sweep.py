"""Whatever fails once, or from then on, at any place on the road of a file: one plain run makes it good.

Each test strikes at n = 1, 2, 3, ... until a run meets no fault. In CI, errors strike everywhere on one road, all but
the single statements of the state store on the first file's, at files and the catalog where data files are shared or
written anew, and elsewhere at what is the road's own; the other kinds of fault strike where they can differ from an
error. `PENSTOCK_SWEEP=full` strikes everywhere with everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from penstock import faults
from penstock.tables import commit
from tests.faults.sweep import Bench, Found, Kind, Span, Strike, Sweep, sweep
from tests.faults.worlds import AGAIN, FIRST, PACKED, PYTHON, WIDER, WORLDS
from tests.road.lakes import CONTEXT
from tests.told import count

FULL = os.environ.get("PENSTOCK_SWEEP") == "full"
PROCESSES = 2
EVERYWHERE = frozenset(faults.PLACES)
WRITES = frozenset(place for place in faults.PLACES if place.endswith((".write", ".written")) and "state" not in place)
FILES = frozenset(place for place in faults.PLACES if not place.startswith(("state", "seals", "catalog.read")))
OUTSIDE = FILES | {"state.commit", "state.committed", "state.worker", "seals.commit", "seals.committed"}
OWN = frozenset(place for place in FILES if not place.startswith(("metadata", "catalog")))
SOME = {
    AGAIN.name: EVERYWHERE,
    FIRST.name: EVERYWHERE - {"state.read", "state.write"},
    PACKED.name: FILES,
    WIDER.name: FILES,
}
"""Where errors strike in CI; on the other roads, whose commits are the same, at what is their own."""
UNUSED = {road: {"quarantine"} for road in (WIDER.name, PYTHON.name)}
"""What no place on a road belongs to."""
ROADS = [world.name for world in WORLDS]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProcessPoolExecutor, Path]]:
    """Processes that sweep, and their folder."""
    with ProcessPoolExecutor(PROCESSES, CONTEXT) as made:
        yield made, tmp_path_factory.mktemp("sweep")


def swept(pool: tuple[ProcessPoolExecutor, Path], wanted: Sweep) -> Found:
    """Sweep, and make sure that something was struck and nothing is wrong."""
    executor, folder = pool
    jobs = [executor.submit(sweep, wanted, folder, first, PROCESSES) for first in range(1, PROCESSES + 1)]
    total = Found()
    for part in (job.result() for job in jobs):
        total.struck += part.struck
        total.wrong += part.wrong
        total.went_on += part.went_on
    count("fault sweep", f"{wanted.kind} {wanted.span}", total.struck.total(), unit="points")
    print(f"{wanted.kind} {wanted.span}, {wanted.world}: N = {total.struck.total()} {dict(total.struck)}")  # noqa: T201
    assert not total.wrong, "\n".join(total.wrong)
    assert total.struck, "no place was struck"
    return total


@pytest.mark.timeout(900)
@pytest.mark.parametrize("road", ROADS)
def test_an_error_anywhere(pool: tuple[ProcessPoolExecutor, Path], road: str) -> None:
    """One error at any place of any road: after one plain run every row is there once, and nothing is dead."""
    only = EVERYWHERE if FULL else SOME.get(road, OWN)
    found = swept(pool, Sweep(road, "error", "once", only))
    areas = {place.partition(".")[0] for place in found.struck}
    assert areas == {place.partition(".")[0] for place in only} - UNUSED.get(road, set())
    assert found.went_on > len(found.struck) / 4, "hardly a run made good for itself what failed once"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("road", ROADS)
def test_half_a_write(pool: tuple[ProcessPoolExecutor, Path], road: str) -> None:
    """Of any write, half arrives: no half is ever served, and the rows are there once."""
    swept(pool, Sweep(road, "torn write", "once", WRITES))


OTHERS: list[tuple[Kind, Span, frozenset[str]]] = [
    ("full disk", "once", OUTSIDE),
    ("error", "from then on", OUTSIDE),
    ("full disk", "from then on", WRITES),
    ("kill", "once", OUTSIDE),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("road", ROADS if FULL else [AGAIN.name])
@pytest.mark.parametrize(("kind", "span", "only"), OTHERS)
def test_other_faults(
    pool: tuple[ProcessPoolExecutor, Path], road: str, kind: Kind, span: Span, only: frozenset[str]
) -> None:
    """A full disk, a disk that fails for good, a process that is killed: one plain run makes it good."""
    swept(pool, Sweep(road, kind, span, EVERYWHERE if FULL else only))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["error", "full disk"])
def test_what_fails_for_good_sets_the_file_aside(pool: tuple[ProcessPoolExecutor, Path], kind: Kind) -> None:
    """One thing that fails each time ends the file as a dead letter that says why; the table stays as it was."""
    only = EVERYWHERE if FULL else FILES - {"storage.mkdir", "journal.write"}
    swept(pool, Sweep(AGAIN.name, kind, "there from then on", only))


def test_a_planted_defect_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a commit no longer asks whether its rows are there, an answer that is lost doubles them, and it shows."""
    for name in ("_is_there", "_gives_way"):
        monkeypatch.setattr(commit, name, lambda *_: False)
    bench = Bench(AGAIN, tmp_path)
    strike = Strike(1, only=frozenset({"catalog.committed"}))
    bench.disturbed(strike)
    assert strike.struck
    monkeypatch.setattr(commit, "_landed", lambda *_: False)
    bench.disturbed(Strike(1, only=frozenset({"catalog.committed"})))
    assert "'name': a2" in bench.after()
