"""`penstock verify`: everything that can be checked is checked, and nothing is changed.

The catalog, the state store and the seals are read whole; of every table the metadata, manifests and data files; then
the accounts are compared with what the files hold. What is broken in one place does not keep the others from being
looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

from penstock.declaration import Table
from penstock.errors import PenstockError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import SqliteState
from penstock.storage import LocalZone
from penstock.tables import IcebergCatalog
from penstock.upkeep.accounts import Accounts
from penstock.upkeep.chain import Chain, Live
from penstock.upkeep.files import Files
from penstock.upkeep.findings import REPAIR, Report

LOOKS = 5
"""How often a table that moves on while it is looked at is looked at again."""


@dataclass(frozen=True)
class Grounds:
    """What there is to look at.

    Attributes:
        catalog: The tables.
        raw: The files as delivered.
        processed: Where tables stand.
        state: Opens the state store; raises StateError where it cannot be used.
        declared: What is declared of tables.
        signals: Told of each file.
    """

    catalog: IcebergCatalog
    raw: LocalZone
    processed: LocalZone
    state: Callable[[], SqliteState]
    declared: Mapping[TableName, Table]
    signals: Signals


class Verifier:
    """Looks through a lake."""

    def __init__(self, grounds: Grounds) -> None:
        """Look at `grounds`."""
        self._grounds = grounds

    def verify(self, tables: Iterable[TableName] = (), *, quick: bool = False, raw: bool = False) -> Report:
        """Look at some tables, or at all.

        Args:
            tables: Which; all when left out.
            quick: Whether files whose marks are as they were are taken for what they were, without reading them.
            raw: Whether files in `raw/` are compared with what was read of them, too.
        """
        report, tables = Report(), list(tables)
        state = self._stores(report)
        names = tables or self._names(report)
        try:
            files = Files.of(
                self._grounds.catalog.seals, self._grounds.processed.root, report, self._grounds.signals, quick=quick
            )
        except PenstockError:
            files = Files((), report, self._grounds.signals, quick=quick)
        for name in names:
            self._table(name, files, state, report)
            if raw and state is not None:
                self._accounts(state, files, report).look_at_raw(name)
        if not tables:
            files.look_at_others(report)
        return report

    def _stores(self, report: Report) -> SqliteState | None:
        """Look at the databases; gives the state store where it can be used."""
        seals = self._grounds.catalog.seals
        try:
            for fault in seals.check():
                report.find("seals", seals.file, f"the seals are damaged: {fault}", REPAIR)
        except PenstockError as error:
            report.find("seals", seals.file, error.what, REPAIR)
        file = self._grounds.processed.root / "catalog.db"
        for fault in _faults(file) if file.exists() else ():
            what = f"the catalog, which knows the tables, is damaged: {fault}"
            report.find("catalog", file, what, "put it back from a copy, with the rest of the processed zone")
        try:
            state = self._grounds.state()
            found = state.faults()
        except PenstockError as error:
            report.find("state", error.where or "the state store", error.what, REPAIR)
            return None
        for fault in found:
            report.find("state", state.file, f"the state store is damaged: {fault}", REPAIR)
        return None if found else state

    def _names(self, report: Report) -> list[TableName]:
        try:
            return self._grounds.catalog.tables()
        except PenstockError as error:
            report.find("catalog", error.where, error.what, error.hint)
            return []

    def _table(self, name: TableName, files: Files, state: SqliteState | None, report: Report) -> None:
        """Look at a table; once more where a commit came in between."""
        for left in reversed(range(LOOKS)):
            trial = Report()
            live = Chain(self._grounds.catalog, files.noting(trial), trial).look_through(name)
            if live is not None and live.files is not None:
                self._contents(name, live, files.noting(trial), state, trial)
            if live is None or not left or self._grounds.catalog.pointer(name) == live.pointer:
                break
        report.take(trial)
        report.tables += live is not None
        report.rows += sum(file.rows for file in live.files or ()) if live is not None else 0

    def _contents(self, name: TableName, live: Live, files: Files, state: SqliteState | None, report: Report) -> None:
        """Look at a table's data files, and compare the accounts with them."""
        for file in live.files or ():
            files.look_at_data(file, str(name))
        if unsealed := [file for file in live.files or () if not files.sealed(file.path)]:
            report.notes.append(
                f"{name}: {len(unsealed)} data files are not sealed; the next query seals what reads well"
            )
        if state is None:
            return
        kept = state.heads.get(name, live.pointer)
        if kept is not None and set(kept.files) != set(live.files or ()):
            what = "what is remembered of its files is not what its manifests say: queries would read others"
            report.find("head", name, what, REPAIR)
        displaced = kept.displaced if kept is not None else ""
        accounts = self._accounts(state, files, report)
        accounts.compare(name, self._grounds.declared.get(name), live.files or (), displaced)

    def _accounts(self, state: SqliteState, files: Files, report: Report) -> Accounts:
        return Accounts(state, self._grounds.raw, self._grounds.processed, files, report)


def _faults(file: object) -> list[str]:
    """What SQLite itself says of a database."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found
