"""Files are recorded as they are now, many at the same time; one that cannot be looked at fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.arrivals.failure import reason_of
from penstock.arrivals.noticing.discover import changed, record_all
from penstock.arrivals.noticing.sight import see
from penstock.arrivals.queue.holding import Holding
from penstock.arrivals.queue.place import Looked, Place
from penstock.aws import is_of_aws
from penstock.errors import BadFileError
from penstock.naming import TableName
from penstock.steps import table_order
from penstock.storage import FileVersion
from penstock.storage.keys import matches

AT_ONCE = 25
"""Files that are recorded in one transaction."""
LOOKERS = 8
"""Files that are looked at, and read for their digests, at the same time."""


class Sighting:
    """Looks at files, and records what is new."""

    def __init__(self, place: Place) -> None:
        """Look at the raw zone of `place`."""
        self._raw, self._state, self._room, self._signals = place.raw, place.state, place.room, place.signals
        self._tables = {name: place.tables[name] for name in table_order(place.tables)}

    def look(
        self, keys: Iterable[str], held: Holding, listed: Iterable[FileVersion] | None = None, *, told: bool = True
    ) -> Looked:
        """Record files as they are now; those `listed` were looked at already."""
        looked, raw = Looked(), self._raw
        for key in dict.fromkeys(keys):
            wanting = self._wanting(key)
            for name in wanting:
                looked.keys.setdefault(name, []).append(key)
            if told and not wanting:
                self._signals.announce("unclaimed", file=key)
        with ThreadPoolExecutor(LOOKERS) as pool:
            all_keys = list(dict.fromkeys(key for some in looked.keys.values() for key in some))
            there = {file.key: file for file in listed or ()}
            if listed is None:
                found = pool.map(self.guarded(raw.stat, looked, held), all_keys)
                there = {file.key: file for file in found if file is not None}
            for name in (name for name in self._tables if name in looked.keys):
                self._record(name, [there[key] for key in looked.keys[name] if key in there], looked, held, pool)
        return looked

    def _record(
        self, name: TableName, there: list[FileVersion], looked: Looked, held: Holding, pool: ThreadPoolExecutor
    ) -> None:
        """Record those of the files that are not recorded as they are."""

        def seen(key: str) -> tuple[FileVersion, str] | None:
            found = see(self._raw, key)
            if found is None and self._raw.stat(key) is not None:
                looked.failed.add(key)  # it was written over while it was looked at
            return found

        try:
            new = [file for some in changed(self._state, name, there) for file in some]
            found = [one for one in pool.map(self.guarded(seen, looked, held), [file.key for file in new]) if one]
            for at in range(0, len(found), AT_ONCE):
                record_all(self._state, name, found[at : at + AT_ONCE])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the messages come back
            looked.failed.update(file.key for file in there)
            self._note(error, looked, *(file.key for file in there))
            self.tell(error, len(there))

    def guarded(self, look: Callable[[str], Any], looked: Looked, held: Holding) -> Callable[[str], Any]:
        """Look at a file; one that cannot be looked at, or for which no time is left, fails alone."""

        def guarded(key: str) -> Any:
            if held.short:
                looked.failed.add(key)
                return None
            try:
                return look(key)
            except BadFileError as error:
                looked.refused[key] = str(error)
                return None
            except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
                looked.failed.add(key)
                self._note(error, looked, key)
                self.tell(error, 1, key)
                return None

        return guarded

    def _note(self, error: Exception, looked: Looked, *keys: str) -> None:
        """Note that files could not be looked at through no fault of theirs, if that is so."""
        full = self._room.note(error)
        if full or is_of_aws(error):
            looked.held_up.update(dict.fromkeys(keys, reason_of(error)))

    def tell(self, error: Exception, files: int, key: str = "") -> None:
        """Say that files could not be recorded."""
        self._signals.announce("unrecorded", file=key, files=files, reason=str(error), error=error)

    def _wanting(self, key: str) -> list[TableName]:
        """The tables that want a file; none wants one whose name says that it is hidden or not finished."""
        if self._raw.key_of(str(self._raw.root / key)) is None:
            return []
        return [name for name, table in self._tables.items() if matches(table.files, key)]
