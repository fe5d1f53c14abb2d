"""`penstock alarms` and the system tables of alarms."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.clock import HeldClock
from penstock.lake import Lake
from tests.alarms.watched import Watched
from tests.docs.pages import ROOT

PENSTOCK = Path(sys.executable).with_name("penstock")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one alarm that began, one that is over, and one of each table."""
    alarms = "  late: {freshness: {older_than: 1d}, for: 5m}\n  rotten: {breaches: {at_least: 1, within: 1s}}"
    watched = Watched(tmp_path_factory.mktemp("alarms") / "lake", alarms)
    watched.drop("orders/a.csv", "id,amount\n1,900\n")
    watched.drop("orders/bad.csv", "")
    with Lake(watched.folder, HeldClock(time.time() - 100)) as opened:
        opened.run()
        opened.alarms().attend()
    return watched.folder


def call(lake: Path, *arguments: str, exits: int = 0) -> str:
    """What the command prints on standard output; it must end with `exits`."""
    command = [str(PENSTOCK), "-C", str(lake), "alarms", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == exits, done.stderr + done.stdout
    return done.stdout + done.stderr


def test_every_alarm_is_listed_those_that_are_on_first(lake: Path) -> None:
    """State, name, table, figure, limit and reason of each; and what to do about those that are on."""
    lines = call(lake).splitlines()
    assert lines[0].split("  ")[0] == "state"
    assert [line.split()[:2] for line in lines[2:7]] == [
        ["ALARM", "dead_letters"],
        ["OK", "disk"],
        ["OK", "late"],
        ["OK", "late"],
        ["OK", "rotten"],
    ]
    assert "orders/bad.csv (orders): the file is empty" in lines[2]
    assert "older than 1d for 5m" in lines[4]
    assert "1 alarm" in lines
    assert f"  penstock -C {lake} dead list" in lines


def test_scripts_are_told_by_the_exit_code(lake: Path) -> None:
    """With --check it ends with 1 while there is an alarm, of those that were asked for."""
    call(lake, "--check", exits=1)
    call(lake, "dead_letters", "--check", exits=1)
    call(lake, "disk", "--check")


def test_fields_are_those_of_the_reference(lake: Path) -> None:
    """--json prints the fields that the reference names, and no other."""
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.partition("## penstock alarms\n")[2].partition("\n## ")[0]
    found: list[dict[str, Any]] = json.loads(call(lake, "--json"))
    assert {f"[].{name}" for one in found for name in one} == set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))
    (dead,) = [one for one in found if one["alarm"] == "dead_letters"]
    assert (dead["state"], dead["value"], dead["limit"], dead["table"]) == ("ALARM", 1, "at least 1", None)
    assert {one["table"] for one in found if one["alarm"] == "late"} == {"orders", "sales.items"}


def test_history_tells_when_alarms_began_and_ended(lake: Path) -> None:
    """The newest first, of all alarms or of one; also as JSON."""
    call(lake)
    found = json.loads(call(lake, "rotten", "--history", "--json"))
    assert [(one["state"], one["value"]) for one in found] == [("OK", 0.0), ("ALARM", 1.0)]
    assert set(found[0]) == {"change", "alarm", "table", "kind", "state", "at", "value", "reason"}
    lines = call(lake, "--history").splitlines()
    assert any("ALARM  dead_letters" in line for line in lines)
    assert "no alarm has begun or ended yet" in call(lake, "disk", "--history")


def test_a_name_that_is_none_is_an_error(lake: Path) -> None:
    """It says which name was meant."""
    text = call(lake, "dead_leters", exits=1)
    assert 'no alarm "dead_leters"; did you mean "dead_letters"?' in text
    assert '"code": "alarm_not_found"' in call(lake, "dead_leters", "--json", exits=1)


def test_alarms_are_sql(lake: Path) -> None:
    """States and changes are tables."""
    call(lake)
    with penstock.open(lake) as opened:
        states = opened.query("SELECT alarm, table_name, state, measured FROM penstock.alarms ORDER BY ALL").fetchall()
        changes = opened.query("SELECT alarm, state FROM penstock.alarm_changes ORDER BY sequence").fetchall()
    assert ("dead_letters", None, "ALARM", 1.0) in states
    assert [state for alarm, state in changes if alarm == "rotten"] == ["ALARM", "OK"]


def test_nothing_is_watched_when_all_is_switched_off(tmp_path: Path) -> None:
    """That is said, too."""
    watched = Watched(tmp_path / "lake", "  dead_letters: false\n  disk: false")
    assert "no alarm is declared" in call(watched.folder, "--check")
