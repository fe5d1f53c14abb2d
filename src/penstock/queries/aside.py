"""Rows set aside, as queries see them: all of them, those that came back, and those of one table by its own columns.

`penstock.quarantine` has every row with its place and raw text. `quarantine.orders` has the rows of the table `orders`
as its files have them: each column as text, beside the row's id, file, line and reason. That is also what
`penstock quarantine export` writes and `readmit` takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from penstock.naming import TableName, identifier, literal
from penstock.quality import quarantine_key
from penstock.quality.corrections import META, meta_name
from penstock.quality.quarantine import CELLS, QUARANTINE_SCHEMA
from penstock.quality.readmitted import parts_of, readmitted_sql, records_of, standing_sql
from penstock.state import State
from penstock.storage import Zone
from penstock.tables import Catalog

QUARANTINE_LAYER = "quarantine"
SOURCES = {
    "id": "id",
    "file": "file",
    "line": "line",
    "reason": "reason",
    "raw": f"CASE WHEN {CELLS} IS NULL THEN raw END",
}
Ask = Callable[[str], list[tuple[Any, ...]]]


class Aside:
    """Gives SQL over what was set aside in one lake."""

    def __init__(self, state: State, catalog: Catalog, processed: Zone) -> None:
        """Look at what `state` and `catalog` name, in the zone `processed`."""
        self._state, self._catalog, self._processed = state, catalog, processed

    def rows(self, fate: str = "quarantined") -> str:
        """SELECT over the rows set aside, or kept with a warning, of the versions that tables hold now."""
        names = ", ".join(f'"{name}"' for name, _ in QUARANTINE_SCHEMA)
        return f"SELECT {names} FROM ({self._standing(None, fate)})"

    def readmitted(self) -> str:
        """SELECT over the rows that came back, of the versions that tables hold now."""
        return readmitted_sql([path for name in self._catalog.tables() for path in self._records(name)])

    def of_table(self, name: TableName, ask: Ask) -> str:
        """SELECT over the rows of one table in quarantine, by the columns of its files."""
        standing = self._standing(name, "quarantined")
        headers = ask(
            f"SELECT DISTINCT CAST(json_keys({CELLS}) AS VARCHAR[]) FROM ({standing}) WHERE {CELLS} IS NOT NULL"
        )
        columns = _spellings(sorted((list(header) for (header,) in headers), key=lambda names: (-len(names), names)))
        meta = {name: f"{SOURCES[name]} AS {identifier(meta_name(name, list(columns)))}" for name in META}
        cells = [_cell(variants) for variants in columns.values()]
        first = [meta[name] for name in META if name != "raw"]
        return f"SELECT {', '.join([*first, *cells, meta['raw']])} FROM ({standing})"

    def tables(self) -> list[TableName]:
        """Tables of whose files any were processed."""
        return sorted({arrival.table for arrival in self._state.arrivals.find(states=("finished",))})

    def _standing(self, table: TableName | None, fate: str) -> str:
        arrivals = [found for found in self._state.arrivals.find(table, ("finished",)) if found.quarantine_stem]
        keys = [quarantine_key(arrival.table, arrival.quarantine_stem or "") for arrival in arrivals]
        self._processed.bring((key, None) for key in keys)
        files = [self._processed.location(key) for key in keys]
        tables = {arrival.table for arrival in arrivals} if fate == "quarantined" else set()
        self._catalog.seals.assert_whole(files, QUARANTINE_LAYER)
        return standing_sql(files, [path for name in sorted(tables) for path in self._records(name)], fate)

    def _records(self, name: TableName) -> list[str]:
        records = records_of(self._processed, name, parts_of(self._catalog.head(name)))
        self._catalog.seals.assert_whole(records, f"{QUARANTINE_LAYER} of {name}")
        return records


def _spellings(headers: Iterable[list[str]]) -> dict[str, list[str]]:
    """The columns of some headers in order, each with the ways in which it is spelled; the first one names it."""
    names: dict[str, str] = {}
    spellings: dict[str, list[str]] = {}
    for header in headers:
        for name in header:
            known = names.setdefault(name.lower(), name)
            variants = spellings.setdefault(known, [])
            if name not in variants:
                variants.append(name)
    return spellings


def _cell(variants: list[str]) -> str:
    found = [
        f"struct_extract(json_transform({CELLS}, {literal(json.dumps({name: 'VARCHAR'}, ensure_ascii=False))}), "
        f"{literal(name)})"
        for name in variants
    ]
    return f"coalesce({', '.join(found)}) AS {identifier(variants[0])}"
