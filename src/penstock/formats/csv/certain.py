"""Values that are certain: what a text stands for, told for a whole block at once where there is no doubt.

Casts of Arrow take a tenth of the time that reading a text in SQL takes, with the tests that nothing is lost. They are
also laxer here and there (`007`, `0x1F`, `inf`), so a value counts only if `text_types` says that the text holds it; a
text that is not written in the plainest way gets none, and is read in SQL as ever. Nothing depends on which are told
but time.
"""

from __future__ import annotations

import re
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CERTAIN = ("BIGINT", "DOUBLE", "DATE", "TIMESTAMP")
"""Types whose values may be told."""
_NAME = "__penstock_{kind}_{at}"
_FOUND = re.compile(rf"__penstock_({'|'.join(CERTAIN).lower()})_([0-9]+)\b")
_DAY = (
    "(?:[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    "|[1-9][0-9](?:0[48]|[2468][048]|[13579][26])-02-29)"
)
_PLAIN = {
    "BIGINT": "^(?:0|-?[1-9][0-9]{0,17})$",
    "DOUBLE": r"^-?(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{0,6})?$",
    "DATE": f"^{_DAY}$",
    "TIMESTAMP": rf"^{_DAY}[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,6}})?$",
}
"""Texts of every one of which it is certain that Arrow reads it, and reads it exactly."""
_DATE_LENGTH, _STAMP_LENGTH, _DOUBLE_LENGTH = 10, 19, 15
_YEAR_1 = -719_162
"""1 January of the year 1, in days since 1970."""
_DAY_MICROSECONDS = 86_400_000_000
_SAMPLE, _FEW = 2_000, 500


def certain_column(at: int, kind: str) -> str:
    """Name of the column with the values of type `kind` that are certain of the cells at position `at`, from 0."""
    return _NAME.format(kind=kind.lower(), at=at)


def certain_columns(sql: str, width: int) -> dict[str, tuple[int, str]]:
    """The names of such columns that stand in a SELECT over a file of `width` columns; their positions and types."""
    found = {match[0]: (int(match[2]), match[1].upper()) for match in _FOUND.finditer(sql)}
    return {name: (at, kind) for name, (at, kind) in sorted(found.items()) if at < width}


def arrow_type(kind: str) -> pa.DataType:
    """Arrow's type for values of `kind`."""
    import pyarrow as pa

    return {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us")}[kind]


def certain_values(texts: pa.Array, kind: str) -> pa.Array:
    """The values of type `kind` that `texts` stand for; null for a null, and where a text has to be looked at."""
    import pyarrow as pa

    try:
        values = texts.cast(arrow_type(kind))
    except pa.ArrowInvalid:
        return _of_plain_ones(texts, kind)
    return values if _TESTS[kind](texts, values) else _of_plain_ones(texts, kind)


def _of_plain_ones(texts: pa.Array, kind: str) -> pa.Array:
    """The values of those texts that are written plainly; each text is looked at once where few differ."""
    if len(texts[:_SAMPLE].unique()) < min(_FEW, len(texts) // 4):
        words = texts.dictionary_encode()
        return _matching(words.dictionary, kind).take(words.indices)
    return _matching(texts, kind)


def _matching(texts: pa.Array, kind: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.match_substring_regex(texts, _PLAIN[kind])
    return pc.if_else(plain, texts, pa.nulls(len(texts), pa.string())).cast(arrow_type(kind))


def _are_integers(texts: pa.Array, values: pa.Array) -> bool:
    """Whether the texts are as long as their values are when written: no zeros before, no hexadecimal ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    least, most = _bounds(values)
    if least < 0:
        return bool(values.cast(pa.string()).equals(texts))
    data = bytes_of(texts)
    if b"x" in data or b"X" in data:
        return False
    digits = count = len(values) - values.null_count
    for power, same in _tens():
        if power <= most:
            digits += count if power <= least else pc.sum(pc.greater_equal(values, same)).as_py()
    return bool(digits == len(data))


def _are_doubles(texts: pa.Array, _values: pa.Array) -> bool:
    """Whether all texts are decimal, short, and without zeros before."""
    import pyarrow.compute as pc

    data = bytes_of(texts)
    if any(letter in data for letter in (b"e", b"E", b"n", b"N", b"i", b"I", b"+")):
        return False
    if data and pc.max(pc.binary_length(texts)).as_py() > _DOUBLE_LENGTH:
        return False
    zeros = ("0", "-0") if b"-" in data else ("0",)
    return not any(pc.any(pc.starts_with(texts, zero)).as_py() for zero in zeros)


def _are_dates(texts: pa.Array, values: pa.Array) -> bool:
    """Whether all are written with ten characters, and of years that tables hold."""
    import pyarrow as pa

    plain = len(bytes_of(texts)) == _DATE_LENGTH * (len(texts) - texts.null_count)
    return plain and _bounds(values.view(pa.int32()))[0] >= _YEAR_1


def _are_timestamps(texts: pa.Array, values: pa.Array) -> bool:
    """Whether all are written with 19 characters, to the second and without a zone, and of years that tables hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data = bytes_of(texts)
    if b"Z" in data or b"+" in data or len(data) != _STAMP_LENGTH * (len(texts) - texts.null_count):
        return False
    if data and pc.max(pc.binary_length(texts)).as_py() != _STAMP_LENGTH:
        return False
    return _bounds(values.view(pa.int64()))[0] >= _YEAR_1 * _DAY_MICROSECONDS


_TESTS = {"BIGINT": _are_integers, "DOUBLE": _are_doubles, "DATE": _are_dates, "TIMESTAMP": _are_timestamps}
"""Whether the values that Arrow has read are those of the texts, every one of them."""


def _bounds(values: pa.Array) -> tuple[int, int]:
    """The least and the greatest of some integers; two zeros where there is none."""
    import pyarrow.compute as pc

    found = pc.min_max(values).as_py()
    return (found["min"] or 0, found["max"] or 0)


def bytes_of(texts: pa.Array) -> bytes:
    """The bytes of all texts, one behind the other."""
    _, offsets, data = texts.buffers()
    ends = memoryview(offsets).cast("i")[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data)[ends[0] : ends[-1]].tobytes() if data is not None and len(ends) else b""


def arrow_integers(values: array[int]) -> pa.Array:
    """Integers for Arrow, which loads pandas, where that is installed, when it takes them one by one."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


@lru_cache(maxsize=1)
def _tens() -> list[tuple[int, Any]]:
    """The powers of ten from 10 up, here and as Arrow has them."""
    powers = array("q", (10**at for at in range(1, 19)))
    return list(zip(powers, arrow_integers(powers), strict=True))
