"""Whether a file of a table can be read from end to end, whatever was said of it."""

from __future__ import annotations

import json
from pathlib import Path


def reads_well(path: str) -> bool:
    """Whether all of a Parquet, Avro or JSON file can be decoded."""
    readers = {".parquet": _parquet, ".avro": _avro, ".json": _json}
    read = readers.get(Path(path).suffix)
    if read is None:
        return False
    try:
        read(path)
    except Exception:  # noqa: BLE001 - decoders raise whatever damage makes them raise
        return False
    return True


def _parquet(path: str) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for _ in file.iter_batches():
            pass


def _avro(path: str) -> None:
    from pyiceberg.avro.file import AvroFile
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.typedef import Record

    with AvroFile[Record](PyArrowFileIO().new_input(path)) as records:
        for _ in records:
            pass


def _json(path: str) -> None:
    json.loads(Path(path).read_bytes())
