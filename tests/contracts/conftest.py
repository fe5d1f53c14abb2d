"""Fixtures that run a contract suite on every implementation, and say which one a test checks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.engines import Engine
from penstock.state import State
from penstock.storage import Zone
from penstock.tables import Catalog
from tests.contracts.places import Place
from tests.contracts.registry import (
    CATALOGS,
    ENGINES,
    NOTICES,
    PLACES,
    SILENCE,
    SLOWEST_TICK,
    STATES,
    TICKS,
    ZONES,
)
from tests.contracts.what_ran import note
from tests.notices.posts import Post

OF_THE_QUEUE = {"test_queue.py", "test_backlog.py"}
"""Files whose checks are those of the queue, which the state store keeps."""


def _note(request: pytest.FixtureRequest, interface: str) -> str:
    """Remember that the test checks this implementation."""
    name: str = request.param
    note(request.node, interface, name)
    return name


@pytest.fixture(params=sorted(ZONES))
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> Zone:
    """A zone without files."""
    return ZONES[_note(request, "storage")](tmp_path / "zone")


@pytest.fixture
def tick(request: pytest.FixtureRequest) -> float:
    """How long to wait until the zone's clock has moved on; that clock is not ours."""
    return TICKS.get(request.node.callspec.params["zone"], SLOWEST_TICK)


@pytest.fixture
def clock() -> HeldClock:
    """Time that only moves when the test says so."""
    return HeldClock()


class Stores:
    """Opens one state store for several workers, each of which is an opened store of its own."""

    def __init__(self, name: str, folder: Path, clock: HeldClock) -> None:
        """Use the implementation `name`, below `folder`."""
        self.name, self.folder, self._clock = name, folder, clock
        self._opened: list[State] = []

    def worker(self) -> State:
        """Open the store as one more worker."""
        self._opened.append(STATES[self.name](self.folder, self._clock))
        return self._opened[-1]

    @property
    def now(self) -> float:
        """The time that its workers have."""
        return self._clock.now()

    def mourn(self) -> None:
        """Let pass what the store needs to know that a process was killed: nothing where the kernel tells."""
        self._clock.sleep(SILENCE.get(self.name, 0.0))

    def close(self) -> None:
        """Close what was opened."""
        for store in self._opened:
            store.close()


@pytest.fixture(params=sorted(STATES))
def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: HeldClock) -> Iterator[Stores]:
    """A state store that any number of workers can open."""
    interface = "queue" if request.path.name in OF_THE_QUEUE else "state"
    made = Stores(_note(request, interface), tmp_path / "state", clock)
    yield made
    made.close()


@pytest.fixture
def store(stores: Stores) -> State:
    """The state store as one worker has it."""
    return stores.worker()


class Catalogs:
    """Opens one catalog as several processes would, each with a cache of heads."""

    def __init__(self, name: str, folder: Path, clock: HeldClock) -> None:
        """Use the implementation `name`, with its tables below `folder`."""
        self.name, self.folder = name, folder
        self._clock = clock
        self._caches: list[State] = []

    def open(self, cache: str = "cache") -> Catalog:
        """Open the catalog with the cache of that name."""
        self._caches.append(next(iter(STATES.values()))(self.folder / cache, self._clock))
        return CATALOGS[self.name](self.folder / "processed", self._caches[-1].heads)

    @cached_property
    def place(self) -> Place:
        """Where the files of its tables are kept."""
        return PLACES[self.name](self.folder / "processed")

    def close(self) -> None:
        """Close what was opened."""
        for cache in self._caches:
            cache.close()


@pytest.fixture(params=sorted(CATALOGS))
def catalogs(request: pytest.FixtureRequest, tmp_path: Path, clock: HeldClock) -> Iterator[Catalogs]:
    """A catalog without tables that can be opened several times."""
    made = Catalogs(_note(request, "catalog"), tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def catalog(catalogs: Catalogs) -> Catalog:
    """A catalog without tables."""
    return catalogs.open()


@pytest.fixture(params=sorted(NOTICES))
def post(request: pytest.FixtureRequest, tmp_path: Path, clock: HeldClock) -> Iterator[Post]:
    """A way that messages go."""
    made = NOTICES[_note(request, "notices")](tmp_path, clock)
    yield made
    made.close()


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine."""
    made = ENGINES[_note(request, "engine")](tmp_path / "spill")
    yield made
    made.close()
