"""JSON text: the records of a file with their places.

A file is a list of objects, one object, or objects one after the other, one a line or not; its first bytes tell. A
damaged record is set aside, and reading goes on where the next one starts, wherever that can be told: at the next
line; in a list at the next line that is indented like the damaged object's first one and follows a comma, or where
the damaged object's own brackets close. Elsewhere the file is refused with line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import BadFileError
from penstock.formats.json.values import TOO_DEEP
from penstock.formats.json.window import LIMIT, TOO_MANY_DIGITS, Fault, Window, faulty
from penstock.formats.spill import Place
from penstock.naming import did_you_mean

SHOWN = 1 << 16
"""How many characters of a record that is too long are kept with it in quarantine."""
_SAMPLE_LINES = 1000
_NEXT_ELEMENT = re.compile(r"(?:,[ \t\r]*\n(?:[ \t\r]*\n)*([ \t]*)|\n([ \t]*),[ \t]*)(?=\{)|\n([ \t]*)(?=\])")
_NEXT_OBJECT = re.compile(r"\}[ \t\r]*\n(?:[ \t\r]*\n)*(?=\{)")
_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|["{}\[\],]')


class Found(NamedTuple):
    """A record: its place and text, and its object.

    Attributes:
        place: Where it stands.
        raw: Its text.
        value: Its keys and values; none of a damaged record.
        damage: What is wrong with a record that cannot be a row.
        warning: What people should know of a record that can.
    """

    place: Place
    raw: str
    value: dict[str, Any]
    damage: str | None = None
    warning: str | None = None


class Records:
    """The records of one file, once."""

    def __init__(self, file: BinaryIO, records: str | None) -> None:
        """Read from the start of `file`; the list of records stands under the keys `records`, joined by dots."""
        self.notes: list[str] = []
        self._window = Window(file)
        self._path = records.split(".") if records else []

    def __iter__(self) -> Iterator[Found]:
        """Every record and every damaged one, in file order."""
        first = self._window.next_char()
        if not first:
            raise BadFileError("the file is empty", hint="a JSON file holds at least `[]`; deliver the file again")
        if self._path:
            yield from self._below(self._path, 0)
            self._assert_end("object")
        elif first == "[":
            yield from self._list()
            self._assert_end("list")
        elif self._looks_like_lines():
            yield from self._lines()
        elif first == "{":
            yield from self._objects()
        else:
            raise BadFileError(
                f"{self._window.where(self._window.at)}: expected a list or an object, found {first}",
                hint="a JSON file holds a list of objects, or one object a line",
            )

    # --- One value

    def _found(self, value: Any, end: int) -> Found:
        window = self._window
        raw = window.text[window.at : end]
        place = Place(*window.place(window.at), window.size(raw))
        window.at = end
        damage = window.parser.problem(value, raw)
        return Found(place, raw, {} if damage else value, damage)

    def _damaged(self, end: int, damage: str) -> Found:
        window = self._window
        raw = window.text[window.at : end].rstrip(" \t\r\n")
        place = Place(*window.place(window.at), window.size(raw))
        window.at = end
        return Found(place, raw, {}, damage)

    def _refused(self, fault: Fault, what: str) -> BadFileError:
        return BadFileError(
            f"{self._window.where(fault.at)}: {fault.what}; where the next {what} starts cannot be told",
            hint="correct the file and deliver it again",
        )

    # --- Objects one a line

    def _looks_like_lines(self) -> bool:
        window = self._window
        lines = [line.rstrip() for line in window.text[window.at :].split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]]
        if not window.ended:
            lines.pop()  # the window may end within it
        lines = [line for line in lines if line]
        return sum(line[0] == "{" and line[-1] == "}" for line in lines) * 2 > len(lines)

    def _lines(self) -> Iterator[Found]:
        window = self._window
        while window.next_char():
            window.slide()
            end = self._line_end()
            if end is None:
                yield self._too_long()
            else:
                yield from self._one_line(end)

    def _line_end(self) -> int | None:
        """Where the present line ends; None when it is too long."""
        window = self._window
        at = window.at
        while (end := window.text.find("\n", at)) < 0:
            at = len(window.text)
            if at - window.at > LIMIT:
                return None
            if not window.more():
                return len(window.text)
        return end if end - window.at <= LIMIT else None

    def _one_line(self, end: int) -> Iterator[Found]:
        """The record of a line, or several that stand one after the other."""
        window = self._window
        line = window.text[window.at : end].rstrip(" \t\r")
        stops: list[int] = []
        at = 0
        try:
            while at < len(line):
                value, at = window.parser.parse(line, at)
                stops.append(at)
                at += len(line[at:]) - len(line[at:].lstrip(" \t\r"))
        except json.JSONDecodeError as error:
            fault = faulty(error)
            yield self._damaged(end, f"column {window.column(window.at + fault.at)}: {fault.what}")
        except RecursionError:
            yield self._damaged(end, TOO_DEEP)
        except ValueError:
            yield self._damaged(end, TOO_MANY_DIGITS)
        else:
            if len(stops) == 1:
                yield self._found(value, window.at + stops[0])
            else:
                yield from self._several(end, [window.at + stop for stop in stops])
        window.at = end

    def _several(self, end: int, stops: list[int]) -> Iterator[Found]:
        """The records of a line that holds more than one; objects only, else the line is damaged."""
        window = self._window
        starts = [window.at, *(window.after_blanks(stop) for stop in stops[:-1])]
        if any(window.text[start] != "{" for start in starts):
            yield self._damaged(end, f"column {window.column(starts[1])}: more text after the end of the record")
            return
        for start in starts:
            window.at = start
            value, stop = window.parser.parse(window.text, start)
            yield self._found(value, stop)

    def _too_long(self) -> Found:
        """Pass over a line that is too long, keeping its start."""
        window = self._window
        line, offset = window.place(window.at)
        raw = window.text[window.at : window.at + SHOWN]
        length = 0
        while (end := window.text.find("\n", window.at)) < 0:
            length += window.size(window.text[window.at :])
            window.forget(len(window.text))
            if not window.more():
                break
        end = len(window.text) if end < 0 else end
        length += window.size(window.text[window.at : end])
        window.at = end
        damage = f"longer than {LIMIT:,} characters; the first {SHOWN:,} are kept here"
        return Found(Place(line, offset, length), raw, {}, damage)

    # --- Objects one after the other

    def _objects(self) -> Iterator[Found]:
        window = self._window
        while window.next_char():
            window.slide()
            found = window.value()
            if not isinstance(found, Fault):
                yield self._found(*found)
                continue
            damage = f"{window.where(found.at)}: {found.what}"
            following = next(window.find(_NEXT_OBJECT), None)
            if following is None and not window.ended:
                raise self._refused(found, "object")
            yield self._damaged(following.end() if following else len(window.text), damage)

    # --- A list of objects

    def _list(self) -> Iterator[Found]:
        """The elements of the list at the present position."""
        window = self._window
        start = window.where(window.at)
        window.at += 1
        char = window.next_char()
        if not char:
            raise BadFileError(f"{start}: the list does not end: the file is cut off", hint="deliver it again, whole")
        while char and char != "]":
            window.slide()
            found = self._element()
            char = window.next_char()
            here = window.where(window.at)
            warning = None
            if char == ",":
                window.at += 1
                char = window.next_char()
                warning = f"{here}: a comma before the end of the list" if char == "]" else None
            elif char == "{":
                warning = f"{here}: a comma is missing before the next object"
            if not char:
                warning = f"{here}: the list does not end: the file may be cut off"
            yield found if found.damage else found._replace(warning=warning)
        window.at += 1

    def _element(self) -> Found:
        window = self._window
        found = window.value()
        if isinstance(found, Fault):
            return self._damaged_element(found)
        value, end = found
        after = window.after_blanks(end)
        while after == len(window.text) and window.more():
            after = window.after_blanks(after)
        if window.text[after : after + 1] in {"", ",", "]", "{"}:
            return self._found(value, end)
        return self._damaged_element(Fault(after, "expecting ',' delimiter"))

    def _damaged_element(self, fault: Fault) -> Found:
        window = self._window
        damage = f"{window.where(fault.at)}: {fault.what}"
        before = window.text[window.text.rfind("\n", 0, window.at) + 1 : window.at]
        end = self._next_line(before) if not before.strip(" \t[,") else None
        if end is None:
            end = self._closing()
        if end is not None:
            return self._damaged(end, damage)
        while not window.ended and len(window.text) - window.at <= LIMIT:
            window.more()
        if fault.at < len(window.text.rstrip()) and not fault.what.startswith("unterminated"):
            raise self._refused(fault, "object")
        if not window.ended:
            raise self._refused(fault, "object")
        return self._damaged(len(window.text), f"{damage}; the file ends within this record")

    def _next_line(self, before: str) -> int | None:
        """Where a damaged element ends that starts its line, by the layout of the lines that follow."""
        indent = len(before)
        for match in self._window.find(_NEXT_ELEMENT):
            deep = len(next(group for group in match.groups() if group is not None))
            if match[3] is not None:
                if deep < indent or not self._window.text[match.end() + 1 :].strip():
                    return match.start()
            elif deep == indent or (deep < indent and (match[1] is None or "[" in before)):
                return match.start()
        return None

    def _closing(self) -> int | None:
        """Where the brackets that a damaged element opens are closed, if a comma or the list's end follows."""
        window = self._window
        expected: list[str] = []
        at = window.at
        while True:
            match = _PIECE.search(window.text, at)
            piece = match[0] if match else ""
            if not window.ended and (match is None or (piece == '"' and "\n" not in window.text[match.start() :])):
                if len(window.text) - window.at > LIMIT:
                    return None
                window.more()
            elif match is None or piece == '"':
                return None
            elif not expected and piece in {",", "]"}:
                return match.start()
            elif piece in "}]" and (not expected or expected.pop() != piece):
                return None
            else:
                expected += {"{": "}", "[": "]"}.get(piece, "")
                at = match.end()

    # --- A list within an object

    def _below(self, path: list[str], depth: int) -> Iterator[Found]:
        """The elements of the list that stands under the rest of the path."""
        window = self._window
        char, here = window.next_char(), ".".join(path[:depth]) or "the file"
        if char != ("[" if depth == len(path) else "{"):
            wanted = "a list" if depth == len(path) else "an object"
            raise BadFileError(
                f"{window.where(window.at)}: {here} is not {wanted}, but `records: {'.'.join(path)}` is declared",
                hint="declare the keys that lead to the list of records",
            )
        if depth == len(path):
            yield from self._list()
            return
        seen: list[str] = []
        window.at += 1
        while (char := window.next_char()) != "}":
            key = self._key(seen, char)
            if key == path[depth]:
                yield from self._below(path, depth + 1)
            else:
                self._pass_over()
        window.at += 1
        self._assert_there(path[depth], seen, here)
        if len(seen) > 1:
            beside = ", ".join(f'"{key}"' for key in seen if key != path[depth])
            self.notes.append(f'beside "{".".join(path[: depth + 1])}" there is {beside}, which is not read')

    def _key(self, seen: list[str], char: str) -> str:
        """The next key of an object, up to its value."""
        window = self._window
        if seen and char == ",":
            window.at += 1
            char = window.next_char()
        elif seen:
            raise self._broken("expecting ',' delimiter")
        if char != '"':
            raise self._broken("expecting a key in double quotes")
        key = str(self._skipped())
        if key in seen:
            raise self._broken(f'the key "{key}" stands twice in one object')
        seen.append(key)
        if window.next_char() != ":":
            raise self._broken("expecting ':' delimiter")
        window.at += 1
        return key

    def _pass_over(self) -> None:
        self._window.next_char()
        self._skipped()
        self._window.slide()

    def _skipped(self) -> Any:
        found = self._window.value()
        if isinstance(found, Fault):
            raise self._refused(found, "record")
        value, self._window.at = found
        return value

    def _broken(self, what: str) -> BadFileError:
        return self._refused(Fault(self._window.at, what), "record")

    def _assert_there(self, key: str, seen: list[str], here: str) -> None:
        if key not in seen:
            others = did_you_mean(key, seen) or (f"; there are {', '.join(seen)}" if seen else "")
            raise BadFileError(
                f'{here} has no key "{key}"{others}',
                hint=f"`records: {'.'.join(self._path)}` is declared: the keys that lead to the list of records",
            )

    def _assert_end(self, what: str) -> None:
        if self._window.next_char():
            raise BadFileError(
                f"{self._window.where(self._window.at)}: more text after the end of the {what}",
                hint="one file holds one list, one object, or one object a line",
            )
