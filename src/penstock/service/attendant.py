"""What looks after something while a lake is up: notices, alarms, schedules and workflows, upkeep."""

from __future__ import annotations

from typing import Protocol


class Attendant(Protocol):
    """Somebody who is called when something happened, and when the time has come."""

    @property
    def name(self) -> str:
        """What it looks after, in one word."""

    def attend(self) -> float | None:
        """Do what is due now, soon done; gives the moment (seconds since 1970) at which it wants to be called next.

        None when only an event can bring work. It may be called at any time, by any number of processes.
        """
