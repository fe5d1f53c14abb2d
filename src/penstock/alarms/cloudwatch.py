"""What is watched on AWS: alarms of CloudWatch, as plain values, decided from the declaration.

Some are there for every lake: messages in dead-letter queues, errors, refusals and long runs of functions, files that
wait. To these come the declared alarms, where AWS's own metrics or the functions' say what they are about; the others
are named, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from penstock.declaration import Alarm, Declaration, alarms_in_force, chosen_tables, seconds_of
from penstock.naming import TableName

NAMESPACE = "Penstock"
"""Of the metrics that functions write themselves."""
MINUTE, DAY = 60, 86_400
LONG_WAIT = "1h"
OF_THE_TIMEOUT = 0.8
TWICE = 2
Missing = Literal["notBreaching", "ignore", "breaching"]


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch.

    Attributes:
        namespace: Whose it is.
        name: What it is called.
        dimensions: Of what; a value is a text, or a reference of the template as `(logical id, attribute)`.
        statistic: What is made of its values in a period, such as `Sum` or `p95`.
    """

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str | tuple[str, str]], ...]
    statistic: str


@dataclass(frozen=True)
class Watched:
    """An alarm of CloudWatch.

    Attributes:
        name: Its name, after the stack's.
        words: What it means, for people.
        metrics: What is looked at, by the name that `expression` has for it; one where there is none.
        threshold: From where on it is too much.
        period: Seconds that are looked at together.
        lasting: So many periods in a row.
        expression: What is computed of several metrics.
        strictly: Whether the threshold itself is still well.
        missing: What is meant when there are no values.
        tables: What it is about; None for the whole lake.
    """

    name: str
    words: str
    metrics: tuple[tuple[str, Metric], ...]
    threshold: float
    period: int = MINUTE
    lasting: int = 1
    expression: str | None = None
    strictly: bool = False
    missing: Missing = "notBreaching"
    tables: tuple[TableName, ...] | None = None


@dataclass(frozen=True)
class Unwatched:
    """A declared alarm that is not watched on AWS, and why not."""

    name: str
    why: str


def watched(declaration: Declaration, topics: tuple[str, ...]) -> Iterator[Watched | Unwatched]:
    """Everything that is watched on AWS, and what is declared and not.

    Args:
        declaration: What is declared.
        topics: Logical ids of the topics that messages to people go to.
    """
    yield from _always(declaration)
    alarms = alarms_in_force(declaration.alarms)
    for name, said in declaration.alarms.items():
        if said is False:
            yield Unwatched(name, "the declaration switches it off")
    for name, alarm in alarms.items():
        yield from _declared(declaration, name, alarm, topics)


def _always(declaration: Declaration) -> Iterator[Watched]:
    timeouts = {"intake": declaration.aws.function.timeout, "upkeep": declaration.aws.upkeep.timeout}
    for name, timeout in timeouts.items():
        yield _function(name, "Errors", "errors", "ended with an error, or was stopped", 1)
        yield _function(name, "Throttles", "throttles", "was refused, because too much runs at once", 1)
        longest = seconds_of(timeout) * 1000 * OF_THE_TIMEOUT
        words = f"took {OF_THE_TIMEOUT:.0%} of the time that it may take ({timeout})"
        yield _function(name, "Duration", "duration", words, longest, "Maximum")
    dead = _queue("UpkeepDeadLetterQueue", "ApproximateNumberOfMessagesVisible")
    yield Watched("upkeep-dead-letters", "Upkeep was given up", (("m", dead),), 1)
    age = _queue("IntakeQueue", "ApproximateAgeOfOldestMessage")
    yield Watched("files-wait", f"A file has waited for {LONG_WAIT}", (("m", age),), seconds_of(LONG_WAIT))


def _function(name: str, metric: str, end: str, words: str, threshold: float, statistic: str = "Sum") -> Watched:
    of = Metric("AWS/Lambda", metric, (("FunctionName", (f"{name.capitalize()}Function", "Ref")),), statistic)
    return Watched(f"{name}-{end}", f"The function {name} {words}", (("m", of),), threshold, 5 * MINUTE)


def _queue(title: str, metric: str) -> Metric:
    return Metric("AWS/SQS", metric, (("QueueName", (title, "QueueName")),), "Maximum")


def _declared(
    declaration: Declaration, name: str, alarm: Alarm, topics: tuple[str, ...]
) -> Iterator[Watched | Unwatched]:
    if reason := _no_meaning(alarm):
        yield Unwatched(name, reason)
        return
    within = seconds_of(getattr(alarm.body, "within", "1m"))
    if within > DAY or within % MINUTE:
        yield Unwatched(name, "CloudWatch looks back over whole minutes, and over one day at most")
        return
    if alarm.recover_after is not None:
        yield Unwatched(f"{name}.recover_after", "CloudWatch ends an alarm with the first period in which all is well")
    period = _freshness_period(declaration) if alarm.kind == "freshness" else max(within, MINUTE)
    how: dict[str, Any] = {"lasting": math.ceil(seconds_of(alarm.for_) / period) if alarm.for_ else 1}
    if how["lasting"] * period > DAY:
        yield Unwatched(name, "CloudWatch looks back over one day at most, which `within` and `for` together are over")
        return
    match alarm.kind:
        case "dead_letters":
            dead = _queue("DeadLetterQueue", "ApproximateNumberOfMessagesVisible")
            words = f"{alarm.body.at_least} or more files were given up and wait for a decision"
            yield Watched(_name(name), words, (("m", dead),), alarm.body.at_least, **how)
        case "oldest_waiting":
            age = _queue("IntakeQueue", "ApproximateAgeOfOldestMessage")
            words = f"A file has waited for {alarm.body.older_than}"
            yield Watched(_name(name), words, (("m", age),), seconds_of(alarm.body.older_than), **how)
        case "undelivered":
            yield from _undelivered(name, alarm, topics, int(within), how)
        case _:
            yield from _own(declaration, name, alarm, int(within), how)


def _no_meaning(alarm: Alarm) -> str:
    """Why an alarm is not watched on AWS; nothing where it is."""
    if alarm.kind == "disk":
        return "buckets have no end, and a function's disk is as large as aws.function.storage says"
    if alarm.kind == "failed_workflow":
        return "workflows are not deployed"
    if alarm.kind in {"dead_letters", "oldest_waiting"} and alarm.tables is not None:
        return "a queue does not tell tables apart; leave out `tables`"
    return ""


def _name(name: str, *after: str) -> str:
    return "-".join([name.replace("_", "-"), *after])


def _undelivered(
    name: str, alarm: Alarm, topics: tuple[str, ...], within: int, how: dict[str, Any]
) -> Iterator[Watched]:
    for title in topics:
        failed = Metric("AWS/SNS", "NumberOfNotificationsFailed", (("TopicName", (title, "TopicName")),), "Sum")
        words = f"{alarm.body.at_least} or more messages could not be delivered within {alarm.body.within}"
        yield Watched(_name(name, title), words, (("m", failed),), alarm.body.at_least, within, **how)


def _own(declaration: Declaration, name: str, alarm: Alarm, within: int, how: dict[str, Any]) -> Iterator[Watched]:
    """Alarms on the metrics that functions write: of the whole lake, or of each table."""
    names = [TableName.parse(table) for table in declaration.tables]
    each = alarm.tables is not None or alarm.kind == "freshness"
    for table in chosen_tables(alarm.tables, names) if each else (None,):
        of = f" of {table}" if table else ""
        facts = {**how, "tables": None if table is None else (table,)}
        title = _name(name, *([f"{table.layer}.{table.name}"] if table else []))
        match alarm.kind:
            case "error_rate":
                yield _error_rate(title, alarm.body, declaration.lake, table, within, facts)
            case "duration":
                statistic = "Maximum" if alarm.body.of == "max" else "p95"
                took = _metric(declaration.lake, "RunSeconds", table, statistic)
                longest = seconds_of(alarm.body.above)
                words = f"Files{of} take longer than {alarm.body.above}"
                yield Watched(title, words, (("m", took),), longest, within, strictly=True, **facts)
            case "breaches":
                broken = _metric(declaration.lake, "Breaches", table, "Sum")
                words = f"Checks{of} were broken {alarm.body.at_least} times or more within {alarm.body.within}"
                yield Watched(title, words, (("m", broken),), alarm.body.at_least, within, **facts)
            case "freshness":
                age = _metric(declaration.lake, "Freshness", table, "Maximum")
                period = _freshness_period(declaration)
                words = f"No rows were committed{of} for {alarm.body.older_than}"
                limit = seconds_of(alarm.body.older_than)
                yield Watched(title, words, (("m", age),), limit, period, missing="ignore", **facts)


def _freshness_period(declaration: Declaration) -> int:
    """How long ages are looked at together: upkeep, which tells them, comes by once within it at least."""
    return min(int(seconds_of(declaration.aws.upkeep.every)) * TWICE, DAY)


def _error_rate(
    title: str, body: Any, lake: str, table: TableName | None, within: int, facts: dict[str, Any]
) -> Watched:
    metrics = tuple(
        (key, _metric(lake, name, table, "Sum")) for key, name in (("tried", "Attempts"), ("failed", "Failures"))
    )
    expression = f"IF(tried >= {body.attempts}, FILL(failed, 0) / tried, 0)"
    words = f"More than {body.above:.0%} of attempts{f' of {table}' if table else ''} failed within {body.within}"
    return Watched(title, words, metrics, body.above, within, expression=expression, strictly=True, **facts)


def _metric(lake: str, name: str, table: TableName | None, statistic: str) -> Metric:
    of = (("Table", str(table)),) if table is not None else ()
    return Metric(NAMESPACE, name, (("Lake", lake), *of), statistic)
