"""Alarms on AWS: what is watched, as alarms of CloudWatch that tell the topics of the notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from troposphere import GetAtt, Ref, cloudwatch

from penstock.alarms.cloudwatch import Metric, Unwatched, Watched, watched
from penstock.cloudformation import STACK, Stack, camel, sub
from penstock.declaration import Declaration, Notice


class Topic(Protocol):
    """Where messages go: those of a notice, or, without one, all alarms."""

    @property
    def notice(self) -> Notice | None:
        """The notice."""

    @property
    def title(self) -> str:
        """The topic's logical id."""


def render(stack: Stack, declaration: Declaration, topics: Sequence[Topic]) -> None:
    """Add the alarms; what is declared and not watched becomes a note."""
    for what in watched(declaration, tuple(topic.title for topic in topics)):
        if isinstance(what, Unwatched):
            stack.note(f"alarms.{what.name} is not watched on AWS: {what.why}")
        else:
            stack.add(_alarm(what, topics))


def _alarm(what: Watched, topics: Sequence[Topic]) -> cloudwatch.Alarm:
    told = {"AlarmActions": _told("alarm", what, topics), "OKActions": _told("ok", what, topics)}
    return cloudwatch.Alarm(
        f"Alarm{camel(what.name)}",
        AlarmName=sub(f"{STACK}-{what.name}"),
        AlarmDescription=what.words,
        ComparisonOperator="GreaterThanThreshold" if what.strictly else "GreaterThanOrEqualToThreshold",
        EvaluationPeriods=what.lasting,
        DatapointsToAlarm=what.lasting,
        Threshold=what.threshold,
        TreatMissingData=what.missing,
        ActionsEnabled=True,
        **told,
        **_looked_at(what),
    )


def _told(event: str, what: Watched, topics: Sequence[Topic]) -> list[Ref]:
    tables = None if what.tables is None else list(what.tables)
    return [Ref(at.title) for at in topics if at.notice is None or at.notice.is_about(event, tables)]


def _looked_at(what: Watched) -> dict[str, Any]:
    if what.expression is None:
        metric = what.metrics[0][1]
        percentile = metric.statistic.startswith("p")
        return {
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Dimensions": _dimensions(metric),
            "Period": what.period,
            ("ExtendedStatistic" if percentile else "Statistic"): metric.statistic,
        }
    result = cloudwatch.MetricDataQuery(Id="result", Expression=what.expression, Label=what.words, ReturnData=True)
    return {"Metrics": [result, *(_query(name, metric, what.period) for name, metric in what.metrics)]}


def _query(name: str, metric: Metric, period: int) -> cloudwatch.MetricDataQuery:
    of = cloudwatch.Metric(Namespace=metric.namespace, MetricName=metric.name, Dimensions=_dimensions(metric))
    stat = cloudwatch.MetricStat(Metric=of, Period=period, Stat=metric.statistic)
    return cloudwatch.MetricDataQuery(Id=name, MetricStat=stat, ReturnData=False)


def _dimensions(metric: Metric) -> list[cloudwatch.MetricDimension]:
    return [cloudwatch.MetricDimension(Name=name, Value=_value(value)) for name, value in metric.dimensions]


def _value(value: str | tuple[str, str]) -> Any:
    if isinstance(value, str):
        return value
    title, attribute = value
    return Ref(title) if attribute == "Ref" else GetAtt(title, attribute)
