"""The hash of Iceberg's buckets, for an engine that does not have it: 32 bits of Murmur3."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

TEXT, NUMBER = "penstock_hash_text", "penstock_hash_number"
"""Functions of SQL that give the hash of a text, and of a whole number or a date's day."""


def provide(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a connection."""
    from duckdb.func import ARROW

    connection.create_function(TEXT, _of_texts, ["varchar"], "uinteger", type=ARROW)
    connection.create_function(NUMBER, _of_numbers, ["bigint"], "uinteger", type=ARROW)


def _of_texts(values: Any) -> Any:
    import mmh3
    import pyarrow as pa

    hashes = (None if text is None else mmh3.hash(text, signed=False) for text in values.to_pylist())
    return pa.array(hashes, pa.uint32())


def _of_numbers(values: Any) -> Any:
    import mmh3
    import pyarrow as pa

    pack = struct.Struct("<q").pack
    hashes = (None if number is None else mmh3.hash(pack(number), signed=False) for number in values.to_pylist())
    return pa.array(hashes, pa.uint32())
