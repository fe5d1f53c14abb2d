"""What deploying would do, as a value: resources, statements, tables and money, against what is deployed now.

Pure, but for what it is given: two templates, what stands in the stack, and what CloudFormation says of a change set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.deployment.changes import ADD, CHANGE, REMOVE, REPLACE, Change, changes, confirmed
from penstock.deployment.resolving import defaults, resolved
from penstock.deployment.schemas import TableChange
from penstock.deployment.secret_checks import Finding
from penstock.deployment.statements import Allowed, difference


@dataclass(frozen=True)
class Money:
    """What a month costs, in US dollars, at the volumes that are assumed.

    Attributes:
        now: What is deployed; None when nothing is, or it cannot be told.
        then: What is declared.
        idle: What of it is to be paid when nothing happens.
        missing: What is in neither, because the region has no known price: what it costs where all prices are known.
        idle_missing: What of that is to be paid when nothing happens.
        now_missing: What is deployed of what has no known price.
    """

    now: float | None
    then: float
    idle: float
    missing: float = 0.0
    idle_missing: float = 0.0
    now_missing: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What deploying would do.

    Attributes:
        lake: The lake's name.
        stack: The stack's name.
        account: Whose account; empty when AWS was not asked.
        region: Where; empty when it is not known.
        known: Whether it is compared with what is deployed; else everything is shown as new.
        exists: Whether the stack is there.
        changes: What becomes of each resource.
        granted: The statements that come.
        withdrawn: The statements that go.
        tables: What becomes of the tables.
        money: What a month costs; None where there are no prices.
        notes: What else is to be known.
        secrets: What is wrong with the secrets that functions will fetch.
    """

    lake: str
    stack: str
    account: str = ""
    region: str = ""
    known: bool = False
    exists: bool = False
    changes: tuple[Change, ...] = ()
    granted: tuple[Allowed, ...] = ()
    withdrawn: tuple[Allowed, ...] = ()
    tables: tuple[TableChange, ...] = ()
    money: Money | None = None
    notes: tuple[str, ...] = ()
    secrets: tuple[Finding, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether deploying would change nothing."""
        return not self.changes

    @property
    def counts(self) -> Counter[str]:
        """How many resources are added, changed, replaced and removed."""
        return Counter(change.action for change in self.changes)

    def facts(self) -> dict[str, Any]:
        """The plan as `--json` shows it; these names are stable."""
        return {
            "lake": self.lake,
            "stack": self.stack,
            "account": self.account or None,
            "region": self.region or None,
            "compared": self.known,
            "deployed": self.exists,
            "counts": {action: self.counts[action] for action in (ADD, CHANGE, REPLACE, REMOVE)},
            "resources": [_resource(change) for change in self.changes],
            "permissions": {"added": list(map(_allowed, self.granted)), "removed": list(map(_allowed, self.withdrawn))},
            "tables": [vars(change) for change in self.tables],
            "cost": _money(self.money),
            "notes": list(self.notes),
            "secrets": [vars(finding) for finding in self.secrets],
        }


@dataclass(frozen=True)
class Standing:
    """What is deployed: the template, the values of its parameters, and what its resources are called on AWS."""

    template: Mapping[str, Any]
    values: Mapping[str, str]
    physical: Mapping[str, str]


def compared(
    plan: Plan,
    template: Mapping[str, Any],
    given: Mapping[str, str],
    deployed: Standing | None = None,
    here: Mapping[str, str] | None = None,
) -> Plan:
    """The plan with what becomes of resources and statements.

    Args:
        plan: The plan so far.
        template: The template that is declared.
        given: Values of its parameters; the others get their defaults.
        deployed: What is deployed, if anything is.
        here: CloudFormation's own parameters, such as `AWS::Region`, where they are known.
    """
    known = here or {}
    old = resolved(deployed.template, {**known, **deployed.values}) if deployed else {}
    new = resolved(template, {**known, **given})
    granted, withdrawn = difference(old, new)
    notes = list(_set_by_hand(template, deployed)) if deployed else []
    found = changes(old, new, deployed.physical if deployed else {})
    return replace(plan, changes=found, granted=granted, withdrawn=withdrawn, notes=(*plan.notes, *notes))


def _set_by_hand(template: Mapping[str, Any], deployed: Standing) -> Iterator[str]:
    """Parameters that somebody gave other values than `lake.yaml` does, which they lose."""
    values, before = defaults(template), defaults(deployed.template)
    for name, value in sorted(deployed.values.items()):
        if name in values and value != values[name] and value != before.get(name, value):
            yield f'parameter {name} was set to "{value}" by hand; it becomes "{values[name]}", as lake.yaml says'


def settled(plan: Plan, said: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan as CloudFormation's change set has it; changes of tags alone, for example, only it knows.

    One that lists nothing says nothing of resources: then the plan stays as it is.
    """
    if not said:
        return plan
    return replace(plan, changes=confirmed(plan.changes, said))


def _resource(change: Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "part": change.part,
        "resource": change.name,
        "type": change.type,
        "name": change.physical or None,
        "because": list(change.because),
        "kept": change.kept,
    }


def _allowed(found: Allowed) -> dict[str, Any]:
    return {
        "of": found.holder,
        "effect": found.effect,
        "who": list(found.who),
        "actions": list(found.actions),
        "resources": list(found.resources),
        "conditions": found.conditions or None,
    }


def _money(found: Money | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "currency": "USD",
        "monthly": round(found.then, 2),
        "now": None if found.now is None else round(found.now, 2),
        "idle": round(found.idle, 2),
        "missing": round(found.missing, 2),
        "idle_missing": round(found.idle_missing, 2),
    }
