"""Those who take files in: what looks for them, workers, and what brings rows back or lets them go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from penstock.arrivals import Bench, Discovery, Keeper, Readmission, Readmitter, Worker, Workshop
from penstock.arrivals import discover as look
from penstock.declaration import lacks_secrets, seconds_of
from penstock.engines.memory import memory_share
from penstock.errors import DeclarationError, SecretError, TableNotFoundError
from penstock.naming import TableName, did_you_mean
from penstock.opened import Opened
from penstock.quality.retention import Purged
from penstock.steps import problems_of
from penstock.wiring.engine import engine_of
from penstock.wiring.upkeep import tender


def discover(lake: Opened) -> Discovery:
    """Record every file version in `raw/` that is new."""
    assert_knows_secrets(lake)
    return look(lake.raw, lake.declared, lake.state, lake.folder, seconds_of(lake.declaration.intake.settle))


def workshop(lake: Opened, threads: int | None = None, share: int = 1) -> Workshop:
    """Make a place to process files at; whoever asked closes its engine.

    Raises:
        DeclarationError: An expression of the declaration is not sound.
        SecretError: A salt is a secret that is not known here.
    """
    assert_knows_secrets(lake)
    if problems := problems_of(lake.examined.document, lake.examined.text):
        raise DeclarationError(problems)
    bench = Bench(engine_of(lake, memory_share(share), threads), lake.clock, lake.folder)
    return Workshop(lake.raw, lake.processed, bench, lake.work / "scratch")


def assert_knows_secrets(lake: Opened) -> None:
    """Refuse to make rows in another way than the functions of a deployed lake make them.

    Raises:
        SecretError: Something stands in for a salt, which only they know.
    """
    if lacks_secrets(lake.examined.document):
        message = "a salt of this lake is a secret, which was not fetched: rows would get other hashes than they have"
        raise SecretError(message, where=lake.name, hint="leave the work to the functions")


def worker(
    lake: Opened,
    threads: int | None = None,
    *,
    share: int = 1,
    committed: Callable[[TableName], object] | None = None,
    claimed: Callable[[], object] | None = None,
) -> Worker:
    """Make a worker that processes what waits; it is closed with the lake. `Lake.worker` tells of its parameters."""
    shop = workshop(lake, threads, share)
    made = Worker(
        shop,
        state=lake.state,
        catalog=lake.catalog,
        signals=lake.signals,
        tags=lake.declaration.tags,
        retry=lake.declaration.retry,
        committed=committed or tender(lake, lambda: shop.bench.engine),
        claimed=claimed,
    )
    if claimed is not None:  # a single run has to end
        made.wait_for_room(lake.room)
    else:
        made.leave_rest_to(lambda: any(process.kind == "up" for process in lake.processes()))
    lake.closing(made)
    return made


def readmit(lake: Opened, table: str, corrections: Path, *, dry_run: bool) -> Readmission:
    """Bring corrected rows of the quarantine back into a table, each once."""
    name = TableName.parse(table)
    if name not in lake.declared:
        hint = f"declared: {', '.join(map(str, lake.declared)) or 'none'}"
        near = did_you_mean(table, map(str, lake.declared))
        raise TableNotFoundError(f'no table "{table}" is declared{near}', hint=hint)
    readmitter = Readmitter(
        workshop(lake), state=lake.state, catalog=lake.catalog, signals=lake.signals, tags=lake.declaration.tags
    )
    lake.closing(readmitter)
    return readmitter.readmit(name, lake.declared[name], corrections, dry_run=dry_run)


def purge(lake: Opened, tables: Iterable[TableName]) -> dict[TableName, list[Purged]]:
    """Remove rows that have been in quarantine for longer than their table declares."""
    keeper = Keeper(lake.processed, lake.state, lake.catalog, lake.clock, lake.signals)
    return {name: keeper.purge(name, lake.declared[name], wait=True) for name in tables}
