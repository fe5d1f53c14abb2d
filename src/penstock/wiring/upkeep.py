"""Upkeep of a lake's tables: all that is due, or a little of one table after it was written to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cache

from penstock.arrivals.settle import beating
from penstock.engines import Engine
from penstock.naming import TableName
from penstock.opened import Opened
from penstock.tables.retention import IcebergRetention
from penstock.upkeep.compact import Compactor
from penstock.upkeep.leftovers import clear, leftovers
from penstock.upkeep.maintain import Maintained, Maintainer, Upkept
from penstock.upkeep.policy import Policy, policy_of
from penstock.upkeep.sweep import Sweeper
from penstock.wiring.engine import engine_of


def maintain(lake: Opened, tables: Iterable[str] = (), *, dry_run: bool = False) -> Upkept:
    """Do all that is due for tables, and remove what dead processes left; `Lake.maintain` tells of its parameters."""
    maintainer = _maintainer(lake, lambda: _own_engine(lake))
    chosen = [TableName.parse(table) for table in tables] or lake.catalog.tables()
    with beating(lake.state):
        done = tuple(maintainer.maintain(table, _policy(lake, table), dry_run=dry_run) for table in chosen)
    left = leftovers(lake.work, policy_of(lake.declaration.upkeep).orphan_seconds, time.time())
    if not dry_run:
        clear(left)
    return Upkept(done, len(left))


def tender(lake: Opened, engine: Callable[[], Engine] | None = None) -> Callable[[TableName], Maintained | None]:
    """What does a little upkeep of a table that was written to, where any is due; with an engine of its own."""
    maintainer = _maintainer(lake, engine or (lambda: _own_engine(lake)))
    return lambda table: maintainer.tend(table, _policy(lake, table))


def _maintainer(lake: Opened, engine: Callable[[], Engine]) -> Maintainer:
    kept, state, clock = IcebergRetention(lake.catalog), lake.state, lake.clock
    sweeper = Sweeper(lake.processed, lake.site.notes, lake.catalog, kept, state, clock)
    compactor = cache(lambda: Compactor(engine(), lake.processed, lake.catalog, state, clock))
    return Maintainer(lake.catalog, kept, state, sweeper, compactor, clock, lake.signals)


def _own_engine(lake: Opened) -> Engine:
    """An engine for upkeep; it is closed with the lake."""
    made = engine_of(lake)
    lake.closing(made)
    return made


def _policy(lake: Opened, table: TableName) -> Policy:
    """How a table is looked after; one that is not declared as the lake says."""
    return policy_of(lake.declaration.upkeep, lake.declared[table].upkeep if table in lake.declared else None)
