"""By what a table's data files are laid out: columns, or what Iceberg's transforms make of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from penstock.naming import IDENTITY, Transform, did_you_mean

TIMES = ("year", "month", "day", "hour")
SIZED = ("bucket", "truncate")
LARGEST = 2**31 - 1
_NAME = r'"(?:[^"]|"")+"\s*|[^"(),]+'
_PARTITION = re.compile(
    rf"^\s*(?:(?P<kind>[A-Za-z_]+)\s*\((?:\s*(?P<size>\d+)\s*,)?\s*(?P<inner>{_NAME})\)|(?P<column>{_NAME}))\s*$"
)
_FORMS = 'write a column, or "month(column)", "bucket(16, column)", "truncate(3, column)"'


def parse_transform(text: str) -> Transform:
    """Read `country`, `month(at)`, `bucket(16, id)`.

    Raises:
        ValueError: It is none of these; says what would be.
    """
    match = _PARTITION.match(text)
    if match is None:
        if text.count("(") > text.count(")"):
            message = f'"{text}" is cut at the comma, which ends an entry; put it in quotes: "{text.strip()}, COLUMN)"'
            raise ValueError(message)
        message = f'"{text}" is nothing to lay files out by; {_FORMS}'
        raise ValueError(message)
    if match["kind"] is None:
        return Transform(IDENTITY, _unquoted(match["column"]))
    transform = Transform(match["kind"], _unquoted(match["inner"]), int(match["size"]) if match["size"] else None)
    _assert_known(transform)
    return transform


def _unquoted(name: str) -> str:
    name = name.strip()
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _assert_known(transform: Transform) -> None:
    kind, column, size = transform.kind, transform.column, transform.size
    if kind not in {*TIMES, *SIZED}:
        known = ", ".join([*TIMES, *SIZED])
        message = f'unknown transform "{kind}"{did_you_mean(kind, [*TIMES, *SIZED]) or f"; there are {known}"}'
        raise ValueError(message)
    if kind in SIZED and size is None:
        message = f'{kind} needs a number before the column: "{kind}(16, {column})"'
        raise ValueError(message)
    if kind in TIMES and size is not None:
        message = f'{kind} takes a column alone: "{kind}({column})"'
        raise ValueError(message)
    if size is not None and not 1 <= size <= LARGEST:
        message = f"the number of {kind} is from 1 to {LARGEST:,}, found {size}"
        raise ValueError(message)


def _sound(text: str) -> str:
    parse_transform(text)
    return text


def assert_distinct(texts: Sequence[str]) -> None:
    """Make sure that no two entries say the same, and none two times of one column, of which one follows.

    Raises:
        ValueError: Two do.
    """
    seen: dict[tuple[str, ...], int] = {}
    for at, text in enumerate(texts):
        transform = parse_transform(text)
        said = "a time" if transform.kind in TIMES else transform.iceberg
        first = seen.setdefault((said, transform.column.lower()), at)
        if first != at:
            rule = "one time of a column is enough" if said == "a time" else "an entry stands once"
            message = f'"{text}" stands beside "{texts[first]}"; {rule}'
            raise ValueError(message)


Partition = Annotated[str, AfterValidator(_sound), Field(min_length=1)]
