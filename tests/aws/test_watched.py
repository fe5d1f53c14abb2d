"""What is watched on AWS, and which objects reach the queue, decided from the declaration alone."""

from __future__ import annotations

import fnmatch
import re

import pytest

from penstock.alarms.cloudwatch import NAMESPACE, Unwatched, Watched, watched
from penstock.arrivals.cloudformation import receives, wildcard
from penstock.declaration import examine, load_deployed, loads
from penstock.deployment.synth import synthesise
from penstock.errors import DeclarationError
from penstock.runs.metrics import NAMESPACE as WRITTEN
from penstock.runs.metrics import UNITS
from tests.aws.synthesised import EVERYTHING, template_of

TABLES = '\ntables: {sales.orders: {files: "o*.csv"}, returns: {files: "r*.csv"}}\n'


def of(alarm: str) -> list[Watched | Unwatched]:
    """What a declared alarm becomes on AWS."""
    lake = loads(f"lake: shop\nalarms: {{mine: {alarm}, disk: false}}{TABLES}", environment={})
    return [one for one in watched(lake, ("AlarmTopic",)) if one.name.startswith("mine")]


def test_dead_letters_by_default() -> None:
    """One message in the dead-letter queue is an alarm, within the minute (R1.11); the declaration can say how many."""
    for text, least in (("lake: shop", 1), ("lake: shop\nalarms: {dead_letters: {dead_letters: {at_least: 3}}}", 3)):
        found = [one for one in watched(loads(text, environment={}), ()) if one.name == "dead-letters"]
        assert [(one.threshold, one.period, one.lasting) for one in found if isinstance(one, Watched)] == [
            (least, 60, 1)
        ]


def test_switched_off() -> None:
    """An alarm that is switched off here is off there, too, and that is said."""
    found = list(watched(loads("lake: shop\nalarms: {dead_letters: false}", environment={}), ()))
    assert [one for one in found if one.name == "dead-letters"] == []
    assert Unwatched("dead_letters", "the declaration switches it off") in found


@pytest.mark.parametrize(
    ("alarm", "names", "threshold", "period", "lasting"),
    [
        ("{oldest_waiting: {older_than: 10m}}", ["mine"], 600, 60, 1),
        ("{oldest_waiting: {older_than: 10m}, for: 5m}", ["mine"], 600, 60, 5),
        ("{duration: {above: 30s, of: p95}}", ["mine"], 30, 3600, 1),
        ("{duration: {above: 30s}, tables: [sales.*]}", ["mine-sales.orders"], 30, 3600, 1),
        ("{error_rate: {above: 0.1, within: 30m}}", ["mine"], 0.1, 1800, 1),
        ("{breaches: {at_least: 7, within: 1d}, tables: [returns]}", ["mine-main.returns"], 7, 86_400, 1),
        ("{freshness: {older_than: 2h}}", ["mine-sales.orders", "mine-main.returns"], 7200, 1800, 1),
        ("{freshness: {older_than: 2h}, for: 1h}", ["mine-sales.orders", "mine-main.returns"], 7200, 1800, 2),
        ("{undelivered: {at_least: 2}}", ["mine-AlarmTopic"], 2, 86_400, 1),
    ],
)
def test_kinds(alarm: str, names: list[str], threshold: float, period: int, lasting: int) -> None:
    """Each kind of alarm that has a meaning on AWS becomes one there: what, how much, over how long, how often."""
    found = of(alarm)
    assert all(isinstance(one, Watched) for one in found), found
    said = [(one.name, one.threshold, one.period, one.lasting) for one in found if isinstance(one, Watched)]
    assert said == [(name, threshold, period, lasting) for name in names]


@pytest.mark.parametrize(
    ("alarm", "why"),
    [
        ("{dead_letters: {}, tables: [returns]}", "a queue does not tell tables apart"),
        ("{oldest_waiting: {older_than: 1h}, tables: [returns]}", "a queue does not tell tables apart"),
        ("{disk: {below: 1GB}}", "buckets have no end"),
        ("{duration: {above: 30s, within: 2d}}", "one day at most"),
        ("{duration: {above: 30s, within: 90s}}", "whole minutes"),
        ("{duration: {above: 30s, within: 12h}, for: 2d}", "which `within` and `for` together are over"),
    ],
)
def test_without_a_meaning(alarm: str, why: str) -> None:
    """What CloudWatch cannot watch as it is declared is named with the reason, not watched in another way."""
    [found] = of(alarm)
    assert isinstance(found, Unwatched)
    assert why in found.why


def test_recovery_is_said() -> None:
    """An alarm is watched although CloudWatch ends it at once, and that is said."""
    first, second = of("{oldest_waiting: {older_than: 10m}, recover_after: 5m}")
    assert isinstance(first, Unwatched)
    assert isinstance(second, Watched)
    assert first.name == "mine.recover_after"


def test_notes_name_every_alarm_that_is_not_watched() -> None:
    """What is not watched stands in the template's notes."""
    notes = "\n".join(template_of("everything").notes)
    assert "alarms.disk is not watched on AWS" in notes
    assert "the function intake does not begin from a snapshot" in notes


def test_metrics_are_those_that_functions_write() -> None:
    """Alarms look at metrics that the functions write, in the unit that the threshold is in."""
    found = [one for one in watched(load_deployed(EVERYTHING), ()) if isinstance(one, Watched)]
    own = {metric.name for one in found for _, metric in one.metrics if metric.namespace == NAMESPACE}
    assert own == {"Attempts", "Failures", "RunSeconds", "Breaches", "Freshness"}
    assert own <= set(UNITS)
    assert (UNITS["RunSeconds"], UNITS["Freshness"], WRITTEN) == ("Seconds", "Seconds", NAMESPACE)


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        ("*.csv", "*.csv"),
        ("orders/**/*.csv", "orders/*.csv"),
        ("**/*.json", "*.json"),
        ("r?/20[0-9][0-9].csv", "r*/20*.csv"),
        ("a[!b]c**", "a*c*"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_wildcard(files: str, pattern: str) -> None:
    """EventBridge's pattern lets through whatever the table's own pattern means, and has no two stars in a row."""
    assert wildcard(files) == pattern
    assert "**" not in pattern
    key = re.sub(r"\[[^]]*\]|\?", "7", files).replace("**/", "x/y/").replace("*", "z")
    assert fnmatch.fnmatchcase(key, pattern.replace("\\\\", "\\"))


def test_receives() -> None:
    """A message is taken often enough for all attempts that `retry` allows."""
    assert receives(loads("lake: shop", environment={})) == 10
    assert receives(loads(f"lake: shop\nretry: {{attempts: 30}}{TABLES}", environment={})) == 35
    assert receives(load_deployed(EVERYTHING)) == 20


def test_rule_has_a_name_of_its_pattern() -> None:
    """A rule keeps its name when other tables come: CloudFormation does not touch it."""
    one, more = (
        {name for name, each in synthesised.items() if each["Type"] == "AWS::Events::Rule"}
        for synthesised in (
            _resources('a: {files: "a*.csv"}'),
            _resources('a: {files: "a*.csv"}, b: {files: "b*.csv"}'),
        )
    )
    assert one < more
    assert len(more) == 2


def _resources(tables: str) -> dict[str, dict[str, str]]:
    return synthesise(examine(f"lake: shop\ntables: {{{tables}}}", environment={})).resources


def test_too_many_notices_of_alarms() -> None:
    """An alarm can tell five topics: more notices are refused, not left out."""
    notices = "".join(f'  - {{when: [alarm], to: "mailto:a{at}@example.org"}}\n' for at in range(5))
    with pytest.raises(DeclarationError, match="an alarm on AWS can tell 4 notices"):
        synthesise(examine(f"lake: shop\nnotices:\n{notices}", environment={}))
