"""The documentation's pages, cut into the parts that tests look at."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = "<!-- Written by scripts/reference.py"

_FENCE = re.compile(r'^(?P<indent> *)```(?P<language>[a-z]*)(?: title="(?P<title>[^"]*)")?\s*$')
_EXIT = re.compile(r"^\s*<!-- exit: (\d+) -->\s*$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_HEADING = re.compile(r"^#{1,6} (.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page it stands on.
        line: Line of its opening fence, from 1.
        language: The word after the fence.
        title: Its title, such as a file's name; empty when it has none.
        exit: The exit code that its last command must have.
        follows: Whether nothing but empty lines stands between it and the block before.
        text: What stands between the fences, with a line end after every line.
    """

    page: Path
    line: int
    language: str
    title: str
    exit: int
    follows: bool
    text: str

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """The page's path as people write it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    code, follows = 0, False
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if mark := _EXIT.match(line):
            code = int(mark[1])
        elif opening := _FENCE.match(line):
            text = "".join(f"{inner}\n" for inner in _until_fence(lines, len(opening["indent"])))
            language, title = opening["language"], opening["title"] or ""
            found.append(Block(page, number, language, title, code, follows, text))
            code, follows = 0, True
        elif line.strip():
            follows = False
    return found


def _until_fence(lines: Iterator[tuple[int, str]], indent: int) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == "```":
            return
        yield line[indent:]


def prose(page: Path) -> list[tuple[int, str]]:
    """Lines outside fenced blocks, with their numbers."""
    inside, found = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            found.append((number, line))
    return found


def links(page: Path) -> list[tuple[int, str]]:
    """Targets of a page's links, with their lines."""
    return [
        (number, target)
        for number, line in prose(page)
        for target in _LINK.findall(_CODE.sub(lambda code: "x" * len(code[0]), line))
    ]


def anchors(page: Path) -> set[str]:
    """Names under which the page's headings can be linked to."""
    headings = [match[1] for _, line in prose(page) if (match := _HEADING.match(line))]
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@dataclass
class Example:
    """One example of a page that shows what becomes of a file: the titles of its blocks, and what stands in them."""

    line: int
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Name of the table that is made for it."""
        return f"line_{self.line}"


def examples(page: Path, first: str, parts: Collection[str]) -> list[Example]:
    """The examples of a page: each begins with the block that has the title `first`, and has some of `parts`."""
    found: list[Example] = []
    for block in blocks(page):
        if block.title == first:
            found.append(Example(block.line))
        if block.title in parts:
            found[-1].parts[block.title] = block.text
    return found
