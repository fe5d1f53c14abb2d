"""What there is to do for a table, worked out from what it holds: which files are joined, which snapshots go.

A run joins files by tiers, as log-structured stores do: a tier's files have a like number of rows, and enough of them
together make a file of the next tier. So a row is written anew once for each tier that it climbs, however many commits
a table sees: a number that grows with the logarithm of its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.state import DataFile, Head
from penstock.upkeep.policy import Policy

MOST_FILES = 1_000
"""Files that are joined at once: a unit of work stays short."""
MOST_MEMBERS = 20_000
"""Arrivals whose rows a joined file may hold: their names are read and written whole, so they decide memory."""
MILLISECOND = 1000

Groups = list[tuple[DataFile, ...]]


def groups_of(head: Head, policy: Policy, *, by_tiers: bool) -> Groups:
    """The files of a table that are to be joined, group by group; each group becomes one file of about the target size.

    Files of other writers are joined among themselves, and so are those of each partition.

    Args:
        head: What the table holds.
        policy: How it is looked after.
        by_tiers: Whether only as many files of like size as a run waits for are joined; else all that are small.
    """
    alike: dict[tuple[Any, ...], list[DataFile]] = defaultdict(list)
    for file in sorted(head.files, key=lambda file: (file.bytes, file.path)):
        fits = not head.spec.fields or head.spec.holds(file.partition)  # files of an earlier layout stay as they are
        if file.bytes < policy.small_bytes and file.keys < MOST_MEMBERS // 2 and fits:
            tier = _tier(file.rows, policy.min_input_files) if by_tiers else 0
            alike[bool(file.members), file.partition if head.spec.fields else "", tier].append(file)
    least = policy.min_input_files if by_tiers else 2
    found: Groups = []
    for _, files in sorted(alike.items()):
        found += [group for group in _packed(files, policy) if len(group) >= least or _is_full(group, policy)]
    return found


def _tier(rows: int, width: int) -> int:
    """How often a number of rows can be divided by the width of a tier."""
    tier = 0
    while rows >= width:
        rows, tier = rows // width, tier + 1
    return tier


def _packed(files: Sequence[DataFile], policy: Policy) -> Groups:
    """Files in order, cut where the next one would make a group too large."""
    groups: list[list[DataFile]] = [[]]
    size = keys = 0
    for file in files:
        large = size + file.bytes > policy.target_bytes or keys + file.keys > MOST_MEMBERS
        if groups[-1] and (large or len(groups[-1]) == MOST_FILES):
            groups.append([])
            size = keys = 0
        groups[-1].append(file)
        size, keys = size + file.bytes, keys + file.keys
    return [tuple(group) for group in groups]


def _is_full(group: Sequence[DataFile], policy: Policy) -> bool:
    large = sum(file.bytes for file in group) >= policy.small_bytes
    return len(group) > 1 and (large or sum(file.keys for file in group) >= MOST_MEMBERS // 2)


def expired(metadata: Mapping[str, Any], policy: Policy, now: float) -> list[int]:
    """Ids of the snapshots that go: too many or too old, neither current nor named by a tag or branch."""
    named = {reference["snapshot-id"] for reference in metadata.get("refs", {}).values()}
    named.add(metadata.get("current-snapshot-id"))
    newest = sorted(metadata.get("snapshots", []), key=lambda one: (one["sequence-number"], one["timestamp-ms"]))[::-1]
    oldest = (now - policy.max_snapshot_seconds) * MILLISECOND
    gone = [
        snapshot["snapshot-id"]
        for place, snapshot in enumerate(newest)
        if place >= policy.max_snapshots or (place >= policy.min_snapshots and _until(newest, place, now) < oldest)
    ]
    return [snapshot for snapshot in gone if snapshot not in named]


def _until(newest: Sequence[Mapping[str, Any]], place: int, now: float) -> float:
    """Until when a snapshot was the table, in milliseconds: its age starts once another takes its place."""
    return float(newest[place - 1]["timestamp-ms"] if place else now * MILLISECOND)
