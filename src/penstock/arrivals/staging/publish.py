"""Publishing: what an attempt wrote becomes data files, one for each partition that its rows fall into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.declaration import Transform
from penstock.engines import Engine
from penstock.engines.partitions import Splitter
from penstock.errors import AccountingError
from penstock.naming import ArrivalName, TableName, literal
from penstock.state import Head, Spec
from penstock.state.store import Column
from penstock.storage import Zone
from penstock.storage.local import remove_file
from penstock.tables import DataFile
from penstock.tables.partition import planned_spec


@dataclass(frozen=True)
class Finished:
    """What an attempt wrote.

    Attributes:
        table: Whose rows they are going to be.
        arrival: Where they came from.
        attempt: The attempt's token.
        part: Number of what is added to the arrival's rows; None for the arrival itself.
        staging: The Parquet file that holds them.
        columns: Its columns.
        rows: How many there are.
    """

    table: TableName
    arrival: ArrivalName
    attempt: str
    part: int | None
    staging: str
    columns: tuple[Column, ...]
    rows: int

    def key(self, piece: int | None = None) -> str:
        """Under which a data file is published; `piece` numbers those of several partitions."""
        return self.table.data_key(f"{self.arrival.stem(self.attempt, self.part, piece)}.parquet")


def publish(
    engine: Engine, zone: Zone, done: Finished, head: Head | None, partition: Sequence[Transform]
) -> tuple[DataFile, ...]:
    """Publish the rows that an attempt wrote; nothing for none.

    Args:
        engine: Cuts them.
        zone: Where data files go.
        done: The rows.
        head: The table, which says how new files are laid out; None for one that is to be made.
        partition: How the files of a new table are laid out.

    Raises:
        BadFileError: They fall into too many partitions.
        AccountingError: Rows were lost or made up; nothing was published.
    """
    if not done.rows:
        return ()
    spec = head.spec if head is not None else planned_spec(partition, done.columns)
    if not spec.fields:
        return (_published(zone, done.staging, done.key(), done.rows, ""),)
    return _publish_pieces(engine, zone, done, spec)


def _publish_pieces(engine: Engine, zone: Zone, done: Finished, spec: Spec) -> tuple[DataFile, ...]:
    splitter = Splitter(engine, spec, done.columns)
    files = list[DataFile]()
    try:
        with splitter.pieces(
            f"SELECT * FROM read_parquet({literal(done.staging)})", f"{done.staging}.sorted"
        ) as pieces:
            if len(pieces) == 1:
                return (_published(zone, done.staging, done.key(), pieces[0].rows, pieces[0].partition),)
            for at, piece in enumerate(pieces, start=1):
                staging = zone.staging(done.key(at))
                try:
                    rows = engine.gather(piece.select, done.columns, staging, {})
                    files.append(_published(zone, staging, done.key(at), rows, piece.partition))
                finally:
                    remove_file(staging)
            _assert_all(done, files, [piece.rows for piece in pieces])
    except BaseException:
        zone.discard(file.path for file in files)
        raise
    return tuple(files)


def _published(zone: Zone, staging: str, key: str, rows: int, partition: str) -> DataFile:
    size = zone.publish(staging, key)
    return DataFile(zone.location(key), rows, size, partition=partition)


def _assert_all(done: Finished, files: Sequence[DataFile], counted: Sequence[int]) -> None:
    """Make sure that every partition holds what was counted for it, and all together every row."""
    if [file.rows for file in files] != list(counted) or sum(counted) != done.rows:
        held = sum(file.rows for file in files)
        raise AccountingError(
            f"{done.rows} rows were to be partitioned, but the partitions hold {held}",
            where=str(done.table),
            hint="nothing was committed; please report it, it is a defect",
        )
