"""Templates: a person's own words around what is known, and nothing that could be executed.

`{name}` stands for what is known by that name, `{{` and `}}` for braces. A first line `Subject: ...` is the subject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from penstock.errors import NoticeError
from penstock.naming import did_you_mean

NAMES = (*("lake", "notice", "subject", "body", "count", "events", "tables", "listed", "reasons", "first", "last"),)
LARGEST = 100_000
SUBJECT = "Subject:"
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")


@dataclass(frozen=True)
class Template:
    """A template that is sound."""

    text: str

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Give the subject, empty when the template has none, and the text."""
        head, _, rest = self.text.partition("\n")
        subject = head.removeprefix(SUBJECT).strip() if head.startswith(SUBJECT) else ""
        body = rest.lstrip("\n") if head.startswith(SUBJECT) else self.text
        return _filled(subject, values), _filled(body, values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: found[0][0] if found[1] is None else values[found[1]], text)


def read_template(folder: Path, name: str) -> Template:
    """Read a template of the lake in `folder`.

    Raises:
        NoticeError: There is none, it is no text, or it names what is not known.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise NoticeError("a template is a file in the lake's folder, without ..", where=name)
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        hint = "make the file, or leave template out for Penstock's own words"
        raise NoticeError(f"the template cannot be read: {error.strerror}", where=name, hint=hint) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoticeError(f"is not UTF-8 text (byte {error.start})", where=name, hint="save it as UTF-8") from None
    if len(content) > LARGEST:
        raise NoticeError(f"has {len(content):,} bytes; a template has at most {LARGEST:,}", where=name)
    _assert_sound(text, name)
    return Template(text)


def _assert_sound(text: str, name: str) -> None:
    for found in _PLACE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        where = f"{name}:{line}:{column}"
        if found[0] in {"{", "}"}:
            raise NoticeError(f"a single {found[0]}; write {found[0] * 2} for the character itself", where=where)
        if found[1] is not None and found[1] not in NAMES:
            near = did_you_mean(found[1], NAMES) or f"; known: {', '.join(NAMES)}"
            raise NoticeError(f'nothing is called "{found[1]}"{near}', where=where)
