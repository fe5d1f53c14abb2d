"""The outbox: a file per message, for lakes without a mail server; what would have been sent can be read there.

A message's file is named after its number, so that a message which is delivered twice is one file.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from penstock.clock import Clock, iso
from penstock.errors import NoticeError

FOLDER = "outbox"
_OWN = re.compile(r"^\d{8}T\d{6}-.+\.txt$")
"""Names that messages have; other files in the folder are somebody's."""
KEPT_SECONDS = 30 * 86_400.0
KEPT_FILES = 1_000


class Outbox:
    """Writes messages into a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Use `folder`, made when first written to."""
        self._folder, self._clock = folder, clock

    def put(self, number: str, created: float, to: str, subject: str, body: str) -> Path:
        """Write a message; it appears whole.

        Raises:
            NoticeError: The folder cannot be written to.
        """
        moment = datetime.fromtimestamp(created, tz=UTC)
        file = self._folder / f"{moment:%Y%m%dT%H%M%S}-{number}.txt"
        text = f"Subject: {subject}\nTo: {to}\nDate: {iso(self._clock.now())}\n\n{body}\n"
        part = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(text.encode("utf-8", "backslashreplace"))
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            hint = "the outbox must be a folder that can be written to, on a disk with space left"
            raise NoticeError(f"cannot be written: {error.strerror}", where=str(file), hint=hint) from error
        self._clear()
        return file

    def _clear(self) -> None:
        """Remove the oldest messages, so that the outbox stays small."""
        files = sorted((file for file in self._folder.glob("*.txt") if _OWN.match(file.name)), reverse=True)
        oldest = self._clock.now() - KEPT_SECONDS
        for at, file in enumerate(files):
            with suppress(OSError):
                if at >= KEPT_FILES or file.stat().st_mtime < oldest:
                    file.unlink()
