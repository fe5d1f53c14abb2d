"""The `immobilier` lake in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.templates import plain
from tests.templates.plain import Reading, Row, SetAsideError, french, records, whole, yes_or_no

FILES = {
    "annonces-2025-09.csv": (";", "utf-8-sig"),
    "annonces-2025-10.csv": (",", "cp1252"),
    "annonces-2025-11.csv.gz": (";", "utf-8"),
    "annonces-2025-12.csv": (",", "utf-8"),
}
COLUMNS = ("titre", "prix", "surface", "chambres", "salles_bain", "source", "garage", "terrassse", "prix_m2")
SOURCES = {"seloger", "leboncoin", "pap", "bien'ici"}
CELLS: dict[str, Callable[[str], Any]] = {
    "titre": plain.text,
    "source": plain.text,
    "prix": lambda cell: french(cell, ("€", "EUR"), ("nc", "nous consulter")),
    "surface": lambda cell: french(cell, ("m²", "m2"), ("nc", "n.c.")),
    "chambres": whole,
    "salles_bain": whole,
    "garage": yes_or_no,
    "terrassse": yes_or_no,
}


def read(raw: Path) -> Reading:
    """Read the four files in the order of their months."""
    reading = Reading()
    for name, (delimiter, encoding) in FILES.items():
        earlier = {(row["titre"], row["source"]) for row in reading.rows}
        seen = set[tuple[str, str]]()
        for line, cells in records(raw / name, delimiter, encoding):
            reading.rows_in[name] += 1
            _place(reading, name, line, cells, seen, earlier)
    return reading


def _place(
    reading: Reading,
    name: str,
    line: int,
    cells: dict[str, str],
    seen: set[tuple[str, str]],
    earlier: set[tuple[str, str]],
) -> None:
    row: Row = {}
    for column, read_cell in CELLS.items():
        try:
            row[column] = read_cell(cells[column])
        except SetAsideError:
            reading.quarantined.append((name, line, column))
            return
    row["source"] = row["source"].lower() if row["source"] else None
    for column in ("titre", "prix"):
        if row[column] is None:
            reading.dropped[f"require {column}"] += 1
            return
    key = (row["titre"], row["source"])
    if None not in key and key in seen:
        reading.dropped["dedupe"] += 1
        return
    seen.add(key)
    if not 1_000 <= row["prix"] <= 20_000_000:
        reading.quarantined.append((name, line, "prix"))
        return
    row["prix_m2"] = row["prix"] / row["surface"] if row["surface"] else None
    reading.rows.append(row)
    reading.warned.update(_spoken_of(row, again=key in earlier and None not in key))


def _spoken_of(row: Row, *, again: bool) -> list[str]:
    broken = {
        "check unique titre, source": again,
        "check not_null source": row["source"] is None,
        "check between chambres 0..20": row["chambres"] is not None and not 0 <= row["chambres"] <= 20,
        "check at least 9 m²": row["surface"] is not None and 0 < row["surface"] < 9,
    }
    return [name for name, breaks in broken.items() if breaks]
