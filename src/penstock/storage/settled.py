"""Whether a file is finished: nobody writes to it, and its times tell of its last change.

On a disk of this machine the kernel knows. A read lease (`F_SETLEASE`) is refused while anyone has the file open for
writing, however long the writer pauses; the lease itself is given back at once. Where the kernel cannot be asked, on a
network disk for example, the only sign left is that the file has not changed for a while.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path

_REFUSED = (errno.EAGAIN, errno.EBUSY)
REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "glusterfs", "lustre", "afs", "ncpfs", "virtiofs")
"""Starts of the names of file systems on which others than this kernel write."""
CLOCK_REALTIME_COARSE = 5
"""Linux's number of the clock that it stamps files with; Python has no name for it."""
TICK = min(2 * time.clock_getres(CLOCK_REALTIME_COARSE), 0.05)
"""How long that clock stands still at most."""


def is_being_written(path: str | Path) -> bool | None:
    """Whether somebody has a file open for writing; None where the kernel cannot tell."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # who opens the file for writing in this very moment makes the kernel send a signal: one that nobody minds
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno in _REFUSED else None
    finally:
        os.close(handle)
    return False


def is_remote(folder: Path) -> bool:
    """Whether a folder is on a disk that others than this machine write to."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        device = os.stat(folder).st_dev  # noqa: PTH116 - one call
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kinds = [line.partition(" - ")[2].split(" ")[0] for line in mounts.splitlines() if line.split(" ")[2] == wanted]
    return any(kind.startswith(REMOTE) for kind in kinds)
