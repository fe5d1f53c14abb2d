"""The commit loop: one snapshot for a group of arrivals, whatever else is being written.

Each attempt looks at the table as it is now, works out what is still missing, and commits only if the table has not
moved on in between. An arrival whose rows are there already, by this worker's lost answer or another's work, adds
nothing. Why each part is needed is told in `docs/how-it-works/exactly-once.md`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from penstock.clock import Clock
from penstock.errors import CommitConflictError, PenstockError, PlanOutdatedError, RowsElsewhereError, SupersededError
from penstock.naming import ArrivalName, TableName
from penstock.state import DataFile, Head, Member
from penstock.tables.catalog import Carving, Catalog, Change
from penstock.tables.outside import displaced_of

ATTEMPTS = 50
FIRST_WAIT = 0.02
LONGEST_WAIT = 1.0


@dataclass(frozen=True)
class Staged:
    """An arrival's finished work, not yet visible.

    Attributes:
        arrival: Whose rows.
        files: Published data files; none when no row was left. A pack stands with each of its arrivals.
        on_reupload: `replace`, `append` or `ignore` rows of other versions of the same key.
        part: Number of what is added to the arrival's rows: rows that came back from quarantine. None for the arrival
            itself.
    """

    arrival: ArrivalName
    files: tuple[DataFile, ...]
    on_reupload: str = "replace"
    part: int | None = None

    @property
    def packed(self) -> bool:
        """Whether its rows stand in a pack."""
        return any(file.packed for file in self.files)


@dataclass(frozen=True)
class Committed:
    """The outcome: the table's head, and the arrivals that were already in it."""

    head: Head
    already: frozenset[ArrivalName]


Carver = Callable[[Head, Carving], tuple[DataFile, ...]]
"""Writes a pack anew with the members to keep; gives the new files."""


def commit_group(
    catalog: Catalog,
    table: TableName,
    group: list[Staged],
    clock: Clock,
    guard: Callable[[], None],
    carver: Carver | None = None,
) -> Committed:
    """Make the rows of `group` visible in one snapshot and those of the versions they replace invisible.

    `guard` is called before each attempt and raises when this worker may no longer commit.

    Raises:
        CommitConflictError: Other writers won every attempt; nothing of the group is in the table.
    """
    wait = FIRST_WAIT
    for attempt in range(ATTEMPTS):
        head = catalog.head(table)  # before the guard: what was taken over after it moves the table on
        guard()
        if head is None:
            message = "the table was removed while it was written to"
            raise CommitConflictError(message, where=str(table))
        planned, already = _planned(head, group)
        if not planned.add and not planned.remove and not planned.carve:
            return Committed(head, already)
        change = _carved(planned, carver)
        try:
            return Committed(catalog.commit(change), already)
        except CommitConflictError:
            catalog.discard(file.path for file in change.add[len(planned.add) :])  # packs that were carved for it
            if attempt == ATTEMPTS - 1:
                break
        except PenstockError:
            raise
        except Exception:
            if _landed(catalog, table, change):
                return Committed(_known(catalog, table), already)
            raise
        clock.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        wait = min(wait * 2, LONGEST_WAIT)
    raise CommitConflictError(
        f"other writers committed first {ATTEMPTS} times in a row",
        where=str(table),
        hint="the files wait and are tried again by the next run",
    )


def _planned(head: Head, group: list[Staged]) -> tuple[Change, frozenset[ArrivalName]]:
    """What is missing; when another writer took rows away meanwhile, all files are planned anew."""
    try:
        return plan_change(head, group)
    except RowsElsewhereError as error:
        raise PlanOutdatedError(error.what, where=str(head.table)) from error


def assert_replaceable(head: Head, group: Sequence[Staged]) -> None:
    """Make sure that nothing of a group replaces rows that another writer took out of their files.

    Raises:
        RowsElsewhereError: Something does.
    """
    if head.displaced:
        plan_change(head, list(group))


def _carved(change: Change, carver: Carver | None) -> Change:
    """The change with its packs carved."""
    if not change.carve:
        return change
    if carver is None:
        message = "rows of a pack are to be replaced, which needs a carver"
        raise CommitConflictError(message, where=str(change.base.table))
    live = {file.path for file in change.base.files}
    add, remove = list(change.add), list(change.remove)
    for carving in change.carve:
        add += carver(change.base, carving)
        remove += [carving.file.path] if carving.file.path in live else []
    return replace(change, add=tuple(add), remove=tuple(remove), carve=())


def plan_change(head: Head, group: list[Staged]) -> tuple[Change, frozenset[ArrivalName]]:
    """Work out, purely, what is missing in `head` for the group to be in it exactly once.

    An arrival replaces earlier rows of its key, parts included. A part replaces nothing: it stands beside the rows of
    its own arrival, and only while that arrival is what the table holds of the key.

    Raises:
        SupersededError: A part's arrival is no longer what the table holds.
        RowsElsewhereError: Rows are to be replaced that another writer took out of their files.
    """
    contents, displaced = _Contents(head, group), displaced_of(head.displaced)
    already = set[ArrivalName]()
    for staged in group:
        same_key = contents.of_key.setdefault(staged.arrival.key_id, [])
        away = displaced.by_key.get(staged.arrival.key_id, [])
        if _is_there([*(member for _, member in same_key), *away], staged):
            already |= {staged.arrival} if staged.part is None else set()
            continue
        for member in away:
            if _gives_way(member, staged):
                displaced.assert_replaceable(member)
        contents.leave([row for row in same_key if _gives_way(row[1], staged)])
        contents.bring(staged)
    return contents.change(_summary(group)), frozenset(already)


_Row = tuple[DataFile, Member]


class _Contents:
    """Whose rows a table holds, as far as some keys go, while a change is worked out."""

    def __init__(self, head: Head, group: list[Staged]) -> None:
        keys = {staged.arrival.key_id for staged in group}
        self._head = head
        self._gone: dict[str, set[Member]] = {}
        self._brought: dict[str, tuple[DataFile, set[Member]]] = {}
        self.of_key: dict[str, list[_Row]] = {}
        for file in head.files:
            if file.may_hold(keys):
                for member in file.members:
                    if member.arrival.key_id in keys:
                        self.of_key.setdefault(member.arrival.key_id, []).append((file, member))

    def leave(self, rows: list[_Row]) -> None:
        """Take members away."""
        for file, member in rows:
            if file.path in self._brought:
                self._brought[file.path][1].discard(member)
            else:
                self._gone.setdefault(file.path, set()).add(member)
            self.of_key[member.arrival.key_id].remove((file, member))

    def bring(self, staged: Staged) -> None:
        """Add what is staged; of a pack only its own members."""
        for file in staged.files:
            member = file.member(staged.arrival, staged.part)
            if member is not None:
                self._brought.setdefault(file.path, (file, set()))[1].add(member)
                self.of_key[member.arrival.key_id].append((file, member))

    def change(self, summary: dict[str, str]) -> Change:
        """What has to be done."""
        add, remove, carve = [], [], []
        for file in self._head.files:
            gone = self._gone.get(file.path)
            if gone and len(gone) == len(file.members):
                remove.append(file.path)
            elif gone:
                carve.append(Carving(file, tuple(member for member in file.members if member not in gone)))
        for file, kept in self._brought.values():
            if len(kept) == len(file.members):
                add.append(file)
            elif kept:
                carve.append(Carving(file, tuple(member for member in file.members if member in kept)))
        return Change(self._head, tuple(add), tuple(remove), summary, tuple(carve))


def _is_there(same_key: list[Member], staged: Staged) -> bool:
    """Whether the live rows of a key leave nothing to add."""
    if staged.part is not None:
        _assert_current(same_key, staged)
        return any(member.arrival == staged.arrival and member.part == staged.part for member in same_key)
    if any(_holds(member, staged.arrival) for member in same_key):
        return True
    versions = {member.arrival.version_id for member in same_key}
    return staged.on_reupload == "ignore" and bool(versions) and staged.arrival.version_id not in versions


def _assert_current(same_key: list[Member], staged: Staged) -> None:
    """Refuse a part whose arrival gave way to another version, or to the same content processed again."""
    for member in same_key:
        there = member.arrival
        if there == staged.arrival:
            continue
        if staged.on_reupload != "append" or there.version_id == staged.arrival.version_id:
            message = "the file that the rows came from has been replaced in the table"
            raise SupersededError(message, hint="export the quarantine again, and correct what is there now")


def _holds(member: Member, arrival: ArrivalName) -> bool:
    """Whether live rows show that an arrival's rows are in: the same content, processed at least as often.

    A part says nothing of the arrival that it belongs to, which may have had no row to keep; only that the ones before
    it were done.
    """
    there = member.arrival
    if there.version_id != arrival.version_id:
        return False
    return there.generation > arrival.generation - (member.part is None)


def _gives_way(member: Member, staged: Staged) -> bool:
    """Whether live rows of the same key disappear.

    The same content, processed again, always replaces itself; what was added to the very arrival stays.
    """
    if staged.part is not None or member.arrival == staged.arrival:
        return False
    return staged.on_reupload == "replace" or member.arrival.version_id == staged.arrival.version_id


def _summary(group: list[Staged]) -> dict[str, str]:
    names = ",".join(sorted(_named(staged) for staged in group))
    return {"penstock.arrivals": names, "penstock.commit": hashlib.sha256(names.encode()).hexdigest()[:16]}


def _named(staged: Staged) -> str:
    return str(staged.arrival) if staged.part is None else f"{staged.arrival}-{staged.part}"


def _landed(catalog: Catalog, table: TableName, change: Change) -> bool:
    """Whether a commit whose answer was lost is in the table after all."""
    head = catalog.head(table)
    if head is None:
        return False
    live = {file.path for file in head.files}
    return all(file.path in live for file in change.add) and not any(path in live for path in change.remove)


def _known(catalog: Catalog, table: TableName) -> Head:
    head = catalog.head(table)
    if head is None:
        message = "the table was removed while it was written to"
        raise CommitConflictError(message, where=str(table))
    return head
