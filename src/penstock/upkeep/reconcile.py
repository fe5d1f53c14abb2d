"""The state store follows the tables: what is in them is finished, what is not waits.

The names of live files, and the footers of packs, say whose rows a table holds. The store may know less than that,
being new or an old copy; or more, when the tables are an old copy. Either way nothing is read in twice and nothing is
forgotten: what the table holds is recorded as finished, and what it lacks is processed again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from penstock.clock import Clock, moment_of
from penstock.declaration import Table
from penstock.naming import ArrivalName, TableName
from penstock.quality.quarantine import quarantine_key
from penstock.state import Accounting, Arrival, DataFile, Head, SqliteState
from penstock.state.store import ArrivalState
from penstock.storage.seals import mark_of
from penstock.upkeep.accounts import Content, content_of
from penstock.upkeep.deeds import Repaired
from penstock.upkeep.files import Files
from penstock.upkeep.sources import Event, Sources

DONE: tuple[ArrivalState, ...] = ("finished",)


@dataclass
class Held:
    """Rows of one content that a table holds.

    Attributes:
        name: The arrival, of the highest generation.
        rows: Rows of the arrival itself.
        files: Data files that hold them.
    """

    name: ArrivalName
    rows: int
    files: list[DataFile]


class Reconciler:
    """Brings the state store in line with tables."""

    def __init__(self, state: SqliteState, sources: Sources, files: Files, clock: Clock, done: Repaired) -> None:
        """Write to `state`, give hashes their names by `sources`, look at `files`, and note what is `done`."""
        self._state, self._sources, self._files, self._clock, self._done = state, sources, files, clock, done

    def reconcile(self, name: TableName, table: Table | None, head: Head) -> None:
        """Bring the store in line with one table.

        Args:
            name: The table.
            table: What is declared of it, if anything is.
            head: What it holds.
        """
        held = _held(head.files)
        replaces = table is None or table.on_reupload == "replace"
        unnamed = sum(not self._settle(name, content, there, replaces=replaces) for content, there in held.items())
        if unnamed:
            what = f"{unnamed} files whose rows it holds are neither in raw/ nor in the log: their names are not known"
            self._done.notes.append(f"{name}: {what}; their rows stay")
        ignores = table is not None and table.on_reupload == "ignore"
        self._send_back(name, held, head.displaced, ignores=ignores)
        self._mend(name, head.files)
        self._mend_quarantine(name)

    def _settle(self, name: TableName, content: Content, held: Held, *, replaces: bool) -> bool:
        """Make sure that rows which are in the table are recorded as finished; False where the file is not known."""
        known = [arrival for arrival in self._state.arrivals.find(name) if content_of(arrival) == content]
        if any(arrival.state == "finished" or arrival.generation > held.name.generation for arrival in known):
            return True
        if known:
            arrival = self._with_account(known[-1], held)
            was = f"{arrival.key} was {arrival.state}, and its rows are in the table"
        else:
            key = self._sources.keys.get(content[0])
            if key is None:
                return False
            arrival = self._with_account(self._arrival(name, key, held), held)
            was = f"{key} was not known, and its rows are in the table"
        with self._state.together():
            self._state.arrivals.settle(arrival)
            if replaces:
                self._supersede(name, arrival.key, content)
        self._done.did("finished", name, f"{was}: recorded as finished, {arrival.accounting.rows_out:,} rows")
        return True

    def _supersede(self, name: TableName, key: str, content: Content) -> None:
        """Versions of a key that are not in the table gave way, but for the one in `raw/`: it is to come again."""
        for other in self._state.arrivals.find(name, DONE):
            if other.key != key or content_of(other) == content:
                continue
            if self._sources.file_of(key, other.version[:16]) is None:
                self._state.arrivals.supersede(other)

    def _arrival(self, name: TableName, key: str, held: Held) -> Arrival:
        """What can be known of an arrival that the store does not know."""
        there = self._sources.file_of(key, held.name.version_id)
        now = self._clock.now()
        arrival = Arrival(
            sequence=0,
            table=name,
            key=key,
            version=there[0] if there else held.name.version_id,
            generation=held.name.generation,
            size=there[1].size if there else 0,
            modified_ns=there[1].modified_ns if there else 0,
            mark=there[1].mark if there else "",
            state="finished",
            recorded_at=now,
            finished_at=now,
        )
        if there is None:
            self._done.notes.append(f"{name}: {key} is not in raw/ as it was read; its rows stay")
        return arrival

    def _with_account(self, arrival: Arrival, held: Held) -> Arrival:
        """The arrival as finished, with what is known of where its rows went."""
        told = self._sources.account_of(arrival.table, arrival.key, held.rows)
        stem = self._sources.quarantine_stem(arrival.table, held.name, held.files)
        aside = self._sources.quarantined(arrival.table, stem)
        if told is not None and told[0].quarantined == aside:
            figures, event = told
            finished, run = moment_of(event.get("time")) or arrival.finished_at, str(event.get("run") or "") or None
        else:
            figures, finished, run = (
                Accounting(held.rows + aside, held.rows, {}, aside),
                arrival.finished_at,
                arrival.run,
            )
            self._done.notes.append(
                f"{arrival.table}: how many rows of {arrival.key} were dropped is not known any more"
            )
        figures = replace(figures, bytes_in=arrival.size, bytes_out=sum(file.bytes for file in held.files))
        return replace(
            arrival,
            state="finished",
            generation=held.name.generation,
            finished_at=finished or self._clock.now(),
            run=run,
            accounting=figures,
            quarantine_stem=stem,
        )

    def _send_back(self, name: TableName, held: dict[Content, Held], displaced: str, *, ignores: bool) -> None:
        """Make arrivals wait again whose rows are not in the table, though the store says so."""
        keys = {key for key, _ in held}
        for arrival in self._state.arrivals.find(name, DONE):
            there = content_of(arrival) in held or str(arrival.name) in displaced
            if there or not arrival.accounting.rows_out or (ignores and content_of(arrival)[0] in keys):
                continue
            if self._sources.file_of(arrival.key, arrival.version[:16]) is None:
                what = f"{arrival.accounting.rows_out:,} rows of {arrival.key} are neither in it nor in raw/"
                self._done.leave("lost", name, what, "put the file, or the processed zone, back from a copy")
                continue
            self._state.arrivals.requeue(arrival, arrival.generation)
            self._done.did("waits", name, f"the rows of {arrival.key} are not in it: the next run reads the file again")

    def _mend(self, name: TableName, files: Iterable[DataFile]) -> None:
        """Let the next run write data files anew that are missing or damaged."""
        for file in files:
            if not self._files.look_at_data(file, str(name)):
                self._write_anew(name, file)

    def _write_anew(self, name: TableName, file: DataFile) -> None:
        arrivals = {content_of(arrival): arrival for arrival in self._state.arrivals.find(name)}
        contents = {(member.arrival.key_id, member.arrival.version_id): member for member in file.members}
        ready = [arrivals[content] for content in contents if content in arrivals]
        gone = [arrival for arrival in ready if self._sources.file_of(arrival.key, arrival.version[:16]) is None]
        if len(ready) < len(contents) or not contents or gone:
            names = ", ".join(arrival.key for arrival in gone[:3]) or "the file that it came from"
            what = f"the data file {file.path} is missing or damaged, and raw/ does not have {names}: queries refuse it"
            self._done.leave("damaged", name, what, "put it back from a copy")
            return
        for arrival in ready:
            generation = contents[content_of(arrival)].arrival.generation + 1
            if arrival.state != "pending" or arrival.generation < generation:
                self._state.arrivals.requeue(arrival, generation)
                self._done.did(
                    "waits", name, f"{file.path} is missing or damaged: the next run reads {arrival.key} again"
                )

    def _mend_quarantine(self, name: TableName) -> None:
        """Let the next run set rows aside again whose quarantine file is missing or damaged."""
        for arrival in self._state.arrivals.find(name, DONE):
            if arrival.quarantine_stem is None:
                continue
            path = self._sources.processed.location(quarantine_key(name, arrival.quarantine_stem))
            if mark_of(path) is not None and self._files.is_whole(path, str(name), "quarantine file"):
                continue
            if self._sources.file_of(arrival.key, arrival.version[:16]) is None:
                what = f"the quarantine file {path} is missing or damaged, and raw/ does not have {arrival.key}"
                self._done.leave("quarantine", name, what, "put it back from a copy")
                continue
            self._state.arrivals.requeue(arrival, arrival.generation + 1)
            self._done.did(
                "waits", name, f"quarantined rows of {arrival.key} are lost: the next run reads the file again"
            )


def _held(files: Iterable[DataFile]) -> dict[Content, Held]:
    """Whose rows live files hold, by content."""
    found: dict[Content, Held] = {}
    for file in files:
        for member in file.members:
            content = (member.arrival.key_id, member.arrival.version_id)
            there = found.get(content)
            rows = member.rows if member.part is None else 0
            if there is None:
                found[content] = Held(member.arrival, rows, [file])
            else:
                there.rows += rows
                there.files.append(file)
                there.name = max(there.name, member.arrival, key=lambda name: name.generation)
    return found


def runs_of(events: Iterable[Event]) -> Iterator[tuple[str, list[Event]]]:
    """The log's events of files that were taken in, by run."""
    runs: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if isinstance(event.get("run"), str):
            runs[event["run"]].append(event)
    yield from runs.items()
