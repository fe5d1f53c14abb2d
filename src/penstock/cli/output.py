"""Ways of printing that all commands share.

Whatever came from a file or a user passes through `printable` before it reaches a terminal, and no secret is printed.
Colours are only used on a terminal, and not when `NO_COLOR` is set; `FORCE_COLOR` asks for them elsewhere, too.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from typing import Any, TextIO

import click

from penstock.errors import DeclarationError, PenstockError
from penstock.naming import printable
from penstock.redaction import redacted, redacted_value

USAGE = 2
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def prepare() -> None:
    """Let every text be printed: as UTF-8 for programs; what a terminal's encoding lacks becomes a visible escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Discreet())


class _Discreet(logging.Formatter):
    """Writes log lines and tracebacks without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line."""
        return redacted(super().format(record))


def on_terminal(stream: TextIO) -> bool:
    """Whether a person reads the stream on a terminal that can do more than print."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: TextIO) -> bool:
    """Whether colours are wanted on a stream; `NO_COLOR` is stronger than `FORCE_COLOR`, as everywhere."""
    if os.environ.get("NO_COLOR"):
        return False
    return on_terminal(stream) or os.environ.get("FORCE_COLOR", "0") not in {"", "0"}


def say(text: str = "", *, err: bool = False) -> None:
    """Print a line, with its colours where they are wanted."""
    stream = sys.stderr if err else sys.stdout
    click.echo(redacted(text), file=stream, color=coloured(stream))


def dim(text: str) -> str:
    """Text that stands back."""
    return click.style(text, dim=True)


def bold(text: str) -> str:
    """Text that stands out."""
    return click.style(text, bold=True)


def emit(value: Any, *, indent: int | None = 2) -> None:
    """Print JSON for a program."""
    click.echo(to_json(value, indent=indent))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text that is readable, and harmless on a terminal."""
    return harmless_json(json.dumps(redacted_value(value), indent=indent, ensure_ascii=False))


def harmless_json(text: str) -> str:
    """Write control and direction marks that JSON allows in texts as its escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def next_steps(commands: list[str], *, err: bool = False) -> None:
    """Say what to try next, at most three lines."""
    if commands:
        say(err=err)
        say(dim("next:"), err=err)
        for command in commands[:3]:
            say(f"  {command}", err=err)


def error(found: PenstockError, *, as_json: bool = False) -> None:
    """Say what went wrong: on standard error for people, on standard output as JSON for programs."""
    if as_json:
        emit({"error": error_facts(found)})
    if isinstance(found, DeclarationError):
        for problem in found.problems:
            say(printable(str(problem)), err=True)
        say(found.count_line, err=True)
        return
    where = f"{printable(found.where)}: " if found.where else ""
    first, *more = found.what.split("\n")
    say(f"{click.style('error:', fg='red', bold=True)} {where}{printable(first)}", err=True)
    for line in [*more, *found.hint.split("\n")]:
        if line.strip():
            say(f"  {printable(line)}", err=True)


def error_facts(found: PenstockError) -> dict[str, Any]:
    """The parts of an error, as `--json` shows them."""
    facts: dict[str, Any] = {"code": found.code, "what": found.what, "where": found.where, "hint": found.hint}
    if isinstance(found, DeclarationError):
        facts["what"] = found.count_line
        facts["problems"] = [vars(problem) for problem in found.problems]
    return facts


def usage_error(found: click.ClickException) -> int:
    """Say that a command was called wrongly."""
    if isinstance(found, click.exceptions.NoArgsIsHelpError):
        say(found.format_message())
        return USAGE
    text = found.format_message()
    path = found.ctx.command_path if isinstance(found, click.UsageError) and found.ctx else "penstock"
    text = printable(text[:1].lower() + text[1:])
    say(f"{click.style('error:', fg='red', bold=True)} {text}\n  see {path} --help", err=True)
    return found.exit_code
