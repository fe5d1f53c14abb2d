"""Whether a lake is whole, and what makes it whole again."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import StateError
from penstock.naming import TableName
from penstock.opened import Opened
from penstock.state import Heads, NoHeads
from penstock.upkeep.deeds import Repaired
from penstock.upkeep.findings import Report
from penstock.upkeep.repair import Repairer, Workplace
from penstock.upkeep.verify import Grounds, Verifier


def verify(lake: Opened, tables: Iterable[str] = (), *, quick: bool = False, raw: bool = False) -> Report:
    """Check everything that can be checked, and change nothing; `Lake.verify` tells of its parameters."""
    site = lake.here
    catalog = site.catalog(_heads(lake))
    grounds = Grounds(catalog, site.raw, site.processed, lambda: lake.store, lake.declared, lake.signals)
    return Verifier(grounds).verify(map(TableName.parse, tables), quick=quick, raw=raw)


def repair(lake: Opened, *, dry_run: bool) -> Repaired:
    """Rebuild the state store of a closed lake from the tables, and mend what can be mended."""
    site = lake.here
    place = Workplace(
        lake.work,
        site.raw,
        site.processed,
        lambda heads: site.catalog(heads or NoHeads()),
        lake.declared,
        lake.journal.tail(1_000_000_000),
        lake.clock,
        lake.signals,
    )
    return Repairer(place, dry_run=dry_run).repair()


def _heads(lake: Opened) -> Heads:
    """The cache of heads; one that keeps nothing where the state store cannot be used."""
    try:
        return lake.state.heads
    except StateError:
        return NoHeads()
