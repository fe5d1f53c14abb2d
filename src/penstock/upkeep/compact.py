"""Compaction: several small data files become one, and nobody sees a difference.

It is the most dangerous thing that is done to a table, because it replaces files that nobody may deliver again. So both
sides are read once more before the commit: every row must stand in the new file, at the place that its arrival's entry
in the footer says. The new file is written without holding anyone up; only the commit, which names it in the others'
place in one snapshot, takes the table's lease.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import accumulate

from penstock.clock import Clock
from penstock.engines import Engine
from penstock.engines.packs import Packer
from penstock.errors import AccountingError, AwsError, CommitConflictError, CommitUnknownError, PenstockError
from penstock.naming import TableName, literal
from penstock.state import DataFile, Head, State
from penstock.storage import Zone
from penstock.tables import Catalog, Change
from penstock.tables.read import placed_sql
from penstock.upkeep.alone import table_lease

MAINTAINED = "penstock.maintained"
"""Fact of every snapshot that upkeep makes: what it did."""
ATTEMPTS = 20
FEWEST, FEW_FILES, FEW_BYTES = 2, 64, 32_000_000
"""How many files, and how many bytes of them, are joined while writers wait."""


class Compactor:
    """Joins data files of one lake's tables."""

    def __init__(self, engine: Engine, zone: Zone, catalog: Catalog, state: State, clock: Clock) -> None:
        """Read and write by `engine` in the processed zone."""
        self._engine, self._packer, self._zone = engine, Packer(engine, zone), zone
        self._catalog, self._state, self._clock = catalog, state, clock

    def compact(self, head: Head, group: Sequence[DataFile]) -> tuple[DataFile, int] | None:
        """Put one file in the place of some of a table's live ones.

        Gives it and how many it took the place of; None when nothing could be joined.

        Where a writer replaced one of them meanwhile, a few of the others are joined while writers wait: else a table
        whose rows are replaced all the time would never be compacted.

        Raises:
            AccountingError: The new file does not hold the very rows; nothing was changed.
            CommitConflictError: Other writers won every attempt; nothing was changed.
        """
        with self._joined(head, group) as pack:
            for _ in range(ATTEMPTS):
                with table_lease(self._state, head.table, self._clock):
                    now = self._catalog.head(head.table)
                    if now is None:
                        return None
                    live = {file.path for file in now.files}
                    left = [file for file in group if file.path in live]
                    if len(left) < len(group):
                        return self._few(now, _first(left))
                    if self._is_committed(now, group, pack):
                        return pack, len(group)
        raise CommitConflictError(f"other writers committed first {ATTEMPTS} times in a row", where=str(head.table))

    def _few(self, head: Head, group: Sequence[DataFile]) -> tuple[DataFile, int] | None:
        """Join files at once; the caller holds the table's lease."""
        if len(group) < FEWEST:
            return None
        with self._joined(head, group) as pack:
            return (pack, len(group)) if self._is_committed(head, group, pack) else None

    @contextmanager
    def _joined(self, head: Head, group: Sequence[DataFile]) -> Iterator[DataFile]:
        """The new file of a group; it is removed at the end of the block, unless the table holds it then."""
        pack = self._packer.pack(head, group)
        try:
            self._assert_same(head, group, pack)
            yield pack
        except CommitUnknownError:
            raise  # it may yet be committed; upkeep removes it where it never is
        except BaseException:
            self._discard(head.table, pack)
            raise
        self._discard(head.table, pack)

    def _is_committed(self, head: Head, group: Sequence[DataFile], pack: DataFile) -> bool:
        """Try to commit; False where another writer did first."""
        gone = sorted(file.path for file in group)
        mark = hashlib.sha256(" ".join(gone).encode()).hexdigest()[:16]
        summary = {MAINTAINED: "compaction", "penstock.commit": mark}
        try:
            self._catalog.commit(Change(head, (pack,), tuple(gone), summary))
        except CommitConflictError:
            return False
        except Exception:
            if not self._is_live(head.table, pack):
                raise
        return True

    def _assert_same(self, head: Head, group: Sequence[DataFile], pack: DataFile) -> None:
        """Make sure that every row stands in the new file, each at its place, and none beside."""
        before, after = (self._content(head, files) for files in (group, (pack,)))
        expected = [member for file in group for member in file.members]
        if before != after or list(pack.members) != expected:
            raise AccountingError(
                f"{before[0]:,} rows were joined, but the new file does not hold the very same: {before} and {after}",
                where=str(head.table),
                hint="nothing was changed; please report this, it is a defect",
            )

    def _content(self, head: Head, files: Sequence[DataFile]) -> tuple[int, ...]:
        """Rows of some files, one after the other, and two digests of what stands at which place."""
        starts = accumulate((file.rows for file in files), initial=0)
        places = ", ".join(f"({literal(file.path)}, {start})" for file, start in zip(files, starts, strict=False))
        cells = ", ".join(f"penstock_{column.id}" for column in head.columns)
        rows = self._engine.ask(
            "SELECT count(*), coalesce(bit_xor(digest), 0), coalesce(sum(digest::HUGEINT), 0) FROM ("
            f"SELECT hash(first + file_row_number, {cells}) AS digest "
            f"FROM ({placed_sql(replace(head, files=tuple(files)))}) "
            f"JOIN (VALUES {places}) AS places (filename, first) USING (filename))"
        )
        return tuple(map(int, rows[0]))

    def _is_live(self, table: TableName, pack: DataFile) -> bool:
        """Whether the new file is in the table after all, where an answer was lost; where that cannot be told, yes."""
        try:
            head = self._catalog.head(table)
        except (PenstockError, OSError):
            return True
        return head is not None and any(file.path == pack.path for file in head.files)

    def _discard(self, table: TableName, pack: DataFile) -> None:
        """Remove the new file, unless the table holds it."""
        if self._is_live(table, pack):
            return
        with suppress(OSError, AwsError):
            self._zone.discard([pack.path])
        if self._zone.seals is not None:
            self._zone.seals.forget([pack.path])


def _first(files: Sequence[DataFile]) -> list[DataFile]:
    """As many files as can be joined in no time."""
    found: list[DataFile] = []
    for file in files[:FEW_FILES]:
        if len(found) >= FEWEST and sum(one.bytes for one in found) + file.bytes > FEW_BYTES:
            break
        found.append(file)
    return found
