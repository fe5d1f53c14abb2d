"""Importing what the commit of a large file needs while the engine reads it: neither has to wait for the other."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from penstock.formats import LARGE_BYTES

NEEDED = "pyiceberg.catalog.sql"


@contextmanager
def importing_ahead(size: int) -> Iterator[None]:
    """Import the table library within the block, if it is worth a thread for a file of that size."""
    if size < LARGE_BYTES:
        yield
        return
    helper = threading.Thread(target=_import, name="imports")
    helper.start()
    try:
        yield
    finally:
        helper.join()


def _import() -> None:
    """Import quietly: whoever needs the library afterwards says why it cannot be imported."""
    with suppress(ImportError):
        importlib.import_module(NEEDED)
