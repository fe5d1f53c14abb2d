"""The page of the documentation, made out of the figures that are kept.

Figures are kept by measurement, each with its day and the machine it was taken on, so that one measurement can be
repeated without the others.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charts import alt_text, draw
from table import Table

ROOT = Path(__file__).parent.parent
_NUMBERS = re.compile(r"\[(\s*(?:-?[\d.]+(?:e-?\d+)?|null),?)+\s*\]")
HEAD = """\
# Benchmarks

Contenders are whole processes, started one after the other in turns, so that a noisy moment hits all of them alike;
where something is measured inside one process, the text says so. CPU is user and system time of the process and its
children, memory is its peak. Before a time counts, the rows that came out are compared with a truth that is computed
apart, in plain Python; a contender whose rows are wrong has no times.

This page is written by `.venv/bin/python benchmarks/bench.py --write-docs`; `make bench` prints the same figures for
your machine. With the name of a measurement, such as `benchmarks/bench.py startup --write-docs`, only that one is
repeated and replaced. Where CPU goes inside a run is what `benchmarks/bench.py profile` tells.
"""


@dataclass(frozen=True)
class Kept:
    """A measurement as it is kept: its tables, the day, and the machine with its versions."""

    tables: list[Table]
    date: str
    machine: str

    def as_dict(self) -> dict[str, Any]:
        """For the file."""
        return {"date": self.date, "machine": self.machine, "tables": [table.as_dict() for table in self.tables]}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Kept:
        """From the file."""
        return cls([Table.from_dict(table) for table in kept["tables"]], kept["date"], kept["machine"])


def figures_in(root: Path) -> Path:
    """Where figures are kept."""
    return root / "benchmarks" / "figures.json"


def page_in(root: Path) -> Path:
    """Where the page stands."""
    return root / "docs" / "benchmarks.md"


def pictures_in(root: Path) -> Path:
    """Where the charts stand."""
    return root / "docs" / "assets" / "benchmarks"


def read_figures(root: Path = ROOT) -> dict[str, Kept]:
    """The measurements that are kept, by name."""
    file = figures_in(root)
    if not file.exists():
        return {}
    return {name: Kept.from_dict(kept) for name, kept in json.loads(file.read_text(encoding="utf-8")).items()}


def keep(measured: dict[str, Kept], order: list[str], root: Path = ROOT) -> dict[str, Kept]:
    """Put new measurements in the place of old ones of the same name; all that are kept then, in order."""
    known = {**read_figures(root), **measured}
    kept = {name: known[name] for name in order if name in known}
    text = _NUMBERS.sub(_on_one_line, json.dumps({name: one.as_dict() for name, one in kept.items()}, indent=1))
    figures_in(root).parent.mkdir(parents=True, exist_ok=True)
    figures_in(root).write_text(f"{text}\n", encoding="utf-8")
    return kept


def write_page(kept: dict[str, Kept], root: Path = ROOT) -> None:
    """Write the page and its charts; charts that are no longer named go."""
    pictures = pictures_in(root)
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.svg"):
        old.unlink()
    for name, at, table in _numbered(kept):
        if table.charts:
            (pictures / f"{_stem(name, at)}.svg").write_text(draw(table), encoding="utf-8")
    page_in(root).write_text(page_text(kept), encoding="utf-8")


def page_text(kept: dict[str, Kept]) -> str:
    """The page, without its charts."""
    parts = [HEAD.rstrip(), _when(kept)]
    parts += [_section(table, _stem(name, at) if table.charts else "") for name, at, table in _numbered(kept)]
    return "\n\n".join(parts) + "\n"


def _on_one_line(numbers: re.Match[str]) -> str:
    return " ".join(numbers[0].split()).replace("[ ", "[").replace(" ]", "]")


def _numbered(kept: dict[str, Kept]) -> list[tuple[str, int, Table]]:
    return [(name, at, table) for name, one in kept.items() for at, table in enumerate(one.tables)]


def _stem(name: str, at: int) -> str:
    return f"{name}-{at + 1}" if at else name


def _when(kept: dict[str, Kept]) -> str:
    """When and where was measured: once where all agree, else by measurement."""
    if not kept:
        return "No figures are kept yet."
    sessions: dict[tuple[str, str], list[str]] = {}
    for name, one in kept.items():
        sessions.setdefault((one.date, one.machine), []).append(name)
    if len(sessions) == 1:
        ((date, machine),) = sessions
        return f"Measured on {date}: {machine}."
    return "\n".join(f"- {', '.join(names)}: {date}, {machine}." for (date, machine), names in sessions.items())


def _section(table: Table, picture: str) -> str:
    head, *rows = table.cells()
    judged = len(head) > len(table.columns) + 1
    rules = ["---", *["--:"] * len(table.columns), *(["---"] if judged else [])]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rules, *rows)]
    notes = [f"- {note}" for note in [table.how, *table.notes]]
    image = [f"![{alt_text(table)}](assets/benchmarks/{picture}.svg)", ""] if picture else []
    return "\n".join([f"## {table.title}", "", *image, *lines, "", *notes])
