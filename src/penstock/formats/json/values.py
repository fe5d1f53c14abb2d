"""JSON values: parsed without losing a digit, and what no row can be made of."""

from __future__ import annotations

import json
import re
from typing import Any

from penstock.formats.csv.dialect import RESERVED

MAX_DEPTH = 50
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_SHAPES = 10_000
_SHOWN = 60
_LONE = re.compile(r"\\u[dD][89a-fA-F]")
_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class Literal(str):
    """A number with a point or an exponent, as it stands in the file."""

    __slots__ = ()


def words(value: Any) -> str:
    """What kind of value it is, for people."""
    return _WORDS.get(type(value), "a number")


class Parser:
    """Parses one value after the other, and says what is wrong with the last one."""

    def __init__(self) -> None:
        """Start without a problem."""
        self._problem: str | None = None
        self._shapes: set[tuple[str, ...]] = set()
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=Literal, parse_constant=self._constant, strict=True
        )
        self._decode = decoder.raw_decode

    def parse(self, text: str, at: int) -> tuple[Any, int]:
        """The value at a position, and where it ends. Raises what `json` raises."""
        self._problem = None
        return self._decode(text, at)

    def problem(self, value: Any, raw: str) -> str | None:
        """Why the value that was parsed last, with the text `raw`, cannot be a row."""
        if type(value) is not dict:
            return f"expected an object, found {words(value)}"
        return self._problem or _text_problem(value, raw) or _reserved_key(value)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        shape = tuple(made)
        if len(made) != len(pairs) or shape not in self._shapes:
            problem = _key_problem([key for key, _ in pairs])
            self._problem = self._problem or problem
            if problem is None:
                if len(self._shapes) >= _SHAPES:
                    self._shapes.clear()
                self._shapes.add(shape)
        return made

    def _constant(self, name: str) -> None:
        self._problem = self._problem or f"{name} is no value of JSON"


def _text_problem(value: dict[str, Any], raw: str) -> str | None:
    if raw.count("{") + raw.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        return TOO_DEEP
    if not raw.isascii() and (odd := next((char for char in raw if "\udc80" <= char <= "\udcff"), None)):
        return f"byte 0x{ord(odd) - 0xDC00:02x} is not UTF-8"
    if "\\u" in raw and _LONE.search(raw) and not _is_text(value):
        return "half of a surrogate pair, which is no character"
    return None


def _reserved_key(value: dict[str, Any]) -> str | None:
    reserved = next((key for key in value if key[:1] == "_" and key.lower().startswith(RESERVED)), None)
    if reserved is None:
        return None
    return f'the key "{reserved}" is taken by the system: keys must not start with {RESERVED}'


def _key_problem(keys: list[str]) -> str | None:
    seen: dict[str, str] = {}
    for key in keys:
        if not key:
            return "a key is empty"
        if "\0" in key:
            return f"the key {compact(key)} holds a NUL character"
        other = seen.setdefault(key.lower(), key)
        if other != key:
            return f'the keys "{other}" and "{key}" differ only by case'
    if len(seen) != len(keys):
        return f'the key "{next(key for key in keys if keys.count(key) > 1)}" stands twice in one object'
    return None


def _is_text(value: Any) -> bool:
    """Whether all of a value's texts can be written as UTF-8."""
    try:
        compact(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        inside = (there.values() if type(there) is dict else there for there in level)
        level = [below for values in inside for below in values if isinstance(below, (dict, list))]
    return depth


def compact(value: Any) -> str:
    """A value as JSON without blanks; numbers as they stand in the file."""
    match value:
        case Literal():
            return str(value)
        case dict():
            return f"{{{','.join(f'{compact(key)}:{compact(below)}' for key, below in value.items())}}}"
        case list():
            return f"[{','.join(map(compact, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """A value for people: short."""
    text = compact(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
