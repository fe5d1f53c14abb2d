"""What is watched: the alarms that are declared, those that there are anyway, and the tables that each is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from penstock.alarms.decide import Rule
from penstock.declaration import seconds_of
from penstock.declaration.alarms import Alarm, alarms_in_force, chosen_tables
from penstock.naming import TableName
from penstock.state.figures import Tables


@dataclass(frozen=True)
class Watch:
    """One alarm that has a state.

    Attributes:
        alarm: Its name.
        table: The table it is about, for kinds that look at each table alone.
        declared: What is declared of it.
        tables: The tables it is about; None for all.
    """

    alarm: str
    table: TableName | None
    declared: Alarm
    tables: Tables

    @property
    def rule(self) -> Rule:
        """How long things must last."""
        hold, recover = self.declared.for_, self.declared.recover_after
        return Rule(seconds_of(hold) if hold else 0.0, seconds_of(recover) if recover else 0.0)


def watches(declared: Mapping[str, Alarm | bool], tables: Collection[TableName]) -> list[Watch]:
    """Every alarm that has a state: one for each alarm, or one for each of its tables."""
    found = []
    for name, alarm in alarms_in_force(declared).items():
        chosen = chosen_tables(alarm.tables, tables)
        if alarm.kind == "freshness":
            found += [Watch(name, table, alarm, (table,)) for table in chosen]
        else:
            found.append(Watch(name, None, alarm, None if alarm.tables is None else tuple(chosen)))
    return found


def limit_of(alarm: Alarm) -> str:
    """What is too much, in a few words: `at least 1`, `above 10% within 1h`."""
    said = alarm.body
    match alarm.kind:
        case "dead_letters":
            text = f"at least {said.at_least:,}"
        case "error_rate":
            text = f"above {said.above:.6g} within {said.within}"
        case "duration":
            text = f"{'' if said.of == 'max' else f'{said.of} '}above {said.above} within {said.within}"
        case "oldest_waiting" | "freshness":
            text = f"older than {said.older_than}"
        case "failed_workflow":
            text = ", ".join(alarm.workflows)
        case "disk":
            text = f"below {said.below or 'up.min_free'}"
        case _:
            text = f"at least {said.at_least:,} within {said.within}"
    return f"{text} for {alarm.for_}" if alarm.for_ else text
