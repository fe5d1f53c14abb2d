"""The commit loop: one snapshot for a group of arrivals, whatever else is being written.

Each attempt looks at the table as it is now, works out what is still missing, and commits only if the table has not
moved on in between. An arrival whose rows are there already, by this worker's lost answer or another's work, adds
nothing. Why each part is needed is told in `docs/how-it-works/exactly-once.md`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from penstock.clock import Clock
from penstock.errors import CommitConflictError, PenstockError, SupersededError
from penstock.naming import ArrivalName, TableName, part_of
from penstock.state import Head, LiveFile
from penstock.tables.catalog import Catalog, Change, DataFile

ATTEMPTS = 50
FIRST_WAIT = 0.02
LONGEST_WAIT = 1.0


@dataclass(frozen=True)
class Staged:
    """An arrival's finished work, not yet visible.

    Attributes:
        arrival: Whose rows.
        files: Published data files; none when no row was left.
        on_reupload: `replace`, `append` or `ignore` rows of other versions of the same key.
        part: Number of what is added to the arrival's rows: rows that came back from quarantine. None for the arrival
            itself.
    """

    arrival: ArrivalName
    files: tuple[DataFile, ...]
    on_reupload: str = "replace"
    part: int | None = None


@dataclass(frozen=True)
class Committed:
    """The outcome: the table's head, and the arrivals that were already in it."""

    head: Head
    already: frozenset[ArrivalName]


def commit_group(
    catalog: Catalog, table: TableName, group: list[Staged], clock: Clock, guard: Callable[[], None]
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
        change, already = plan_change(head, group)
        if not change.add and not change.remove:
            return Committed(head, already)
        try:
            return Committed(catalog.commit(change), already)
        except CommitConflictError:
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


def plan_change(head: Head, group: list[Staged]) -> tuple[Change, frozenset[ArrivalName]]:
    """Work out, purely, what is missing in `head` for the group to be in it exactly once.

    An arrival replaces earlier rows of its key, parts included. A part replaces nothing: it stands beside the rows of
    its own arrival, and only while that arrival is what the table holds of the key.

    Raises:
        SupersededError: A part's arrival is no longer what the table holds.
    """
    there: dict[str, list[LiveFile]] = {}
    for file in head.files:
        if file.arrival is not None:
            there.setdefault(file.arrival.key_id, []).append(file)
    added: dict[str, DataFile] = {}
    removed: list[str] = []
    already = set[ArrivalName]()
    for staged in group:
        same_key = there.setdefault(staged.arrival.key_id, [])
        if _is_there(same_key, staged):
            already |= {staged.arrival} if staged.part is None else set()
            continue
        replaced = [file for file in same_key if _gives_way(file, staged)]
        removed += [file.path for file in replaced if added.pop(file.path, None) is None]
        same_key[:] = [file for file in same_key if file not in replaced]
        added |= {file.path: file for file in staged.files}
        same_key += [LiveFile(file.path, file.rows, file.bytes) for file in staged.files]
    return Change(head, tuple(added.values()), tuple(removed), _summary(group)), frozenset(already)


def _is_there(same_key: list[LiveFile], staged: Staged) -> bool:
    """Whether the live files of a key leave nothing to add."""
    if staged.part is not None:
        _assert_current(same_key, staged)
        return any(file.arrival == staged.arrival and part_of(file.path) == staged.part for file in same_key)
    if any(_holds(file, staged.arrival) for file in same_key):
        return True
    versions = {file.arrival.version_id for file in same_key if file.arrival is not None}
    return staged.on_reupload == "ignore" and bool(versions) and staged.arrival.version_id not in versions


def _assert_current(same_key: list[LiveFile], staged: Staged) -> None:
    """Refuse a part whose arrival gave way to another version, or to the same content processed again."""
    for file in same_key:
        there = file.arrival
        if there is None or there == staged.arrival:
            continue
        if staged.on_reupload != "append" or there.version_id == staged.arrival.version_id:
            message = "the file that the rows came from has been replaced in the table"
            raise SupersededError(message, hint="export the quarantine again, and correct what is there now")


def _holds(file: LiveFile, arrival: ArrivalName) -> bool:
    """Whether a live file shows that an arrival's rows are in: the same content, processed at least as often.

    A part says nothing of the arrival that it belongs to, which may have had no row to keep; only that the ones before
    it were done.
    """
    there = file.arrival
    if there is None or there.version_id != arrival.version_id:
        return False
    return there.generation > arrival.generation - (part_of(file.path) is None)


def _gives_way(file: LiveFile, staged: Staged) -> bool:
    """Whether a live file of the same key disappears.

    The same content, processed again, always replaces itself; what was added to the very arrival stays.
    """
    if staged.part is not None or file.arrival == staged.arrival:
        return False
    same_content = file.arrival is not None and file.arrival.version_id == staged.arrival.version_id
    return staged.on_reupload == "replace" or same_content


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
