"""Watching: what the kernel says of a file or a folder, for as long as it is the one that is watched.

A file or a folder made anew under the same name is another one, of which the kernel says nothing to those who watch the
one that went: they have to begin again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

TIMEOUT_MS = 250
"""How often it is said that nothing came."""


def watched(
    path: Path, done: threading.Event, *, step_ms: int, share_ms: int, beside: Path | None = None
) -> Iterator[list[str]]:
    """Yield the paths that changed, none when nothing came; end when `done`, or when `path` is gone or another one.

    Args:
        path: A folder, with everything below it, or a file.
        done: Set by whoever wants no more.
        step_ms: How often the library hands over what it heard.
        share_ms: For how long it gathers while more comes.
        beside: A folder that is watched, too, and not what is in its folders; then `path` is a file.

    Raises:
        OSError: It is not there, or cannot be watched.
        RuntimeError: The library cannot go on, such as at a name that is not UTF-8.
    """
    from watchfiles import Change, watch

    identity, gone = _identity(path), (Change.deleted, str(path))
    for found in watch(
        *(path,) if beside is None else (beside, path),
        watch_filter=None,
        step=step_ms,
        debounce=share_ms,
        rust_timeout=TIMEOUT_MS,
        yield_on_timeout=True,
        stop_event=done,
        raise_interrupt=False,
        recursive=beside is None,
        ignore_permission_denied=True,
    ):
        yield [name for _, name in found]
        if gone in found or _identity(path) != identity:
            return  # one made anew may have the number of the one that went


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino
