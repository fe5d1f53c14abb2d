"""Keys of files in a zone: which there can be, which listings leave out, and which a pattern means."""

from __future__ import annotations

import re
from functools import lru_cache

from penstock.errors import BadFileError

UNFINISHED = (".tmp", ".part", ".crdownload", ".swp", "~")
HIDDEN = (".", "_")
_WILD = re.compile(r"[*?\[]")


def parts_of(key: str) -> list[str]:
    """The folders and the name that a key is made of.

    Raises:
        BadFileError: The key leads out of its zone, or says one place in several ways.
    """
    if not is_possible(key):
        message = "the name leads out of its zone"
        raise BadFileError(message, where=repr(key))
    return key.split("/")


def is_possible(key: str) -> bool:
    """Whether a file of a zone can have this key."""
    return bool(key) and "\0" not in key and not any(part in {"", ".", ".."} for part in key.split("/"))


def is_listed(key: str) -> bool:
    """Whether listings show the file of a key: neither it nor a folder above is hidden, and its name is finished."""
    *folders, name = key.split("/")
    return not any(folder.startswith(HIDDEN) for folder in folders) and not is_unfinished(name)


def is_unfinished(name: str) -> bool:
    """Whether a file's name says that it is hidden, or not finished."""
    return name.startswith(HIDDEN) or name.lower().endswith(UNFINISHED)


def matches(pattern: str, key: str) -> bool:
    """Whether a key is one of those that a glob means."""
    return glob(pattern).match(key) is not None


def beginning_of(pattern: str) -> str:
    """What every key begins with that a glob means."""
    return _WILD.split(pattern, maxsplit=1)[0]


@lru_cache(maxsize=256)
def glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob: `*` and `?` stay within a folder, `**/` crosses any number of folders, `[...]` is a class."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif char == "*":
            out, at = out + "[^/]*", at + 1
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[" and (end := pattern.find("]", at + 2)) > 0:
            body = pattern[at + 1 : end].replace("\\", "\\\\")
            body = f"^{body[1:]}" if body.startswith("!") else body
            out, at = f"{out}[{body}]", end + 1
        else:
            out, at = out + re.escape(char), at + 1
    return re.compile(rf"(?s:{out})\Z")
