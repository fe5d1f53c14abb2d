"""The threads of a lake that is up: each has a name, and none of them ends unnoticed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

log = logging.getLogger("penstock.service")


class Threads:
    """Threads that are started together, and end together."""

    def __init__(self, failed: Callable[[str, BaseException], object]) -> None:
        """Start with none; `failed` hears of a thread that ended with an error."""
        self._failed = failed
        self._all: list[threading.Thread] = []
        self._broken: dict[str, str] = {}

    def start(self, name: str, work: Callable[[], object]) -> None:
        """Start one; its name begins with `penstock-`."""
        thread = threading.Thread(target=self._run, args=(name, work), name=f"penstock-{name}", daemon=True)
        self._all.append(thread)
        thread.start()

    def _run(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            log.exception("%s ended", name)
            self._broken[name] = f"{type(error).__name__}: {error}"
            self._failed(name, error)

    def join(self, but: Collection[str] = ()) -> None:
        """Wait for all of them to end, `but` for some."""
        for thread in list(self._all):
            if thread.name.removeprefix("penstock-") not in but:
                thread.join()

    @property
    def broken(self) -> dict[str, str]:
        """Those that ended with an error, and with which."""
        return dict(self._broken)
