"""Looking at a file that landed: is it there, is it finished, and what is its content called?"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Literal

from penstock.errors import BadFileError, IntegrityError
from penstock.storage import FileVersion, Zone
from penstock.storage.room import is_full
from penstock.storage.settled import TICK

TRIES = 10
SETTLE_SECONDS = 1.0

Found = Literal["gone", "written", "resting", "settled"]


@dataclass(frozen=True)
class Glance:
    """What one look at a file shows, without waiting or reading it.

    Attributes:
        found: `gone`; `written`: somebody has it open for writing, or, where that cannot be told, may have; `resting`:
            nobody has, but its times do not tell yet of every change; `settled`: it can be read.
        file: The file as it is, unless it is gone.
        wait: After how many seconds to look again, where only time is missing.
    """

    found: Found
    file: FileVersion | None = None
    wait: float = 0.0


def glance(raw: Zone, key: str, settle: float = SETTLE_SECONDS, rested: str = "") -> Glance:
    """Look at a file; where the kernel does not know its writers, it has to be left alone for `settle` seconds.

    `rested` is the mark that the file was seen to have for that long, if any: what its times say is not all there is
    to go by, as the clock may have been set back, or be another machine's.
    """
    written, file = raw.written(key), raw.stat(key)
    if file is None:
        return Glance("gone")
    if written:
        return Glance("written", file)
    changed = file.changed_ns / 1e9
    if file.mark == rested if written is None else changed > time.time():  # a time to come shows every later change
        return Glance("settled", file)
    quiet = TICK if written is False else settle
    wait = min(max(changed + quiet - time.time(), 0.0), quiet)
    if wait:
        return Glance("resting" if written is False else "written", file, wait)
    return Glance("settled", file)


def version_of(raw: Zone, file: FileVersion) -> str | None:
    """What names the content of a settled file; None when it changed, or went, while it was read.

    Where it cannot be read, its times name it, which change with its permissions.
    """
    try:
        version = raw.digest(file.key, file.mark)
    except FileNotFoundError:
        return None
    except (OSError, BadFileError, IntegrityError) as error:
        if is_full(error):
            raise  # of a copy; the file itself can be read
        version = hashlib.sha256(f"unreadable {file.mark}".encode()).hexdigest()
    return version if raw.lasting or raw.stat(file.key) == file else None


def see(raw: Zone, key: str, settle: float = SETTLE_SECONDS) -> tuple[FileVersion, str] | None:
    """The current version of a file, and what names its content; None while it is being written, or when it is gone.

    Waits, where it has to, until the file has settled.
    """
    rested = ""
    for _ in range(TRIES):
        found = glance(raw, key, settle, rested)
        if found.file is not None and found.wait:
            time.sleep(found.wait)
            if found.found == "written" and raw.stat(key) != found.file:
                return None
            rested = found.file.mark
        elif found.file is None or found.found == "written":
            return None
        elif (version := version_of(raw, found.file)) is not None:
            return found.file, version
    return None
