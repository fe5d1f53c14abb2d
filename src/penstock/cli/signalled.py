"""Signals that are heard at once, also while the engine computes and Python's own handlers have to wait.

The interpreter writes the number of every signal into a pipe the moment it comes; a thread reads it there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALLED = 128
SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def heard(numbers: tuple[signal.Signals, ...], listener: Callable[[int], None]) -> Iterator[None]:
    """Call `listener` with the number of each of these signals that comes, in a thread of its own."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_listen, args=(reading, listener), name="penstock-signals", daemon=True)
    thread.start()
    before = {number: signal.signal(number, _ignore) for number in numbers}
    before_fd = signal.set_wakeup_fd(writing)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
        thread.join()  # a thread that outlives the interpreter's end brings the process down


class Stop:
    """Lets the first Ctrl-C or SIGTERM end what is done in order, and the next one at once."""

    def __init__(self, said: Callable[[], str] = str) -> None:
        """Print what is `said` when it is asked to end."""
        self._said = said
        self.end: Callable[[], object] | None = None
        """Asks what is done to end; None while there is nothing that could end in order."""
        self.signal = 0

    def hear(self, number: int) -> None:
        """Take a signal."""
        if self.signal or self.end is None:
            leave(number)
            return
        self.signal = number
        self.end()
        if text := self._said():
            os.write(sys.stderr.fileno(), text.encode())


def leave(number: int) -> None:
    """End the process at once, as a shell expects it after a signal."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(SIGNALLED + number)


def _listen(reading: int, listener: Callable[[int], None]) -> None:
    while found := os.read(reading, 1):
        listener(found[0])
    os.close(reading)


def _ignore(_number: int, _frame: object) -> None:
    """Python's handler has nothing left to do; without one the signal would not be written into the pipe."""
