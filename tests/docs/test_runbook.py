"""The runbook is complete: every alarm and every error code says what it means, where to look, and what to do."""

from __future__ import annotations

import inspect
import re

from penstock import errors
from penstock.arrivals.failure import code_of
from penstock.declaration.alarms import KINDS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "runbook.md"
PARTS = ("Means", "Look at", "Do")


def sections() -> dict[str, dict[str, str]]:
    """What stands below each heading, by the name that the heading gives: its parts."""
    found = {}
    for part in re.split(r"^### `", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, text = part.split("`", 1)
        text = text.split("\n## ")[0]
        found[name] = dict(re.findall(r"\*\*([^*]+):\*\*\s+((?:.|\n)+?)(?=\n\n\*\*|\Z)", text))
    return found


def test_every_alarm_and_every_error_has_a_section() -> None:
    """Each kind of alarm, each code of an error class, and each code of other failures; and nothing else has one."""
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    codes = {kind.code for kind in classes if issubclass(kind, errors.PenstockError)}
    others = {code_of(error) for error in (ValueError(), MemoryError(), OSError(), RuntimeError())}
    assert others == {"internal", "memory", "system", "engine"}
    wanted = {*KINDS, *codes, *others}
    assert len(wanted) > 30
    assert sections().keys() == wanted


def test_every_section_says_what_to_do() -> None:
    """What it means, where to look and what to do, a sentence at least each, in this order."""
    for name, parts in sections().items():
        assert tuple(parts) == PARTS, name
        for part, text in parts.items():
            assert len(text.strip()) > 7, f"{name}: {part}"
            assert text.strip()[-1] in ".:", f"{name}: {part}"


def test_no_two_sections_have_one_name() -> None:
    """Links lead to one place."""
    names = re.findall(r"^### `([^`]+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(names) == len(set(names))
