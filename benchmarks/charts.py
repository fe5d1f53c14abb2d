"""Charts of tables, as SVG whose text stays text and whose colours follow light and dark.

Drawn with colours that stand for others: in the file they become variables, which a style sheet inside the SVG sets
for light and for dark. The picture has a ground of its own, so it can be read on any page.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from table import Bars, Curve, Table, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GROUND, FAINT = "#010101", "#fefefe", "#808182"
OWN, OTHER, THIRD = "#0a6ebd", "#9aa7b4", "#d07f2c"
VARIABLES = {INK: "ink", GROUND: "ground", FAINT: "faint", OWN: "own", OTHER: "other", THIRD: "third"}
STYLE = """\
<style>
:root { --ink: #1d2430; --ground: #ffffff; --faint: #c9d0d8; --own: #0a6ebd; --other: #9aa7b4; --third: #c26a10 }
@media (prefers-color-scheme: dark) {
:root { --ink: #e4e8ee; --ground: #1e2129; --faint: #4a525e; --own: #58a9ee; --other: #76828f; --third: #e59a4c }
}
</style>
"""
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "penstock",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
WIDTH, BAR, MARGIN, CURVE = 7.2, 0.3, 0.75, 2.8
FONT = "system-ui, sans-serif"


def draw(table: Table) -> str:
    """The charts of a table, below one another, as one SVG."""
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        figure = figure_of(table)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _themed(file.getvalue())


def figure_of(table: Table) -> Figure:
    """The charts of a table, not yet a file."""
    from matplotlib.figure import Figure

    heights = [_height(table, chart) for chart in table.charts]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    for chart, (axes,) in zip(table.charts, panels, strict=True):
        (_bars if isinstance(chart, Bars) else _curve)(axes, table, chart)
        axes.set_title(chart.title, loc="left", fontsize=10, fontweight="bold")
    return figure


def alt_text(table: Table) -> str:
    """What the charts show, in words."""
    return " ".join(_words(table, chart) for chart in table.charts).replace("[", "(").replace("]", ")")


def _words(table: Table, chart: Bars | Curve) -> str:
    if isinstance(chart, Curve):
        first, last = (table.samples[chart.across][at] for at in (0, -1))
        curves = [f"{name} from {table.samples[name][0]:g} to {table.samples[name][-1]:g}" for name in chart.up]
        return f"{chart.title}, from {chart.across} {first:,} to {last:,}: {'; '.join(curves)}."
    digits = dict(table.columns)[chart.column]
    values = [f"{name} {shown(value, digits)}" for name, value in _drawn(table, chart)]
    return f"{chart.title}: {', '.join(values)}."


def _drawn(table: Table, chart: Bars) -> list[tuple[str, float]]:
    found = table.column(chart.column)
    return [(name, value) for name, value in found if value is not None and name not in chart.leave_out]


def _height(table: Table, chart: Bars | Curve) -> float:
    return CURVE if isinstance(chart, Curve) else BAR * len(_drawn(table, chart)) + MARGIN


def _bars(axes: Axes, table: Table, chart: Bars) -> None:
    drawn = _drawn(table, chart)
    names, values = [name for name, _ in drawn], [value for _, value in drawn]
    digits = dict(table.columns)[chart.column]
    own = chart.title.startswith("Penstock")
    colours = [OWN if own or "penstock" in name.lower() else OTHER for name in names]
    bars = axes.barh(range(len(names)), values, color=colours, height=0.7)
    axes.bar_label(bars, labels=[shown(value, digits) for value in values], padding=4)
    axes.set_yticks(range(len(names)), labels=names)
    axes.invert_yaxis()
    axes.set_xlim(0, max([*values, 0.001]) * 1.15)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


def _curve(axes: Axes, table: Table, chart: Curve) -> None:
    across = table.samples[chart.across]
    for name, colour in zip(chart.up, (OWN, THIRD, OTHER), strict=False):
        axes.plot(across, table.samples[name], color=colour, linewidth=1.6, label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, max(across))
    axes.set_xlabel(chart.across)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(chart.up), borderpad=0)


def _themed(svg: str) -> str:
    """The drawing with variables for colours, and a font that every system has."""
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = svg.replace("'DejaVu Sans'", FONT)
    start = svg.index("<svg")
    body = svg.index(">", start) + 1
    lines = (svg[start:body] + "\n" + STYLE + svg[body:].lstrip("\n")).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
