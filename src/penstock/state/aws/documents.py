"""Documents, and the items of DynamoDB that they are kept in.

A document is a dictionary of plain values. Its item has the keys, the number of its revision (`rev`), the name of the
write that made it (`by`), when it may be forgotten (`expires`), and the document as JSON: as text, or compressed where
that is large. Every write of a document says which revision it replaces, so nothing that somebody else wrote meanwhile
is ever overwritten; the name of the write tells a write that has landed, though its answer was lost, from another's.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from penstock.errors import StateError
from penstock.state.aws.layout import EXPIRES, PARTITION, SORT, Key

REV, BY, TEXT, PACKED = "rev", "by", "doc", "packed"
PACKED_FROM = 4_000
"""From how many characters on a document is compressed."""
ITEM_BYTES = 380_000
"""DynamoDB takes 400 KB in an item, names and keys included."""

Doc = dict[str, Any]
Item = dict[str, dict[str, Any]]


class TooLargeError(StateError):
    """A document does not fit into an item."""


@dataclass(frozen=True)
class Found:
    """A document as it was read; revision 0 and no document where there is none."""

    rev: int
    doc: Doc | None
    by: str = ""


NOTHING = Found(0, None)


def key_attributes(key: Key) -> Item:
    """A key as DynamoDB takes it."""
    return {PARTITION: {"S": key[0]}, SORT: {"S": key[1]}}


def key_of(item: Item) -> Key:
    """The key of an item."""
    return item[PARTITION]["S"], item[SORT]["S"]


def item_of(key: Key, doc: Doc, rev: int, by: str, expires: float | None) -> Item:
    """A document as it is kept.

    Raises:
        TooLargeError: It does not fit into an item.
    """
    text = json.dumps(doc, separators=(",", ":"))
    item = {**key_attributes(key), REV: {"N": str(rev)}, BY: {"S": by}}
    if len(text) < PACKED_FROM:
        item[TEXT] = {"S": text}
    else:
        packed = zlib.compress(text.encode())
        if len(packed) > ITEM_BYTES:
            where = "/".join(key)
            raise TooLargeError(f"{len(packed):,} bytes do not fit into an item of DynamoDB", where=where)
        item[PACKED] = {"B": packed}
    if expires is not None:
        item[EXPIRES] = {"N": str(int(expires))}
    return item


def found_in(item: Item | None) -> Found:
    """The document of an item; items that are only counted with have no document."""
    if not item:
        return NOTHING
    rev, by = int(item.get(REV, {}).get("N", 0)), item.get(BY, {}).get("S", "")
    if TEXT in item:
        return Found(rev, json.loads(item[TEXT]["S"]), by)
    if PACKED in item:
        return Found(rev, json.loads(zlib.decompress(item[PACKED]["B"])), by)
    skipped = {PARTITION, SORT, REV, BY, EXPIRES}
    return Found(rev, {name: _plain(value) for name, value in item.items() if name not in skipped}, by)


def size_of(item: Item) -> int:
    """About how many bytes an item counts."""
    return sum(len(name) + sum(len(part) for part in value.values()) for name, value in item.items())


def _plain(value: dict[str, Any]) -> Any:
    return int(value["N"]) if "N" in value else value.get("S")
