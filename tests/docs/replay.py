"""Doing what a page says: its files are written, its commands and programs run, its outputs compared.

Blocks that are replayed, in the order of the page and in one temporary folder:

- `console`: lines after `$ ` are commands, the lines below them their output; `…` alone on a line stands for any
  lines; `<!-- exit: 1 -->` above the block is the exit code of its last command;
- `python`: one program per page, block after block; a `text` block right below is what the block prints;
- any block whose title is a file's name: the file is written.

`python -m tests.docs.replay PAGE...` writes the real outputs into pages, to be read before they are committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from tests.docs.pages import Block, blocks

ANYTHING = "…"
TIMEOUT = 60
_CHANGING = (
    (re.compile(r"\b\d{8}T\d{6}-[0-9a-f]{8}\b"), "RUN"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00| UTC)?"), "TIME"),
    (re.compile(r"(?<=-g0-)[0-9a-f]{8}\b"), "ATTEMPT"),
    (re.compile(r"\b\d{17,20}\b"), "SNAPSHOT"),
    (re.compile(r"(?<=_ms\": )\d+"), "DURATION"),
    (re.compile(r"(?<=bytes_out\": )\d+"), "SIZE"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|seconds?|minutes?)\b(?: ago)?|\bjust now\b"), "DURATION"),
    (re.compile(r"\b[\d.,]+ (?:B|[kKM]i?B|bytes)\b"), "SIZE"),
    (re.compile(r"[━─-]{3,}"), "---"),
    (re.compile(r" +"), " "),
)


@dataclass
class Replay:
    """A page on its way: where it is, what its programs know, and what was printed."""

    root: Path
    folder: Path
    names: dict[str, Any] = field(default_factory=dict)

    def play(self, block: Block) -> str | None:
        """Do what a block says; gives what it should look like, None where there is nothing to compare."""
        if block.title and ("." in block.title or "/" in block.title):
            target = self.folder / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            return self._console(block)
        elif block.language == "python":
            self._python(block)
        return None

    def _console(self, block: Block) -> str:
        played, codes = "", [0]
        for command in _commands(block.text):
            played += f"$ {command}\n"
            if command.startswith("cd "):
                self.folder = (self.folder / command[3:].strip()).resolve()
                assert self.folder.is_dir(), f"{block.place}: no folder {command[3:]}"
                continue
            done = subprocess.run(
                ["bash", "-c", command.replace("\n> ", "\n")],
                cwd=self.folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
            codes.append(done.returncode)
            played += self._shown(done.stdout)
        assert codes[-1] == block.exit, f"{block.place}: exit code {codes[-1]}, not {block.exit}\n{played}"
        assert not any(codes[:-1]), f"{block.place}: a command before the last one failed\n{played}"
        return played

    def _python(self, block: Block) -> None:
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(compile(block.text, block.place, "exec"), self.names)  # noqa: S102 - the page is the program
        self.names["_printed"] = self._shown(printed.getvalue())

    def _shown(self, output: str) -> str:
        text = output.replace(f"{self.folder}/", "").replace(str(self.folder), ".").replace(str(self.root), "..")
        return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def environment() -> dict[str, str]:
    """What commands of a page find around them: this Python's commands first, and none of the product's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK", "PYTHON"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    unbuffered = "1"  # so that standard output and standard error come in the order in which they were written
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": unbuffered, "COLUMNS": "110", "LC_ALL": "C.UTF-8"}


def _commands(text: str) -> list[str]:
    """The block's commands, each with its continued lines."""
    found: list[str] = []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("$ "):
            continued = takewhile(lambda following: following.startswith("> "), lines[at + 1 :])
            found.append("\n".join([line[2:], *continued]))
    return found


def replay(page: Path, root: Path) -> list[tuple[Block, str]]:
    """Play a whole page in the empty folder `root`: the blocks that show output, with what they really print."""
    state = Replay(root, root, {"__name__": "__main__"})
    found: list[tuple[Block, str]] = []
    for before, block in zip([None, *blocks(page)], blocks(page), strict=False):
        if before is not None and before.language == "python" and block.language == "text" and block.follows:
            found.append((block, state.names["_printed"]))
        elif (shown := state.play(block)) is not None:
            found.append((block, shown))
    return found


def normal(text: str) -> list[str]:
    """Lines without what changes from run to run."""
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.strip().splitlines()]


def agree(shown: list[str], real: list[str]) -> bool:
    """Whether the lines shown are the real ones, where `…` stands for any."""
    if not shown:
        return not real
    if shown[0] == ANYTHING:
        return any(agree(shown[1:], real[at:]) for at in range(len(real) + 1))
    return bool(real) and shown[0] == real[0] and agree(shown[1:], real[1:])


def rewrite(page: Path) -> None:
    """Put the real outputs into a page, except where it shows only a part."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        played = replay(page, Path(folder).resolve())
    for block, real in reversed(played):  # from the end, so that line numbers above stay true
        if ANYTHING not in block.text.splitlines() and not agree(normal(block.text), normal(real)):
            lines[block.line : block.line + block.text.count("\n")] = real.splitlines(keepends=True)
    page.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        rewrite(Path(argument).resolve())
