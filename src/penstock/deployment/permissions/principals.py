"""Everybody who may do something in a deployed lake, with what they may do and who may act as them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from penstock.access import arns
from penstock.access.aws import role_statements
from penstock.access.policy import Conditions, Statement, document
from penstock.declaration import AwsRole, Declaration
from penstock.deployment.permissions.functions import intake, schedule, upkeep
from penstock.deployment.permissions.operator import operator, readmitter
from penstock.errors import AccessError

ROLE = "role:"
"""Before the name of a declared role, where principals are named."""
LONGEST = 6_144
"""Letters of a managed policy, spaces aside."""
RESOLVED = 64
"""How long a bucket's name or a key's id can become, in place of what stands for it."""
LENGTHS = {"AWS::Partition": 10, "AWS::Region": 14, "AWS::AccountId": 12, "AWS::StackName": 26}
"""How long can become what stands in every ARN; a stack's longest name leaves room for those of buckets."""
IN_ACCOUNT: Conditions = {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}


@dataclass(frozen=True)
class Principal:
    """Somebody who may do something.

    Attributes:
        name: `intake`, `upkeep`, `schedule`, `operator`, `readmitter`, or `role:` and the name of a declared role.
        who: What it is, for people.
        statements: What it may do.
        trust: Who may act as it; nobody has to, where it is a suggested policy.
    """

    name: str
    who: str
    statements: tuple[Statement, ...]
    trust: tuple[Statement, ...] = ()


def principals(declaration: Declaration) -> tuple[Principal, ...]:
    """All principals of a lake."""
    return tuple(principal_of(declaration, name) for name in names(declaration))


def names(declaration: Declaration) -> tuple[str, ...]:
    """What the principals of a lake are called."""
    return ("intake", "upkeep", "schedule", *(f"{ROLE}{role}" for role in declaration.access), "operator", "readmitter")


def principal_of(declaration: Declaration, name: str) -> Principal:
    """A principal of a lake.

    Raises:
        AccessError: There is none of that name.
    """
    if name.startswith(ROLE):
        role = name.removeprefix(ROLE)
        said = declaration.aws.roles.get(role, AwsRole())
        trust = of_people(tuple(said.who or ()), mfa=said.mfa)
        return Principal(name, f"the declared role `{role}`", role_statements(declaration, role), trust)
    match name:
        case "intake":
            return Principal(name, "the function that turns files into rows", intake(declaration), of_function())
        case "upkeep":
            return Principal(name, "the function that looks after tables", upkeep(declaration), of_function())
        case "schedule":
            return Principal(name, "the schedule that starts upkeep", schedule(), of_schedule())
        case "operator":
            return Principal(name, "people who look after the deployed lake from a laptop", operator(declaration))
        case "readmitter":
            who = "people who bring rows back from quarantine, in addition to the operator's policy"
            return Principal(name, who, readmitter(declaration))
    message = f'there is no principal "{name}"'
    raise AccessError(message, hint=f"there are: {', '.join(names(declaration))}")


def statements(declaration: Declaration, name: str) -> tuple[Statement, ...]:
    """What a principal may do."""
    return principal_of(declaration, name).statements


# --- Who may act as whom ----------------------------------------------------------------------


def of_function() -> tuple[Statement, ...]:
    """Lambda may act as a function's role, for functions of the account."""
    return (_trust("lambda.amazonaws.com", "Lambda runs the function as this role", IN_ACCOUNT),)


def of_schedule() -> tuple[Statement, ...]:
    """The scheduler may act as the schedule's role, for the stack's group of schedules."""
    group = arns.of_stack("scheduler", "schedule-group")
    of_group: Conditions = {"StringEquals": {**IN_ACCOUNT["StringEquals"], "aws:SourceArn": group}}
    return (_trust("scheduler.amazonaws.com", "EventBridge Scheduler starts upkeep as this role", of_group),)


def of_people(who: tuple[str, ...] = (), *, mfa: bool = False) -> tuple[Statement, ...]:
    """People may act as a declared role.

    Args:
        who: ARNs, or patterns of them, of those who may; whom the account's own policies allow it, when left out. They
            need their own account's permission as well.
        mfa: Whether they must have signed in with a second factor.
    """
    people = tuple(map(arns.in_partition, who))
    conditions: dict[str, Mapping[str, str | tuple[str, ...]]] = {}
    if people:
        conditions["ArnLike"] = {"aws:PrincipalArn": people}
    if mfa:
        conditions["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    accounts = tuple(dict.fromkeys(arns.root_of(arn) for arn in who)) or (arns.ACCOUNT_ROOT,)
    why = "people whom their account's policies allow to act as this role"
    principal = {"AWS": accounts if len(accounts) > 1 else accounts[0]}
    return (Statement("Trust", ("sts:AssumeRole",), (), why, conditions, principal),)


def _trust(service: str, why: str, conditions: Conditions) -> Statement:
    return Statement("Trust", ("sts:AssumeRole",), (), why, conditions, {"Service": service})


# --- Sizes ------------------------------------------------------------------------------------


def grouped(statements: Iterable[Statement], longest: int = LONGEST) -> tuple[tuple[Statement, ...], ...]:
    """Statements in as many policies as they need: AWS takes so many letters in one; what is longer is split.

    Raises:
        AccessError: One resource alone does not fit.
    """
    found: list[list[Statement]] = [[]]
    for statement in (part for whole in statements for part in _parts(whole, longest)):
        if found[-1] and _length([*found[-1], statement]) > longest:
            found.append([])
        found[-1].append(statement)
    return tuple(tuple(group) for group in found if group)


def _parts(statement: Statement, longest: int) -> Iterator[Statement]:
    """A statement, or its resources in several of them."""
    if _length([statement]) <= longest:
        yield statement
        return
    if len(statement.resources) < 2:  # noqa: PLR2004 - one cannot be split
        message = f'the statement "{statement.sid}" is longer than a policy may be'
        raise AccessError(message, hint="declare fewer tables below one role, or a pattern that needs fewer names")
    middle = len(statement.resources) // 2
    halves = statement.resources[:middle], statement.resources[middle:]
    for at, resources in enumerate(halves):
        yield from _parts(replace(statement, sid=f"{statement.sid}{'AB'[at]}", resources=resources), longest)


def _length(statements: list[Statement]) -> int:
    """How long a policy can become once names are filled in."""
    return filled_length(json.dumps(document(statements), separators=(",", ":")))


def filled_length(text: str) -> int:
    """How long a policy's text can become once names are filled in."""
    for name, length in LENGTHS.items():
        text = text.replace(f"${{{name}}}", "-" * length)
    return len(text) + text.count("${") * RESOLVED
