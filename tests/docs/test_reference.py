from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

from penstock import cli, errors
from penstock.cli.main import penstock as command_line
from penstock.declaration import json_schema
from penstock.formats import is_type
from penstock.queries import Result
from penstock.queries.system import QUARANTINE, SYSTEM_TABLES
from penstock.service.metrics import FAMILIES
from penstock.state import EventName
from tests.docs.pages import PAGES, ROOT, blocks, name_of, prose

REFERENCE = ROOT / "docs" / "reference"
_CALL = re.compile(r"\bpenstock(?: -C \S+)?(?:$| +([A-Za-z]\S*))")
_MAKE = re.compile(r"\bmake ([a-z]+)\b")


def test_the_reference_is_up_to_date() -> None:
    """Writing the reference again from the code changes nothing."""
    script = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_key_is_in_the_reference() -> None:
    """Each key that a declaration may hold has a line of its own."""
    text = (REFERENCE / "declaration.md").read_text(encoding="utf-8")
    schema = json_schema()
    models = [schema, *schema["$defs"].values()]
    keys = {key for model in models for key in model.get("properties", ())}
    assert {"lake", "in", "json", "keep_last", "within"} <= keys
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_every_command_and_option_is_in_the_reference() -> None:
    """Each command has a section, which names each of its options."""
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0]: part for part in text.split("\n## ")}
    missing = []
    for name, command in _commands().items():
        section = sections.get(f"penstock {name}", "")
        options = [text for option in command.params if isinstance(option, click.Option) for text in option.opts]
        missing += [f"{name} {option}" for option in options if f"`{option}`" not in section]
        missing += [] if section else [name]
    assert missing == []


def test_every_event_is_in_the_reference() -> None:
    """Each name of an event has a line that says when it happens and what is known of it."""
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([a-z]+)` \| .+\. \| `", text, re.MULTILINE)
    assert sorted(lines) == sorted(get_args(EventName))


def test_every_error_is_in_the_reference() -> None:
    """Each error class stands there with its code, and no two share one."""
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    members = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    classes = [kind for kind in members if issubclass(kind, errors.PenstockError)]
    assert [kind.__name__ for kind in classes if f"| `{kind.code}` | `{kind.__name__}` |" not in text] == []
    assert len({kind.code for kind in classes}) == len(classes)


def test_every_system_table_is_in_the_reference() -> None:
    """Each table `penstock.*` has a section that names each of its columns."""
    text = (REFERENCE / "system-tables.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0]: part for part in text.split("\n## ")}
    assert f"penstock.{QUARANTINE}" in sections
    for name, table in SYSTEM_TABLES.items():
        assert [column for column, _ in table.columns if f"| `{column}` |" not in sections[f"penstock.{name}"]] == []


def test_every_metric_is_in_the_reference() -> None:
    """Each metric stands there with its kind, below the heading that says whose figure it is."""
    sections = (REFERENCE / "metrics.md").read_text(encoding="utf-8").split("\n## ")
    titles = {"lake": "Of the lake", "process": "Of the process"}
    found = {title: next(part for part in sections if part.startswith(title)) for title in titles.values()}
    assert len(FAMILIES) > 15
    lost = [one.name for one in FAMILIES if f"| `{one.name}` | {one.kind} |" not in found[titles[one.of]]]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_only_name_commands_that_exist(page: Path) -> None:
    """Whatever a page calls, in code or in a block, `penstock` and `make` can do."""
    code = [found for _, line in prose(page) for found in re.findall(r"`([^`]+)`", line)]
    code += [line for block in blocks(page) if block.language in {"console", "sh"} for line in block.text.splitlines()]
    called = {name for text in code if text.startswith(("penstock ", "$ penstock ")) for name in _CALL.findall(text)}
    assert {name for name in called if name and name.islower()} <= _commands().keys()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for text in code for name in _MAKE.findall(text)} <= targets


def test_the_table_of_types_is_true() -> None:
    """Every example in the table of types is, or is not, a value of its type as the table says."""
    page = ROOT / "docs" / "how-it-works" / "types.md"
    rows = [line.split("|")[1:4] for _, line in prose(page) if re.match(r"\| [A-Z]{4,} \|", line)]
    assert len(rows) == 6
    for kind, fits, others in rows:
        values = re.compile(r"`([^`]+)`")
        assert [text for text in values.findall(fits) if not is_type(kind.strip(), text)] == []
        assert [text for text in values.findall(others) if is_type(kind.strip(), text)] == []


def test_the_forms_of_a_result_exist() -> None:
    """Every call that the Python page lists for a result can be made."""
    table = [line for _, line in prose(ROOT / "docs" / "python.md") if line.startswith("| `")]
    calls = {name for line in table for name in re.findall(r"^\| `\.(\w+)\(", line)}
    assert {"arrow", "polars", "pandas", "fetchall"} <= calls
    assert [name for name in calls if not callable(getattr(Result, name, None))] == []


def _commands() -> dict[str, click.Command]:
    assert callable(cli.main)
    context = click.Context(command_line, info_name="penstock")
    found = {name: command_line.get_command(context, name) for name in command_line.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
