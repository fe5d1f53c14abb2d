"""Files that nobody told of are found by looking: events may be lost, and no archive tells what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from penstock.arrivals.noticing.discover import record_all
from penstock.arrivals.noticing.looking import Look, Looker
from penstock.arrivals.noticing.sight import see
from penstock.arrivals.noticing.sighting import Sighting
from penstock.arrivals.queue.holding import Holding
from penstock.arrivals.queue.place import Looked, Place
from penstock.errors import ArchivedFileError
from penstock.naming import TableName
from penstock.state import Arrival
from penstock.storage import FileVersion


class Unseen:
    """Finds files that nobody told of."""

    def __init__(self, place: Place, sighting: Sighting) -> None:
        """Look through the raw zone of `place`; what is found is recorded by `sighting`."""
        self._raw, self._state, self._tables = place.raw, place.state, list(place.tables)
        self._sighting = sighting
        self._looker = Looker(place.raw, place.notes, place.clock)

    def look(self, remaining: Callable[[], float], *, whole: bool) -> None:
        """Record what landed and nobody was told of; goes on the next time where the time is too short.

        Args:
            remaining: How many seconds are left for this.
            whole: Whether to look at everything now, not only once a day.
        """
        began = self._looker.begin(whole=whole)
        rest: Look | None = began
        try:
            with Holding(None, (), remaining) as held:
                archived = self._archived() if began.is_whole else {}
                while rest is not None and not held.short:
                    part = self._looker.part(rest)
                    self._sighting.look([file.key for file in part.files], held, part.files, told=False)
                    self._take_up_restored(part.files, archived, held)
                    if not held.short:  # else some of them may not have been looked at
                        rest = part.rest
        finally:
            self._looker.end(began, rest)

    def _archived(self) -> dict[TableName, dict[str, Arrival]]:
        """Dead letters of files that were in an archive, by table and file."""
        code = ArchivedFileError.code
        found = {name: self._state.arrivals.find(name, ("dead",)) for name in self._tables}
        return {name: {one.key: one for one in some if one.trouble.code == code} for name, some in found.items()}

    def _take_up_restored(
        self, files: Sequence[FileVersion], archived: Mapping[TableName, Mapping[str, Arrival]], held: Holding
    ) -> None:
        """Let files wait again that were in an archive when they were to be read, and are not any more."""
        for letters in archived.values():
            take_up = self._sighting.guarded(partial(self._take_up, letters), Looked(), held)
            for file in files:
                if file.key in letters:
                    take_up(file.key)

    def _take_up(self, letters: Mapping[str, Arrival], key: str) -> None:
        """Let a file wait again that is in no archive any more; its content may have got a name only now."""
        letter = letters[key]
        seen = None if self._raw.is_archived(letter.key) else see(self._raw, letter.key)
        if seen is not None and not record_all(self._state, letter.table, [seen]):
            self._state.arrivals.requeue(letter, letter.generation)
