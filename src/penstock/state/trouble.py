"""What is known of the last failure of an arrival, beside the reason in words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

COMPANY = 16
"""Arrivals that are claimed together after a process ended with them in its hands for the first time."""
ALONE = 2
"""How many processes have to end before an arrival is claimed alone."""


@dataclass(frozen=True)
class Trouble:
    """The last failure of an arrival.

    Attributes:
        code: The kind of error.
        line: Line of the file, from 1, where the reason is about one.
        row: Record of the file, from 1, where it is not told by lines.
        column: Name of the column, where the reason is about one.
        trace: Names the cause: failures for the same cause have the same one, and the log has the traceback under it.
        version: The version of Penstock that failed.
        lost: Attempts that ended because their process did, or fell silent.
        discarded_at: When people gave the dead letter up; None while they have not.
        why: What they said.
        waits_since: Since when it waits for what is not its fault; None once an attempt failed for another reason.
    """

    code: str = ""
    line: int | None = None
    row: int | None = None
    column: str | None = None
    trace: str = ""
    version: str = ""
    lost: int = 0
    discarded_at: float | None = None
    why: str | None = None
    waits_since: float | None = None

    @property
    def is_to_blame(self) -> bool:
        """Whether a process ended that had nothing else in its hands."""
        return self.lost > ALONE

    def to_json(self) -> str:
        """Write it down; what is not known is left out."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def from_json(cls, text: str | None) -> Trouble:
        """Read what `to_json` wrote, of this version or another; no text is no trouble."""
        known = {field.name for field in fields(cls)}
        facts = json.loads(text) if text else {}
        return cls(**{name: value for name, value in facts.items() if name in known})


NO_TROUBLE = Trouble()
