"""Looking through the raw zone for files that nobody told of: a part at a time, and on from where the last look ended.

Mostly only what landed lately is looked at; once a day, or when somebody asks for it, everything is. Objects are listed
by name, so that a look for which the time was too short goes on behind the last name, in whichever function is next.
How far it came is a note in the bucket; if that is lost, a look begins anew, and what is recorded already is passed by.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from penstock.clock import Clock
from penstock.storage import FileVersion
from penstock.storage.aws import S3RawZone
from penstock.storage.notes import Notes

NOTE = "look.json"
PART = 5_000
"""Files that are looked at until it is seen whether there is time for more."""
LATELY_SECONDS = 86_400.0
"""How far a look goes back that is not at everything."""
WHOLE_SECONDS = 86_400.0
"""How long after everything was looked at that is done again."""


@dataclass(frozen=True)
class Look:
    """A look that has not come to its end.

    Attributes:
        began: When it began.
        since: What landed before is passed by; 0 for a look at everything.
        after: The last name that was looked at.
    """

    began: float
    since: float
    after: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything is looked at."""
        return self.since <= 0


@dataclass(frozen=True)
class Part:
    """Files to be looked at, oldest first, and the look that is left then; None when this was the last of it."""

    files: tuple[FileVersion, ...]
    rest: Look | None


@dataclass(frozen=True)
class _Note:
    """What is remembered: when everything was looked at, since when nothing was missed, and a look that is not over."""

    whole: float = 0.0
    missed: float | None = None
    look: Look | None = None


class Looker:
    """Looks through one raw zone."""

    def __init__(self, raw: S3RawZone, notes: Notes, clock: Clock) -> None:
        """Remember in `notes` how far the look came."""
        self._raw, self._notes, self._clock = raw, notes, clock
        self._note = _Note()

    def begin(self, *, whole: bool) -> Look:
        """The look that is to go on, or a new one; where `whole` is said, a new one at everything."""
        now, self._note = self._clock.now(), self._read()
        look = self._note.look
        if look is not None and (look.is_whole or not whole):
            return look
        if whole or now - self._note.whole >= WHOLE_SECONDS:
            return Look(now, 0.0)
        missed = now if self._note.missed is None else min(self._note.missed, now)
        return Look(now, missed - LATELY_SECONDS)

    def part(self, look: Look) -> Part:
        """The files that come next in a look."""
        listed, last = self._raw.part(look.after, PART)
        files = [file for file in listed if file.modified_ns >= look.since * 1e9]
        files.sort(key=lambda file: (file.modified_ns, file.key))
        return Part(tuple(files), None if last is None else replace(look, after=last))

    def end(self, began: Look, rest: Look | None) -> None:
        """Remember what is left of a look, or that it came to its end.

        While one look went on over several invocations, what landed behind it was not seen: the next one goes back to
        where it began.
        """
        over = rest is None
        note = _Note(
            whole=self._clock.now() if over and began.is_whole else self._note.whole,
            missed=began.began if over and began.after else None,
            look=rest,
        )
        if note != self._note:
            self._notes.write(NOTE, json.dumps(asdict(note)).encode())
            self._note = note

    def _read(self) -> _Note:
        try:
            said: dict[str, Any] = json.loads(self._notes.read(NOTE) or b"{}")
            look = said.pop("look", None)
            return _Note(**said, look=Look(**look) if look else None)
        except (ValueError, TypeError, AttributeError):
            return _Note()
