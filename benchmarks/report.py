"""Tables of measurements, as text, as JSON and as a page of the documentation."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measuring import MILLION, Contender, own_peak

PACKAGES = ("penstock", "duckdb", "pyarrow", "pyiceberg", "polars", "pandas")
PAGE = """\
# Benchmarks

Whole processes, started one after the other in turns; medians of {runs} runs. CPU is user and system time of the
process and its children, memory is its peak. Before a time counts, the rows that came out are compared with a truth
that is computed apart, in plain Python.

This page is written by `.venv/bin/python benchmarks/bench.py --write-docs`; `make bench` prints the same figures for
your machine. Where CPU goes inside a run is what `benchmarks/bench.py profile` tells.

Measured on {date}: {machine}.

{tables}
"""


@dataclass
class Table:
    """One measurement.

    Attributes:
        title: What is measured.
        contenders: Who was measured.
        baseline: Name of the contender that the ratios refer to.
        notes: What must be known to read the figures.
        own: Name of the contender that is Penstock and whose rows must be right; None when rows do not matter.
        wanted: Outcomes of `own` that are right.
    """

    title: str
    contenders: list[Contender]
    baseline: str
    runs: int
    notes: list[str] = field(default_factory=list)
    own: str | None = None
    wanted: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Heads of the columns."""
        outcome = ["rows"] if any(one.outcome for one in self.contenders) else []
        return ["contender", "CPU s", "CPU ratio", "wall s", "wall ratio", "memory MB", *outcome]

    def rows(self) -> list[list[str]]:
        """The figures as text."""
        base = next((one for one in self.contenders if one.name == self.baseline and one.usages), None)
        return [self._row(one, base) for one in self.contenders]

    def _row(self, one: Contender, base: Contender | None) -> list[str]:
        outcome = [one.outcome] if len(self.columns()) == len(_FIGURES) + 1 else []
        if not one.usages:
            return [one.name, *["-"] * (len(_FIGURES) - 1), *outcome]
        cpu, wall, peak = (one.median(what) for what in ("cpu", "wall", "peak"))
        memory = f"{peak / MILLION:.0f}" if peak > own_peak() else f"< {own_peak() / MILLION:.0f}"
        ratios = [f"{one.median(what) / base.median(what):.2f}" if base else "-" for what in ("cpu", "wall")]
        return [one.name, f"{cpu:.2f}", ratios[0], f"{wall:.2f}", ratios[1], memory, *outcome]

    def as_text(self) -> str:
        """For the terminal."""
        rows = [self.columns(), *self.rows()]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self.title, *(f"  {line}" for line in lines), *(f"  {note}" for note in self._notes())])

    def as_markdown(self) -> str:
        """For the documentation."""
        columns = self.columns()
        rules = ["---", *["--:"] * (len(_FIGURES) - 1), *["---"] * (len(columns) - len(_FIGURES))]
        lines = [f"| {' | '.join(row)} |" for row in (columns, rules, *self.rows())]
        notes = [f"- {note}" for note in self._notes()]
        return "\n".join([f"## {self.title}", "", *lines, "", *notes])

    def _notes(self) -> list[str]:
        named = [f"{one.name}: {one.note}" for one in self.contenders if one.note]
        return [f"Ratios: {self.baseline} is 1.", *self.notes, *named]

    def as_dict(self) -> dict[str, Any]:
        """For programs: every single run."""
        contenders = {
            one.name: {
                "rows": one.outcome,
                **{what: [getattr(usage, what) for usage in one.usages] for what in ("cpu", "wall", "peak")},
            }
            for one in self.contenders
        }
        return {"title": self.title, "baseline": self.baseline, "contenders": contenders, "notes": self._notes()}


_FIGURES = ("contender", "cpu", "cpu ratio", "wall", "wall ratio", "memory")


@dataclass
class Report:
    """All tables of one session, with the machine and the versions they hold for."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    tables: list[Table] = field(default_factory=list)

    @classmethod
    def here(cls) -> Report:
        """Describe this machine."""
        machine = {
            "system": platform.system(),
            "processor": _processor(),
            "cores": str(len(os.sched_getaffinity(0))),
            "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        }
        versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
        return cls(datetime.now(UTC).strftime("%Y-%m-%d"), machine, versions)

    def machine_line(self) -> str:
        """Machine and versions, in one line."""
        known = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        of = self.machine
        return f"{of['cores']} cores of {of['processor']}, {of['memory']} of memory, {of['system']}; {known}"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        tables = [table.as_dict() for table in self.tables]
        return {"date": self.date, "machine": self.machine, "versions": self.versions, "tables": tables}

    def own_rows_are_right(self) -> bool:
        """Whether Penstock gave the rows that it should, wherever that was looked at."""
        own = [(table, one) for table in self.tables for one in table.contenders if one.name == table.own]
        return all(one.outcome in table.wanted for table, one in own)


def write_docs(report: Report, path: Path) -> None:
    """Write the page of the documentation."""
    tables = "\n\n".join(table.as_markdown() for table in report.tables)
    runs = " and ".join(dict.fromkeys(str(table.runs) for table in report.tables))
    page = PAGE.format(runs=runs, date=report.date, machine=report.machine_line(), tables=tables)
    path.write_text(page, encoding="utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
