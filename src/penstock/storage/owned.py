"""Folders that are named after the process that uses them, so that others see when nobody needs them any more."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

_OWNED = re.compile(r"^(?P<process>\d+)-(?:\d+|[0-9a-f]{8})$")


def own_folder(root: Path) -> Path:
    """Where this process can have a folder of its own below `root`; it is not made."""
    return root / f"{os.getpid()}-{secrets.token_hex(4)}"


def left_over(root: Path) -> list[Path]:
    """Folders below `root` whose processes are gone, in order; none where `root` is not there."""
    owned = [(path, _OWNED.match(path.name)) for path in sorted(root.iterdir())] if root.is_dir() else []
    return [path for path, named in owned if named and not _is_alive(int(named["process"]))]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # a number that no process can have
        return False
    except PermissionError:
        return True
    return True
