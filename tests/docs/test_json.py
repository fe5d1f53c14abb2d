from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.logs import WRONG
from penstock.cli.told import WORDED
from penstock.opened import JOURNAL_EVENTS, OF_UP, TOLD
from tests.docs.pages import ROOT
from tests.docs.replay import environment

PAGE = ROOT / "docs" / "reference" / "json.md"
OPAQUE = {"rows_dropped", "warnings", "last_run", "on", "outcome", "cause", "snapshots"}
"""Objects whose keys are data, or are described elsewhere on the page."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the commands print as JSON, in a lake where every list has something in it."""
    folder = tmp_path_factory.mktemp("json") / "lake"
    _penstock("init", "consultations", str(folder), "--sample-data", "--rows", "200")
    declaration = folder / "lake.yaml"
    checked = "    checks: [{between: {patient_age: [0, 1]}}, {not_null: age_group}]\n"
    nightly = 'workflows: {nightly: {cron: "0 2 * * *", verify: all}}\n'
    queries = "queries: {centres: SELECT centre_id FROM consultations}\n"
    text = declaration.read_text(encoding="utf-8").rstrip()
    declaration.write_text(f"{text}\n{checked}{nightly}{queries}", encoding="utf-8")
    newer = folder / "raw" / "consultations-2025.csv"
    (folder / "raw" / "consultations-none.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    newer.write_text(newer.read_text(encoding="utf-8").replace("notes", "remarks", 1), encoding="utf-8")
    printed = {name: _read("-C", str(folder), name, "--json") for name in ("run", "runs", "tables")}
    printed |= {"status": _while_up(folder, "status"), "logs": _read("-C", str(folder), "logs", "--json")}
    _penstock("-C", str(folder), "query", "--saved", "all")
    printed["queries"] = _read("-C", str(folder), "queries", "--json")
    printed["dead"] = _read("-C", str(folder), "dead", "list", "--json")
    printed["show"] = _read("-C", str(folder), "show", "consultations", "--json")
    lines = [json.loads(line) for line in printed.pop("logs").splitlines()]
    declaration.write_text(declaration.read_text(encoding="utf-8").replace("filter:", "filtre:"), encoding="utf-8")
    printed |= {
        "check": _read("-C", str(folder), "check", "--json"),
        "error": _read("-C", str(folder), "runs", "--json"),
    }
    return {**{name: json.loads(text) for name, text in printed.items()}, "logs": lines}


@pytest.fixture(scope="module")
def workflow_outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the commands about workflows print as JSON, once a workflow has run."""
    folder = tmp_path_factory.mktemp("workflows")
    (folder / "raw").mkdir()
    workflows = '{nightly: {cron: "0 2 * * *", refresh: all}}'
    (folder / "lake.yaml").write_text(f"lake: shop\ntables: {{t: {{files: '*.csv'}}}}\nworkflows: {workflows}\n")
    run = json.loads(_read("-C", str(folder), "workflow", "run", "nightly", "--json"))
    return {"workflow": run, "schedule": json.loads(_read("-C", str(folder), "schedule", "--json"))}


def _penstock(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["penstock", *arguments], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )


def _read(*arguments: str) -> str:
    return _penstock(*arguments).stdout


def _while_up(folder: Path, command: str) -> str:
    """What a command prints while the lake is up."""
    up = ["penstock", "-C", str(folder), "up", "--no-http", "--json"]
    with subprocess.Popen(up, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "up"
        printed = _read("-C", str(folder), command, "--json")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    return printed


def _fields(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and path.rpartition(".")[2] not in OPAQUE:
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from _fields(inner, f"{path}[]")
    else:
        yield path


def _documented(heading: str) -> set[str]:
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("command", ["runs", "tables", "queries", "show", "status", "run", "check", "dead"])
def test_documented_fields_are_the_real_ones(command: str, outputs: dict[str, Any]) -> None:
    """The page names every field that the command prints, and no other."""
    assert set(_fields(outputs[command])) == _documented(f"penstock {command}")


@pytest.mark.parametrize("command", ["workflow", "schedule"])
def test_documented_fields_of_workflows_are_the_real_ones(command: str, workflow_outputs: dict[str, Any]) -> None:
    """The page names every field of runs of workflows and of schedules, and no other."""
    found = workflow_outputs[command]
    fields = _fields(found) if isinstance(found, dict) else (f"[].{field}" for one in found for field in _fields(one))
    assert set(fields) == _documented(f"penstock {command}")


def test_documented_errors_are_the_real_ones(outputs: dict[str, Any]) -> None:
    """A failing command prints the fields that the page names, the list of problems with a wrong declaration."""
    error = outputs["error"]["error"]
    assert {f"error.{name}" for name in error} == _documented("Errors")
    assert error["code"] == "declaration"


def test_documented_log_lines_are_the_real_ones(outputs: dict[str, Any]) -> None:
    """Every event in the log is one of the page's, with the fields that it names."""
    lines = {line["event"]: line for line in outputs["logs"]}
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    events = {row[1].strip(" `"): set(re.findall(r"`([^`]+)`", row[3])) for row in rows}
    assert lines.keys() >= {"arrived", "finished", "dead", "breached", "alarm", "told", "up_started", "up_stopped"}
    for event, line in lines.items():
        assert line.keys() - {"time", "event", "table", "file"} == events[event], event


def test_every_event_of_the_log_is_documented_and_has_words() -> None:
    """Whatever the log may hold stands on the page, and `penstock logs` says it in words."""
    text = PAGE.read_text(encoding="utf-8").split("## penstock logs")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert set(documented) == {*JOURNAL_EVENTS, *TOLD, *OF_UP, "gap"}
    assert set(WORDED) == set(documented)
    assert set(documented) >= set(WRONG)


def test_accounts_add_up(outputs: dict[str, Any]) -> None:
    """In every run, rows in are rows out plus dropped plus quarantined, as the page says."""
    assert outputs["runs"]
    for run in outputs["runs"]:
        assert run["rows_in"] == run["rows_out"] + sum(run["rows_dropped"].values()) + run["rows_quarantined"]
