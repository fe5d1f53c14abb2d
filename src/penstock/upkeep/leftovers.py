"""What dead processes left in the lake's `.penstock/`: folders that the engine spilled to, scratch folders, lock files.

A spill folder is named after its process, a worker's file is locked while its process lives. A scratch folder names
nobody, so it has to be older than the safety age.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from penstock import faults
from penstock.state.processes import FOLDER as WORKERS
from penstock.state.processes import is_alive
from penstock.storage.owned import left_over

_SCRATCH = re.compile(r"^[0-9a-f]{32}$")
_WORKER = re.compile(r"^\d+-[0-9a-f]{12}$")
YOUNG = 60.0
"""Seconds within which a worker may have made its file and not locked it yet."""


def leftovers(private: Path, age: float, now: float) -> list[Path]:
    """Files and folders that no living process needs.

    Args:
        private: The lake's `.penstock/`.
        age: Seconds that a scratch folder stays.
        now: The moment it is, by the clock that file systems go by.
    """
    found = left_over(private / "spill")
    found += [path for path in _below(private / "scratch", _SCRATCH) if _changed(path) <= now - age]
    workers = [path for path in _below(private / WORKERS, _WORKER) if _changed(path) <= now - YOUNG]
    return [*found, *(path for path in workers if not is_alive(path))]


def clear(paths: list[Path]) -> None:
    """Remove leftovers; links in them are removed, not what they lead to."""
    for path in paths:
        faults.reach("storage.delete")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _below(folder: Path, pattern: re.Pattern[str]) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if pattern.match(path.name))


def _changed(path: Path) -> float:
    """When anything in a folder was changed last."""
    try:
        below = [path, *path.rglob("*")] if path.is_dir() else [path]
        return max(one.lstat().st_mtime for one in below)
    except FileNotFoundError:
        return float("inf")
