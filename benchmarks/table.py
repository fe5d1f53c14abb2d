"""Tables of measurements: what is kept in `figures.json`, printed, and shown on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from measuring import MILLION, Contender, own_peak

Figure = float | None
Samples = dict[str, Any]


@dataclass(frozen=True)
class Bars:
    """A chart of one column: a bar for each row.

    Attributes:
        column: The column.
        title: What the bars are, with their unit.
        leave_out: Rows without a bar.
    """

    column: str
    title: str
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A chart of one sample along another.

    Attributes:
        across: Name of the sample along which it runs.
        up: Names of the samples that are drawn.
        title: What is drawn, with its unit.
    """

    across: str
    up: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Row:
    """One contender, or one point of a measurement: a figure for each column, None where none counts."""

    name: str
    figures: tuple[Figure, ...]
    outcome: str = ""


@dataclass
class Table:
    """One measurement.

    Attributes:
        title: What is measured.
        columns: Heads of the columns of figures, and how many decimals they have.
        rows: The figures.
        how: How often it was measured, and what is shown of that.
        notes: What must be known to read the figures.
        charts: Which figures are drawn.
        right: Whether Penstock's own rows were right.
        samples: Every single value.
    """

    title: str
    columns: list[tuple[str, int]]
    rows: list[Row]
    how: str
    notes: list[str] = field(default_factory=list)
    charts: list[Bars | Curve] = field(default_factory=list)
    right: bool = True
    samples: Samples = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(self), "charts": [{"kind": type(one).__name__, **asdict(one)} for one in self.charts]}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Table:
        """As it was kept."""
        rows = [Row(row["name"], tuple(row["figures"]), row["outcome"]) for row in kept["rows"]]
        columns = [(head, digits) for head, digits in kept["columns"]]
        return cls(**{**kept, "columns": columns, "rows": rows, "charts": [_chart(one) for one in kept["charts"]]})

    def column(self, head: str) -> list[tuple[str, Figure]]:
        """One column: names of the rows and their figures."""
        at = [name for name, _ in self.columns].index(head)
        return [(row.name, row.figures[at]) for row in self.rows]

    def cells(self) -> list[list[str]]:
        """The whole table as text, its head first."""
        judged = any(row.outcome for row in self.rows)
        digits = [digits for _, digits in self.columns]
        lines = [["", *(head for head, _ in self.columns), *(["rows"] if judged else [])]]
        for row in self.rows:
            figures = [shown(figure, count) for figure, count in zip(row.figures, digits, strict=True)]
            lines.append([row.name, *figures, *([row.outcome] if judged else [])])
        return lines

    def as_text(self) -> str:
        """For the terminal."""
        rows = self.cells()
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        notes = [f"  {note}" for note in [self.how, *self.notes]]
        return "\n".join([self.title, *(f"  {line}" for line in lines), *notes])


def _chart(kept: dict[str, Any]) -> Bars | Curve:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return Bars(**values) if values.pop("kind") == "Bars" else Curve(**values)


def shown(figure: Figure, digits: int) -> str:
    """A figure as text."""
    return "-" if figure is None else f"{figure:,.{digits}f}"


def ratio(figure: Figure, base: Figure) -> Figure:
    """How many times `base`."""
    return figure / base if figure is not None and base else None


def of_processes(
    title: str,
    contenders: Sequence[Contender],
    baseline: str,
    runs: int,
    *,
    own: str = "",
    notes: Sequence[str] = (),
    charts: Sequence[Bars | Curve] = (),
    amount: tuple[str, int] | None = None,
) -> Table:
    """What whole processes used, beside the baseline's; with `amount`, (word, how many), also that many a second."""
    base = next((one for one in contenders if one.name == baseline), None)
    columns = [("CPU s", 2), ("CPU ratio", 2), ("wall s", 2), ("wall ratio", 2), ("memory MB", 0)]
    columns += [(f"{amount[0]}/s", 0)] if amount else []
    return Table(
        title,
        columns,
        [Row(one.name, _figures(one, base, amount), one.outcome) for one in contenders],
        how=f"Medians of {counted(runs, 'run')}. Ratios: {baseline} is 1.",
        notes=[*notes, *(f"{one.name}: {one.note}" for one in contenders if one.note)],
        charts=list(charts),
        right=all(not one.is_out for one in contenders if one.name == own),
        samples={one.name: _samples(one) for one in contenders},
    )


def _figures(one: Contender, base: Contender | None, amount: tuple[str, int] | None) -> tuple[Figure, ...]:
    cpu, wall, peak = one.median("cpu"), one.median("wall"), one.median("peak")
    ratios = [ratio(value, base.median(what) if base else None) for value, what in ((cpu, "cpu"), (wall, "wall"))]
    memory = peak / MILLION if peak is not None and peak > own_peak() else None
    more = ((amount[1] / wall) if wall else None,) if amount else ()
    return (cpu, ratios[0], wall, ratios[1], memory, *more)


def _samples(one: Contender) -> dict[str, list[float]]:
    return {what: [round(getattr(usage, what), 4) for usage in one.usages] for what in ("cpu", "wall", "peak")}


def counted(number: int, word: str) -> str:
    """A number with its word."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
