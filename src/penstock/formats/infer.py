"""Which type a column has: the narrowest that every value of the whole first file fits.

A sample gives a first guess, which is never wider than the truth. Reading the file with the guess then proves or
refutes it for every value, so that a clean file is parsed once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from penstock.formats.text_types import INFERRED_TYPES, WORDS, is_type


@dataclass(frozen=True)
class Inferred:
    """The type of one column of the files.

    Attributes:
        type: One of `INFERRED_TYPES`.
        reason: Why, for people.
        certain: False for a guess that the whole file has yet to confirm or widen.
    """

    type: str
    reason: str
    certain: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the table's properties."""
        return {key: value for key, value in asdict(self).items() if key != "certain"}


def infer_from_sample(header: list[str], records: Iterable[list[str]]) -> dict[str, Inferred | None]:
    """Guess each column's type from records; None where the sample holds no value. Ragged records are passed over."""
    left = {name: list(INFERRED_TYPES) for name in header}
    last: dict[str, str] = {}
    for record in records:
        if len(record) != len(header):
            continue
        for name, text in zip(header, record, strict=True):
            if text:
                last[name] = text
                left[name] = [kind for kind in left[name] if kind == "VARCHAR" or is_type(kind, text)]
    return {name: _guess(left[name][0]) if name in last else None for name in header}


def _guess(kind: str) -> Inferred:
    if kind == "VARCHAR":
        return Inferred(kind, "the values of the first file fit no narrower type", certain=True)
    return Inferred(kind, f"every value of the first file is {WORDS[kind]}")


def narrowest(fits: dict[str, bool], counter_example: str | None) -> Inferred:
    """Choose from what the whole file says: which types hold every value, and a value that fits no narrower one."""
    kind = next(kind for kind in INFERRED_TYPES if fits.get(kind, kind == "VARCHAR"))
    if kind != "VARCHAR":
        return Inferred(kind, f"every value of the first file is {WORDS[kind]}", certain=True)
    shown = f', for one "{counter_example}"' if counter_example is not None else ""
    return Inferred(kind, f"the values of the first file fit no narrower type{shown}", certain=True)
