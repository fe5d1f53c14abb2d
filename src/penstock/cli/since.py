"""Moments in the past as people type them: `90m`, `12h`, `7d`, or a date, with a time or without."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def since_when(text: str, now: float) -> float:
    """The moment that a person means, seconds since 1970; a date without a time zone is one of UTC.

    Raises:
        BadParameter: The text says no moment.
    """
    if ago := AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f'"{text}" is no moment; say how long ago, such as 90m, 12h or 7d, or a date, such as 2026-11-21'
        raise click.BadParameter(message, param_hint="--since") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
