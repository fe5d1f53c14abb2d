"""Doing one thing to many files at once, with a bounded number of threads: where waiting is most of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")


def together(work: Callable[[T], R], things: Iterable[T], at_once: int = AT_ONCE) -> Iterator[tuple[T, R]]:
    """Each thing with what came of it, in order; the first error ends it, and what has not begun is left."""
    wanted = list(things)
    if len(wanted) < 2 or at_once < 2:  # noqa: PLR2004 - one at a time is done without a thread
        yield from ((thing, work(thing)) for thing in wanted)
        return
    with ThreadPoolExecutor(min(at_once, len(wanted)), "penstock-copies") as pool:
        begun = [pool.submit(work, thing) for thing in wanted]
        try:
            yield from ((thing, one.result()) for thing, one in zip(wanted, begun, strict=True))
        finally:
            for one in begun:
                one.cancel()
