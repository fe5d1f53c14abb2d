"""Which type a column has: the narrowest that every value of the whole first file fits, and the value that decided.

A sample gives a first guess, which is never wider than the truth. Reading the file with the guess then proves or
refutes it for every value, so that a clean file is parsed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penstock.formats.text_types import INFERRED_TYPES, WORDS, is_type, pointed

Records = Iterable[tuple[int, Sequence[str | None]]]
NO_VALUE = "no value"
"""How the reason begins for a column that a file with types of its own has no value in."""
_NEITHER = {
    "BOOLEAN": "neither true nor false",
    "BIGINT": "no integer",
    "DOUBLE": "no number",
    "DATE": "no date",
    "TIMESTAMP": "no timestamp",
}


@dataclass(frozen=True)
class Inferred:
    """The type of one column of the files.

    Attributes:
        type: Its DuckDB type.
        reason: Why, for people.
        certain: False for a guess that the whole file has yet to confirm or widen.
        file: Key of the file that decided.
        line: Line of the value that decided; None where no single one did.
        value: That value.
        was: The type before a later file widened it; empty when none did.
        at: When it was decided, as ISO 8601; empty for what older versions wrote.
        empty: Whether no file has had a value yet; the first one decides the type.
    """

    type: str
    reason: str
    certain: bool = False
    file: str = ""
    line: int | None = None
    value: str | None = None
    was: str = ""
    at: str = ""
    empty: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the table's properties."""
        return {key: value for key, value in asdict(self).items() if key != "certain"}

    def because(self) -> str:
        """The reason with the file, line and value that decided, as one sentence."""
        if self.value is None:
            return self.reason if self.empty or not self.file else f"{self.reason} ({self.file})"
        place = f"{self.file} line {self.line}" if self.line is not None else self.file or "the first file"
        unlike = refuted_by(self.type, self.value)
        if self.was:
            return f'{place} holds "{self.value}", which {_unlike(self.was, self.value)}'
        if self.type == "VARCHAR" or unlike:
            named = unlike or "of no narrower type"
            return f'{place} holds "{self.value}", which is {named}'
        return f'{self.reason}: first seen {place} "{self.value}"'


def _unlike(was: str, value: str) -> str:
    if was in {"BIGINT", "INTEGER"} and value.lstrip("+-").isdigit():
        return f"is too large for {was}"
    return f"is {_NEITHER[was]}" if was in _NEITHER else f"does not fit {was}"


def refuted_by(kind: str, value: str) -> str:
    """What a value is not that a type narrower than `kind` asks for; empty where `kind` is the narrowest."""
    if kind not in INFERRED_TYPES:
        return ""
    narrower = INFERRED_TYPES[1 : INFERRED_TYPES.index(kind)]  # that a number is no boolean explains nothing
    if kind in {"DATE", "TIMESTAMP"}:
        narrower = tuple(other for other in narrower if other == "DATE")
    unlike = [_NEITHER[other] for other in narrower if not is_type(other, value)]
    if kind == "VARCHAR" and len(unlike) == len(narrower):
        return "neither a number nor a date"
    return " and ".join(unlike)


def infer_from_sample(header: Sequence[str], records: Records, decimal: str = ".") -> dict[str, Inferred | None]:
    """Guess each column's type from records with their lines; None where the sample holds no value.

    Ragged records are passed over. The value that is named is the one that refuted the last narrower type.
    """
    found = _narrowed(header, records, dict.fromkeys(header), decimal)
    return {name: _guess(*found[name]) if name in found else None for name in header}


def deciding_values(
    header: Sequence[str], records: Records, types: Mapping[str, str], decimal: str = "."
) -> dict[str, tuple[int, str]]:
    """Line and value that made columns the types they have, looked for until each is found."""
    found = _narrowed(header, records, types, decimal)
    return {name: (line, value) for name, (kind, line, value) in found.items() if kind == types[name]}


def _narrowed(
    header: Sequence[str], records: Records, wanted: Mapping[str, str | None], decimal: str
) -> dict[str, tuple[str, int, str]]:
    """The narrowest type of each column with the line and value that refuted the one before.

    A column that has come to its `wanted` type is not looked at any more.
    """
    active = {at: name for at, name in enumerate(header) if name in wanted}
    left: dict[str, tuple[str, ...]] = dict.fromkeys(active.values(), INFERRED_TYPES)
    found: dict[str, tuple[str, int, str]] = {}
    for line, record in records:
        if not active:
            break
        if len(record) != len(header):
            continue
        for at, name in list(active.items()):
            text = record[at]
            if not text:
                continue
            kinds = left[name]
            if not _fits(kinds[0], text, decimal) or name not in found:
                left[name] = kinds = tuple(kind for kind in kinds if _fits(kind, text, decimal))
                found[name] = (kinds[0], line, text)
            else:
                left[name] = tuple(kind for kind in kinds if _fits(kind, text, decimal))
            if kinds[0] in {wanted[name], "VARCHAR"}:
                del active[at]
    return found


def _fits(kind: str, text: str, decimal: str) -> bool:
    return kind == "VARCHAR" or is_type(kind, pointed(kind, text, decimal))


def _guess(kind: str, line: int, value: str) -> Inferred:
    if kind == "VARCHAR":
        reason = "the values of the first file fit no narrower type"
        return Inferred(kind, reason, certain=True, line=line, value=value)
    return Inferred(kind, f"every value of the first file is {WORDS[kind]}", line=line, value=value)


def narrowest(fits: dict[str, bool], counter_example: str | None) -> Inferred:
    """Choose from what the whole file says: which types hold every value, and a value that fits no narrower one."""
    kind = next(kind for kind in INFERRED_TYPES if fits.get(kind, kind == "VARCHAR"))
    if kind != "VARCHAR":
        return Inferred(kind, f"every value of the first file is {WORDS[kind]}", certain=True)
    shown = f', for one "{counter_example}"' if counter_example is not None else ""
    reason = f"the values of the first file fit no narrower type{shown}"
    return Inferred(kind, reason, certain=True, value=counter_example)
