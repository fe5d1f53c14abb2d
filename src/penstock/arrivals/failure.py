"""What an error means for the arrival that met it: whether waiting can help, and what is said of it."""

from __future__ import annotations

import re
import traceback

from penstock.errors import BadFileError, PenstockError
from penstock.naming import printable

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
_KIND = re.compile(r"\A(?:Invalid Input|IO|Serialization|Parser|Invalid|Out of Range|Conversion) Error: ")


def is_final(error: Exception) -> bool:
    """Whether trying again is of no use."""
    return isinstance(error, (BadFileError, *DEFECTS))


def reason_of(error: Exception) -> str:
    """Why an attempt failed, in one line for people."""
    if isinstance(error, PenstockError):
        return printable(_without_scratch(str(error)).replace("\n  ", "; "))
    if isinstance(error, DEFECTS):
        return f"internal error: Penstock cannot process this file, and should be able to; {REPORT}"
    if isinstance(error, OSError):
        return printable(f"the operating system refuses: {error.strerror or error}")
    return printable(f"{type(error).__name__}: {error}".splitlines()[0])


def _without_scratch(text: str) -> str:
    """Leave out the private name under which the engine knows the file, and what only its makers understand."""
    text = text.replace("TProtocolException: Invalid data", "a page of it is damaged")
    bare, found = _SCRATCH.subn("", text)
    return f"the file cannot be read: {_KIND.sub('', bare)}" if found else text


def details_of(error: Exception) -> dict[str, str]:
    """What the log keeps of an error that nobody raised on purpose."""
    return {} if isinstance(error, PenstockError) else {"traceback": "".join(traceback.format_exception(error))}
