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
    return dated(text, "--since", "say how long ago, such as 90m, 12h or 7d, or a date, such as 2026-11-21")


def dated(text: str, option: str, rule: str) -> float:
    """The moment of a date, with a time or without; one that names no time zone is of UTC.

    Raises:
        BadParameter: The text says no moment; says the `rule` for the `option`.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f'"{text}" is no moment; {rule}'
        raise click.BadParameter(message, param_hint=option) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
