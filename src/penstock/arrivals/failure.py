"""What an error means for the arrival that met it: whether waiting can help, and what is said of it."""

from __future__ import annotations

import hashlib
import re
import traceback

from penstock.clock import Clock
from penstock.engines import MEMORY_VARIABLE
from penstock.errors import AccessError, BadFileError, PenstockError, WorkerLostError
from penstock.naming import printable
from penstock.redaction import redacted
from penstock.state import Arrival, Trouble
from penstock.version import __version__

TRACE_DIGITS = 8
AGAIN_SECONDS = 3_600.0
"""After how long the traceback of a cause is given to the log again: older parts of the log may be gone."""
MOST_GIVEN = 10_000

DEFECTS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    NameError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
)
"""What a wrong program raises: trying again gives the same. All else may be the disk's, the memory's or a lock's."""
REPORT = "please report it with the file; the log has the details: penstock logs --json"


_SCRATCH = re.compile(r"""(?:Failed to read )?(?:file )?["'][^"']*/scratch/[0-9a-f]{32}/[^"']*["']:? ?""")
_QUOTED = re.compile(r'"[^"]*"')
_LINE = re.compile(r"\bline ([\d,]*\d)")
_ROW = re.compile(r"\b(?:row|record) ([\d,]*\d)")
_COLUMN = re.compile(r'\bcolumn "([^"]+)"')
_NUMBER = re.compile(r"[0-9a-f]{8,}|\d+(?:[.,]\d+)*")
_KIND = re.compile(r"\A(?:Invalid Input|IO|Serialization|Parser|Invalid|Out of Range|Conversion) Error: ")


def is_final(error: Exception) -> bool:
    """Whether trying again is of no use."""
    return isinstance(error, (BadFileError, AccessError, *DEFECTS))


def reason_of(error: Exception) -> str:
    """Why an attempt failed, in one line for people."""
    if isinstance(error, PenstockError):
        return printable(_without_scratch(str(error)).replace("\n  ", "; "))
    if isinstance(error, DEFECTS):
        return f"internal error: Penstock cannot process this file, and should be able to; {REPORT}"
    if isinstance(error, OSError):
        return printable(f"the operating system refuses: {error.strerror or error}")
    return printable(redacted(f"{type(error).__name__}: {error}").splitlines()[0])


def _without_scratch(text: str) -> str:
    """Leave out the private name under which the engine knows the file, and what only its makers understand."""
    text = text.replace("TProtocolException: Invalid data", "a page of it is damaged")
    bare, found = _SCRATCH.subn("", text)
    return f"the file cannot be read: {_KIND.sub('', bare)}" if found else text


def code_of(error: BaseException) -> str:
    """The kind of an error in one word, also of those that nobody raised on purpose."""
    if isinstance(error, PenstockError):
        return error.code
    kinds = ((DEFECTS, "internal"), (MemoryError, "memory"), (OSError, "system"))
    return next((code for kind, code in kinds if isinstance(error, kind)), "engine")


def trouble_of(error: Exception, arrival: Arrival) -> Trouble:
    """What is known of a failure beside its reason: its place in the file, and what names its cause."""
    what = error.what if isinstance(error, PenstockError) else ""
    plain = _QUOTED.sub('""', what)
    column = _COLUMN.search(what)
    return Trouble(
        code=code_of(error),
        line=_number(_LINE.search(plain)),
        row=_number(_ROW.search(plain)),
        column=column[1] if column else None,
        trace=trace_of(error, arrival.key),
        version=__version__,
        lost=arrival.trouble.lost,
    )


def _number(found: re.Match[str] | None) -> int | None:
    return int(found[1].replace(",", "")) if found else None


def trace_of(error: Exception, key: str) -> str:
    """Name the cause of an error: failures at the same place of the program that say the same have the same name.

    Numbers and the file's own name make no difference, since they say which file it was, not what was wrong.
    """
    said = _NUMBER.sub("#", reason_of(error).replace(key, ""))
    causes, places, met = [said], list[str](), set[int]()
    seen: BaseException | None = error
    while seen is not None and id(seen) not in met:  # an engine's errors may name each other as their cause
        met.add(id(seen))
        causes.append(type(seen).__qualname__)
        places += [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(seen.__traceback__)]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    text = "\n".join([*causes, *dict.fromkeys(places), __version__])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:TRACE_DIGITS]


def lost_error(arrival: Arrival) -> WorkerLostError:
    """Why an arrival is given up whose processes ended, or fell silent, while they worked on it."""
    lost, attempts = arrival.trouble.lost, arrival.attempts
    times = "once" if lost == 1 else f"{lost} times"
    of = f", in {attempts} attempts" if lost < attempts else ""
    return WorkerLostError(
        f"the process ended while working on it, {times}{of}",
        hint=f"most often the machine lacks memory: give it more, or Penstock less with {MEMORY_VARIABLE}",
    )


class Tracebacks:
    """Gives the log the traceback of each cause, but not with every file that fails for it."""

    def __init__(self, clock: Clock) -> None:
        """Remember, by `clock`, what was given."""
        self._clock = clock
        self._given = dict[str, float]()

    def of(self, trace: str, error: Exception | None) -> dict[str, str]:
        """What the log is to keep with a failure: its traceback, unless it was given lately."""
        now = self._clock.now()
        if error is None or now < self._given.get(trace, 0.0) + AGAIN_SECONDS:
            return {}
        if len(self._given) >= MOST_GIVEN:
            self._given.clear()
        self._given[trace] = now
        return {"traceback": "".join(traceback.format_exception(error))}
