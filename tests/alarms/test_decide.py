"""When alarms begin and end, as a decision alone: over any course of a figure, looked at at any moments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.alarms import Measured, Rule, Standing, decide
from penstock.state.alarms import AlarmState

LONGEST = 40


@dataclass(frozen=True)
class Course:
    """A figure over time: its value from each second on."""

    steps: dict[int, int]

    def at(self, moment: float) -> int:
        """The figure at a moment."""
        return next((value for since, value in sorted(self.steps.items(), reverse=True) if since <= moment), 0)


def looked(value: int, above: int, clear: int) -> Measured:
    """A look at a figure that must not go over `above`, and that is well at `clear` and below."""
    return Measured(value, breached=value > above, cleared=value <= clear, reason=f"{value}")


def changes(course: Course, above: int, clear: int, rule: Rule, moments: set[float]) -> list[tuple[str, float]]:
    """Every change of state, looking at the given moments and at those that the decision asks for."""
    standing, found, left, due = Standing("OK", 0.0), list[tuple[str, float]](), sorted(moments), None
    while left or due is not None:
        now = min([*left[:1], *([due] if due is not None else [])])
        left = [moment for moment in left if moment > now]
        decision = decide(standing, looked(course.at(now), above, clear), rule, now)
        standing, due = decision.standing, decision.due
        if decision.changed:
            found.append((standing.state, now))
    return found


courses = st.dictionaries(st.integers(0, LONGEST), st.integers(0, 6), max_size=12).map(Course)
rules = st.builds(Rule, st.sampled_from([0.0, 1.0, 3.0, 7.5]), st.sampled_from([0.0, 1.0, 4.0, 10.0]))
thresholds = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda pair: (max(pair), min(pair)))
extra = st.sets(st.floats(0, LONGEST + 20, allow_nan=False), max_size=30)


def moments_of(course: Course) -> set[float]:
    """The moments at which the figure changes, and the beginning."""
    return {0.0, *map(float, course.steps)}


@given(courses, thresholds, rules, extra)
def test_looking_more_often_changes_nothing(
    course: Course, limits: tuple[int, int], rule: Rule, more: set[float]
) -> None:
    """The same alarms begin and end at the same moments, however often one looks beside the moments that matter."""
    needed = moments_of(course)
    assert changes(course, *limits, rule, needed) == changes(course, *limits, rule, needed | more)


@given(courses, thresholds, rules)
def test_states_take_turns(course: Course, limits: tuple[int, int], rule: Rule) -> None:
    """ALARM comes first, and every ALARM is followed by at most one OK before the next."""
    found = [state for state, _ in changes(course, *limits, rule, moments_of(course))]
    assert found[:1] in ([], ["ALARM"])
    assert all(one != next_ for one, next_ in pairwise(found))


@given(courses, thresholds, rules)
def test_a_change_has_lasted(course: Course, limits: tuple[int, int], rule: Rule) -> None:
    """When an alarm begins, it has been too much for `hold`; when it ends, all has been well for `recover`."""
    above, clear = limits
    for state, at in changes(course, above, clear, rule, moments_of(course)):
        wait = rule.hold if state == "ALARM" else rule.recover
        before = [at - wait + wait * tenth / 10 for tenth in range(11)]
        values = [course.at(moment) for moment in before]
        assert all(value > above if state == "ALARM" else value <= clear for value in values)


@given(st.lists(st.integers(0, 6), max_size=30), thresholds, rules, st.sampled_from(["OK", "ALARM"]))
def test_nothing_flaps_between_the_thresholds(
    values: list[int], limits: tuple[int, int], rule: Rule, state: AlarmState
) -> None:
    """A figure between the two thresholds leaves an alarm as it is, for ever."""
    above, clear = limits
    standing = Standing(state, 0.0)
    between = [value for value in values if clear < value <= above]
    for at, value in enumerate(between):
        decision = decide(standing, looked(value, above, clear), rule, float(at * 1000))
        assert not decision.changed
        assert (decision.standing, decision.due) == (standing, None)


@given(courses, thresholds, rules, st.integers(0, 3))
def test_a_higher_threshold_never_alarms_more(course: Course, limits: tuple[int, int], rule: Rule, more: int) -> None:
    """At every moment at which an alarm with a higher threshold is on, one with a lower threshold is, too."""
    above, clear = limits
    low = changes(course, above, clear, rule, moments_of(course))
    high = changes(course, above + more, clear, rule, moments_of(course))
    for moment in sorted({at for _, at in [*low, *high]}):
        if _state_at(high, moment) == "ALARM":
            assert _state_at(low, moment) == "ALARM"


def _state_at(found: list[tuple[str, float]], moment: float) -> str:
    return next((state for state, at in reversed(found) if at <= moment), "OK")


def test_what_began_before_the_first_look_counts() -> None:
    """Where it is known since when it has been too much, that moment counts, and not the look that finds it."""
    found = Measured(9, breached=True, cleared=False, reason="late", since=100.0)
    decision = decide(Standing("OK", 50.0), found, Rule(hold=300.0), 350.0)
    assert (decision.changed, decision.due) == (False, 400.0)
    assert decide(decision.standing, found, Rule(hold=300.0), 400.0).standing == Standing("ALARM", 400.0)


def test_what_was_before_the_state_does_not_count() -> None:
    """An alarm that has just ended does not begin at once for a reason that is older than its end."""
    found = Measured(9, breached=True, cleared=False, reason="late", since=100.0)
    assert decide(Standing("OK", 340.0), found, Rule(hold=300.0), 350.0).due == 640.0


def test_the_earlier_moment_is_due() -> None:
    """Of the moment when time alone changes the figure, and the one when it has lasted, the earlier is told."""
    early = Measured(9, breached=True, cleared=False, reason="", due=12.0)
    late = Measured(9, breached=True, cleared=False, reason="", due=99.0)
    assert decide(Standing("OK", 0.0), early, Rule(hold=30.0), 10.0).due == 12.0
    assert decide(Standing("OK", 0.0), late, Rule(hold=30.0), 10.0).due == 40.0
