"""News: how threads that have nothing to do hear that there may be something."""

from __future__ import annotations

import threading


class News:
    """A counter that one can wait for to move on. Whoever read it before looking for work misses nothing."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._count = 0
        self._over = False

    @property
    def count(self) -> int:
        """How much happened so far."""
        return self._count

    @property
    def over(self) -> bool:
        """Whether there will be no more."""
        return self._over

    def tell(self, *, everyone: bool = False) -> None:
        """Something happened: wake one of those who wait, or everyone."""
        with self._moved:
            self._count += 1
            self._moved.notify_all() if everyone else self._moved.notify()

    def end(self) -> None:
        """There will be no more news: nobody waits from now on."""
        with self._moved:
            self._over = True
            self._count += 1
            self._moved.notify_all()

    def rest(self, seconds: float) -> None:
        """Let time pass, whatever happens, unless the news are over."""
        with self._moved:
            self._moved.wait_for(lambda: self._over, seconds)

    def wait(self, seen: int, timeout: float | None) -> None:
        """Wait until more than `seen` happened, at most `timeout` seconds."""
        with self._moved:
            self._moved.wait_for(lambda: self._over or self._count != seen, timeout)
