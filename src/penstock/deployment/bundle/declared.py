"""What a declaration says of the bundle: where data is, and which packages only some lakes need."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePosixPath

from penstock.declaration import Declaration, Table

EXCEL, READER = "excel", "openpyxl"
ENDINGS = frozenset({".xlsx", ".xlsm"})


def zones_of(declaration: Declaration) -> tuple[str, ...]:
    """Where the zones are on this machine; what is there is data and stays."""
    return (declaration.zones.raw, declaration.zones.processed, declaration.zones.enriched)


def packages_of(declaration: Declaration) -> tuple[str, ...]:
    """Packages that this declaration needs beside those of every lake.

    A table of Excel files needs their reader; one that takes files of any name gets it where it is installed.
    """
    tables = declaration.tables.values()
    if any(map(_is_excel, tables)) or (any(map(_may_be_excel, tables)) and find_spec(READER)):
        return (READER,)
    return ()


def _is_excel(table: Table) -> bool:
    return table.format == EXCEL or (table.format is None and _ending(table) in ENDINGS)


def _may_be_excel(table: Table) -> bool:
    ending = _ending(table)
    return table.format is None and (not ending or any(mark in ending for mark in "*?["))


def _ending(table: Table) -> str:
    return PurePosixPath(table.files.lower()).suffix
