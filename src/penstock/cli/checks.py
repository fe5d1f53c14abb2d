"""What came of checks, as commands show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from penstock.cli.words import counted
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration.checks import Statement
    from penstock.lake import Lake
    from penstock.naming import TableName
    from penstock.state import CheckOutcome

DONE = {"warn": "kept, with a warning", "quarantine": "quarantined", "halt": "refused"}
WHOLE = ("row_count", "fresh")


def summed(outcomes: Iterable[CheckOutcome]) -> list[dict[str, Any]]:
    """Outcomes of several files, added up by table and check; these names are stable."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        facts = found.setdefault((str(outcome.table), outcome.name), _none_yet(str(outcome.table), outcome))
        facts["files"] += 1
        facts["broken"] += bool(outcome.breaches)
        facts["breaches"] += outcome.breaches
        facts["reason"] = facts["reason"] or outcome.reason
    return list(found.values())


def current(lake: Lake, name: TableName) -> list[dict[str, Any]]:
    """What came of a table's checks for the files whose rows it holds now; those that have not looked yet included."""
    from penstock.declaration.checks import statements

    finished = {(arrival.key, arrival.run) for arrival in lake.state.arrivals.find(name, ("finished",))}
    outcomes = [found for found in lake.state.checks.list(name) if (found.file, found.run) in finished]
    found = summed(outcomes)
    declared = lake.declared.get(name)
    known = {facts["check"] for facts in found}
    stated = statements(declared.checks) if declared else []
    return [*found, *(_none_yet(str(name), statement) for statement in stated if statement.name not in known)]


def _none_yet(table: str, check: CheckOutcome | Statement) -> dict[str, Any]:
    return {
        "table": table,
        "check": check.name,
        "kind": check.kind,
        "stage": check.when,
        "on_breach": check.on_breach,
        "files": 0,
        "broken": 0,
        "breaches": 0,
        "reason": None,
    }


def said(facts: dict[str, Any]) -> str:
    """A check that was broken, in one line: `check between age 0..120: 3 rows quarantined`."""
    done = DONE[facts["on_breach"]]
    whole = facts["kind"] in WHOLE or facts["on_breach"] == "halt"
    count = counted(facts["broken"], "file") if whole else counted(facts["breaches"], "row")
    return f"check {printable(facts['check'])}: {count} {done}"
