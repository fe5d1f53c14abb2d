"""Letting DuckDB read a large CSV file that is proven on its way, and counting what arrives on either side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from penstock.engines.duckdb_sql import FEED
from penstock.engines.engine import Rejected, Source
from penstock.errors import AccountingError
from penstock.formats.csv.certain import certain_columns
from penstock.formats.csv.feed import Feed

RAGGED = "RAGGED"


@contextmanager
def fed(
    connection: duckdb.DuckDBPyConnection, source: Source, select: str, *, ordered: bool = False
) -> Iterator[Feed | None]:
    """Let one query, a `select` over the source, find the records of a file that is fed to it; None for any other file.

    Raises:
        DamagedFileError: The file cannot be proven to be read exactly.
    """
    if not source.fed:
        yield None
        return
    feed = Feed(
        source.path, source.dialect, source.width, ordered=ordered, certain=certain_columns(select, source.width)
    )
    connection.register(FEED, feed.stream())
    try:
        yield feed
    except duckdb.Error as error:
        raise feed.error or error from None
    finally:
        connection.unregister(FEED)


def refused_by(feed: Feed, scanned: int) -> tuple[Rejected, ...]:
    """The records that were not fed to the engine, once all others have reached it.

    Raises:
        AccountingError: They have not.
    """
    if feed.rows != scanned:
        raise AccountingError(
            f"{feed.rows:,} records were read, but {scanned:,} reached the engine",
            hint="nothing was committed; please report this with the file, it is a defect",
        )
    return tuple(Rejected(record.offset, RAGGED, record.reason, record.raw) for record in feed.refused)
