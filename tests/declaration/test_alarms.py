"""What `alarms:` may say, and what is said of what it may not."""

from __future__ import annotations

import pytest

from penstock.declaration import examine, loads
from penstock.declaration.alarms import DEFAULTS, KINDS, alarms_in_force, chosen_tables
from penstock.naming import TableName

TABLES = "lake: x\ntables: {orders: {files: 'o*.csv'}, sales.items: {files: 'i*.csv'}, sales.old: {files: 'x*.csv'}}\n"


def problems(alarms: str) -> list[str]:
    """What is wrong with the alarms of a lake."""
    return [str(problem) for problem in sorted(examine(f"{TABLES}alarms:\n  {alarms}\n").problems)]


def test_the_defaults_are_in_force_unless_switched_off() -> None:
    """Dead letters and the disk are watched without being declared; `false` switches one off, an own one takes over."""
    assert list(alarms_in_force({})) == ["dead_letters", "disk"]
    declared = loads(f"{TABLES}alarms: {{disk: false, dead_letters: {{dead_letters: {{at_least: 5}}}}}}").alarms
    found = alarms_in_force(declared)
    assert {name: alarm.body.at_least for name, alarm in found.items()} == {"dead_letters": 5}
    assert alarms_in_force(loads(f"{TABLES}alarms: {{disk: true}}").alarms) == DEFAULTS


def test_tables_are_chosen_by_name_and_glob() -> None:
    """In the order declared, each once; the layer `main` may be left out."""
    tables = [TableName.parse(text) for text in ("orders", "sales.items", "sales.old")]
    assert [str(name) for name in chosen_tables(["sales.*", "main.orders"], tables)] == [
        "orders",
        "sales.items",
        "sales.old",
    ]
    assert [str(name) for name in chosen_tables(["sales.o*", "sales.old"], tables)] == ["sales.old"]
    assert chosen_tables(None, tables) == tables


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_declared(kind: str) -> None:
    """Each kind loads with as little as it needs."""
    least = {
        "error_rate": "{above: 0.1}",
        "duration": "{above: 5s}",
        "oldest_waiting": "{older_than: 5m}",
        "freshness": "{older_than: 5m}",
        "failed_workflow": "daily",
    }
    workflows = "workflows: {daily: {cron: '0 2 * * *', refresh: all}}\n" if kind == "failed_workflow" else ""
    declared = loads(f"{TABLES}{workflows}alarms: {{one: {{{kind}: {least.get(kind, '{}')}, for: 5m}}}}").alarms["one"]
    assert not isinstance(declared, bool)
    assert (declared.kind, declared.for_) == (kind, "5m")
    assert declared.body


WRONG = {
    "dead_leters: false": [
        (
            'lake.yaml:4:16 alarms.dead_leters: there is no alarm "dead_leters" without being declared; '
            'did you mean "dead_letters"?'
        )
    ],
    "late: {freshness: {older_than: 2h}, tables: [order, 'sales.*', 'x*']}": [
        'lake.yaml:4:48 alarms.late.tables[0]: no table "order" is declared; did you mean "orders"?',
        'lake.yaml:4:66 alarms.late.tables[2]: "x*" is the name of no declared table',
    ],
    "Late: {freshnes: {older_than: 2h}}": [
        (
            'lake.yaml:4:3 alarms.Late: "Late" cannot name an alarm; an alarm is called in lower-case letters, '
            "digits and _, starting with a letter"
        ),
        'lake.yaml:4:10 alarms.Late: unknown key "freshnes"; did you mean "freshness"?',
    ],
    "two: {freshness: {older_than: 2h}, disk: {}}": [
        "lake.yaml:4:8 alarms.two: an alarm has exactly one kind, found disk, freshness; kinds: " + ", ".join(KINDS)
    ],
    "none: {for: 5m}": [
        "lake.yaml:4:9 alarms.none: an alarm has exactly one kind, found none; kinds: " + ", ".join(KINDS)
    ],
    "nothing: {freshness: }": ["lake.yaml:4:12 alarms.nothing: nothing stands under freshness"],
    "wf: {failed_workflow: daily}": [
        'lake.yaml:4:25 alarms.wf.failed_workflow: no workflow "daily" is declared',
    ],
    "wf: {failed_workflow: [daily, 5]}": [
        'lake.yaml:4:26 alarms.wf.failed_workflow[0]: no workflow "daily" is declared',
        "lake.yaml:4:33 alarms.wf.failed_workflow[1]: must be text, found the number 5",
    ],
    "e: {error_rate: {above: 2, within: 1}}": [
        "lake.yaml:4:27 alarms.e.error_rate.above: must be at most 1; found the number 2",
        "lake.yaml:4:38 alarms.e.error_rate.within: must be text, found the number 1",
    ],
    "e: {error_rate: {above: 0.1, clear_below: 0.5}}": [
        "lake.yaml:4:19 alarms.e.error_rate: clear_below (0.5) must not be over above (0.1)"
    ],
    "e: {error_rate: {above: 0.1, within: 8d}}": [
        "lake.yaml:4:19 alarms.e.error_rate: within (8d) must be at most 7d: failed attempts are remembered for a week"
    ],
    "d: {duration: {above: 5m, clear_below: 6m}}": [
        "lake.yaml:4:17 alarms.d.duration: clear_below (6m) must not be over above (5m)"
    ],
    "d: {duration: {above: 5m, of: mean}}": [
        'lake.yaml:4:33 alarms.d.duration.of: must be one of max, p95; found the text "mean"'
    ],
    "d: {disk: {below: 2GB, clear_above: 1GB}}": [
        "lake.yaml:4:13 alarms.d.disk: clear_above (1GB) goes with a below that is not over it"
    ],
    "d: {disk: {clear_above: 1GB}}": [
        "lake.yaml:4:13 alarms.d.disk: clear_above (1GB) goes with a below that is not over it"
    ],
    "d: {disk: {}, tables: [orders]}": ["lake.yaml:4:6 alarms.d: disk is about no table: leave out `tables`"],
    "disk: {freshness: {older_than: 1h}}": [
        (
            'lake.yaml:4:3 alarms.disk: "disk" is the alarm of kind disk that there is without being declared; '
            "give this one another name"
        )
    ],
    "g: 5": ["lake.yaml:4:6 alarms.g: must be a mapping of names to values or true or false; found the number 5"],
    "h: true": ['lake.yaml:4:6 alarms.h: there is no alarm "h" without being declared; those are: dead_letters, disk'],
    "i: {freshness: {older_than: 0s}}": ['lake.yaml:4:31 alarms.i.freshness.older_than: "0s" is no time at all'],
}


@pytest.mark.parametrize("alarms", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_with_its_place(alarms: str) -> None:
    """Every mistake is an error that names the place, what was found, the rule, and the next step."""
    assert problems(alarms) == WRONG[alarms]
