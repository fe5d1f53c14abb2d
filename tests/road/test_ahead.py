"""The table library is imported while the engine reads a large file."""

from __future__ import annotations

import sys

import pytest

from penstock.arrivals.staging import ahead
from penstock.arrivals.staging.ahead import importing_ahead
from penstock.formats import LARGE_BYTES


@pytest.mark.parametrize(("size", "there"), [(LARGE_BYTES, True), (LARGE_BYTES - 1, False)])
def test_only_a_large_file_is_worth_a_thread(monkeypatch: pytest.MonkeyPatch, size: int, there: bool) -> None:  # noqa: FBT001 - an example
    """What the commit needs is there when the block ends; a small file waits for nothing."""
    monkeypatch.setattr(ahead, "NEEDED", "tabnanny")
    monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
    with importing_ahead(size):
        pass
    assert ("tabnanny" in sys.modules) is there


def test_what_cannot_be_imported_is_said_by_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper fails quietly: the work of the engine goes on, and the commit raises the error."""
    monkeypatch.setattr(ahead, "NEEDED", "penstock_has_no_such_module")
    with importing_ahead(LARGE_BYTES):
        done = True
    assert done
