"""YAML with positions: a document becomes plain values plus the place of every key and value.

PyYAML's `compose` (C loader where it is built in) gives nodes with marks. Scalars follow YAML 1.2's core rules: `no`,
`on` and `02:00` are text, only `true` and `false` are booleans. A key that stands twice is an error, and so is a text
in parentheses that YAML cuts at its comma, as in `{price: round(x, 2)}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from penstock.errors import Problem
from penstock.redaction import register, register_login

Path = tuple[str | int, ...]
Place = tuple[int, int]
StandIn = Callable[[Path, str, str], str | None]
"""Gives what stands in for a variable: for the path and text of its value, and its name; None for the environment's."""

_NULL = re.compile(r"^(?:null|Null|NULL|~|)$")
_TRUE = re.compile(r"^(?:true|True|TRUE)$")
_FALSE = re.compile(r"^(?:false|False|FALSE)$")
_INTEGER = re.compile(r"^[-+]?[0-9]+$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHOWN = frozenset({"lake", "description", "zones", "tags", "tables", "alarms", "upkeep", "up", "intake", "retry"})
"""Parts of a declaration that hold no secrets, but for a salt: what the environment gives there is shown."""
LONGEST_NUMBER = 100
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Document:
    """A parsed document.

    Attributes:
        file: Path as the user would write it.
        value: Plain values: dict, list, str, int, float, bool, None.
        keys: Path to the place (line, column, from 1) of the key that leads there.
        values: Path to the place of the value.
        problems: What is wrong in the document itself.
        variables: Path of each value that takes something from the environment, and the variable's name.
        stood_in: Those of them that got something else in its place.
    """

    file: str
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    variables: list[tuple[Path, str]] = field(default_factory=list)
    stood_in: list[tuple[Path, str]] = field(default_factory=list)

    def problem(self, path: Path, text: str, *, at_key: bool = False) -> Problem:
        """Describe a problem at `path`, or at the nearest known place above it."""
        places = (self.keys, self.values) if at_key else (self.values, self.keys)
        above = path
        while above and not any(above in known for known in places):
            above = above[:-1]
        line, column = next((known[above] for known in places if above in known), (1, 1))
        return Problem(self.file, line, column, dotted(path), text)


def dotted(path: Path) -> str:
    """Write a path as people do: `tables.orders.steps[2].parse`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse(text: str, file: str, environment: Mapping[str, str], stand_in: StandIn | None = None) -> Document:
    """Read YAML text; problems of the text itself stand in the document's `problems`.

    `${NAME}` in a value is taken from `environment`, unless something stands in for it; `$${NAME}` stands for itself.
    """
    document = Document(file)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(file, error))
        return document
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem(file, line, 1, "", f"a character that YAML does not allow: {error.reason}"))
        return document
    try:
        document.value = _Builder(document, environment, stand_in).build(node, ()) if node is not None else None
    except RecursionError:
        document.problems.append(Problem(file, 1, 1, "", "is nested too deeply, or an anchor holds itself"))
    return document


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = error.problem or error.context or "cannot be read"
    hint = "; indent with spaces, not tabs" if "\\t" in repr(reason) else ""
    hint = hint or ("; between { and } put texts with quotes or braces in quotes" if "or '}'" in reason else "")
    return Problem(file, line, column, "", f"not valid YAML: {reason}{hint}")


class _Builder:
    """Turns nodes into values and notes places on the way."""

    def __init__(self, document: Document, environment: Mapping[str, str], stand_in: StandIn | None) -> None:
        self._document = document
        self._environment = environment
        self._stand_in = stand_in

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._document.values[path] = _place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node, cut in _entries(node):
            place = _place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(place, path, "a key must be plain text")
                continue
            key = key_node.value
            if key in result:
                first = self._document.keys[(*path, key)][0]
                self._report(place, (*path, key), f'the key "{key}" stands twice; the first is at line {first}')
                continue
            self._document.keys[(*path, key)] = place
            result[key] = cut or self.build(value_node, (*path, key))
            if cut:
                self._document.values[(*path, key)] = place = _place(value_node)
                quoted = f"'{cut}'" if '"' in cut else f'"{cut}"'
                text = f"is cut at the comma, which ends an entry between {{ and }}; put it in quotes: {quoted}"
                self._report(place, (*path, key), text)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        if getattr(node, "style", None):  # quoted or block style: always text
            return self._substituted(text, path)
        if _NULL.match(text):
            return None
        if _TRUE.match(text) or _FALSE.match(text):
            return bool(_TRUE.match(text))
        if _INTEGER.match(text) and len(text) <= LONGEST_NUMBER:
            return int(text)
        if _FLOAT.match(text):
            return float(text)
        return self._substituted(text, path)

    def _substituted(self, text: str, path: Path) -> str:
        if "${" in text:
            text = self._filled(text, path)
        if "://" in text:
            register_login(text)
        return text

    def _filled(self, text: str, path: Path) -> str:
        def replace(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return "${" + name + "}"
            self._document.variables.append((path, name))
            if self._stand_in is not None and (instead := self._stand_in(path, text, name)) is not None:
                self._document.stood_in.append((path, name))
                return instead
            if name not in self._environment:
                self._report(
                    self._document.values[path],
                    path,
                    f"the environment variable {name} is not set; set it, or write $${{{name}}} for the text itself",
                )
                return ""
            if _may_be_secret(path):
                register(self._environment[name])
            return self._environment[name]

        return _VARIABLE.sub(replace, text)

    def _report(self, place: Place, path: Path, text: str) -> None:
        self._document.problems.append(Problem(self._document.file, *place, dotted(path), text))


def _may_be_secret(path: Path) -> bool:
    """Whether what the environment gives here is hidden wherever it turns up."""
    return path[:1] == () or path[0] not in _SHOWN or path[-1] == "salt"


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _entries(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node, str]]:
    """The entries of a mapping; those into which YAML cut one text in parentheses are one, with the whole text."""
    entries = list(node.value)
    while entries:
        key, value = entries.pop(0)
        text, parts = str(value.value), 0
        if node.flow_style and _is_plain(value):
            while _is_open(text) and parts < len(entries) and _is_rest(*entries[parts]):
                text, parts = f"{text}, {entries[parts][0].value}", parts + 1
        if parts and not _is_open(text):
            del entries[:parts]
            yield key, value, text
        else:
            yield key, value, ""


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def _is_rest(key: yaml.Node, value: yaml.Node) -> bool:
    """Whether an entry is only a key, without a colon."""
    return _is_plain(key) and value.value == "" and value.start_mark.index == key.end_mark.index
