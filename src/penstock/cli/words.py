"""Figures as people write them: counts, sizes, times; and accounts as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.naming import counted

if TYPE_CHECKING:
    from penstock.state import Accounting

__all__ = ["ago", "counted", "facts_of_account", "lasted", "moment", "size"]

MINUTE, HOUR, DAY = 60, 3600, 86_400
_SIZES = ("bytes", "kB", "MB", "GB", "TB")
THOUSAND = 1000


def size(count: int) -> str:
    """A number of bytes: `512 bytes`, `22.5 kB`."""
    if count < THOUSAND:
        return counted(count, "byte")
    value, unit = float(count), 0
    while value >= THOUSAND and unit < len(_SIZES) - 1:
        value, unit = value / THOUSAND, unit + 1
    return f"{value:.1f} {_SIZES[unit]}"


def lasted(seconds: float) -> str:
    """A duration: `0.02 s`, `41.2 s`, `3 min 5 s`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def moment(seconds: float | None, layout: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment in UTC, to the second unless told: `2026-11-21 10:01:58`."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).strftime(layout)


def ago(seconds: float) -> str:
    """How long ago, short: `just now`, `5 min ago`, `3 days ago`."""
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min ago"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h ago"
    return f"{counted(int(seconds // DAY), 'day')} ago"


def facts_of_account(figures: Accounting) -> dict[str, Any]:
    """Where rows went, as `--json` shows it; these names are stable."""
    return {
        "rows_in": figures.rows_in,
        "rows_out": figures.rows_out,
        "rows_added": figures.added,
        "rows_dropped": figures.dropped,
        "rows_quarantined": figures.quarantined,
        "warnings": figures.warned,
        "bytes_in": figures.bytes_in,
        "bytes_out": figures.bytes_out,
    }
