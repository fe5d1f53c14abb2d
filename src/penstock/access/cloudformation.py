"""Roles on AWS: one for each function and schedule, one for each declared role, and a policy for operators."""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import iam

from penstock.access.policy import Statement, document
from penstock.cloudformation import STACK, Stack, camel, sub

LONGEST_SESSION = 3600
Groups = Sequence[Sequence[Statement]]


def role(stack: Stack, name: str, words: str, trust: Sequence[Statement], groups: Groups) -> None:
    """Add a role.

    Args:
        stack: What to add it to.
        name: The end of its name, such as `intake` or `role-finance`.
        words: Whom it is for.
        trust: Who may act as it.
        groups: What it may do: within the role where one policy has room for all of it, else as policies beside it.
    """
    title = title_of(name)
    if len(groups) > 1:
        allowed = {"ManagedPolicyArns": managed(stack, name, words, groups)}
    else:
        allowed = {"Policies": [iam.Policy(PolicyName="lake", PolicyDocument=document(each, sub)) for each in groups]}
    made = iam.Role(
        title,
        RoleName=sub(f"{STACK}-{name}"),
        Description=words,
        MaxSessionDuration=LONGEST_SESSION,
        AssumeRolePolicyDocument=document(trust, sub),
        **allowed,
    )
    stack.add(made)


def managed(stack: Stack, name: str, words: str, groups: Groups) -> list[object]:
    """Add policies that stand by themselves, and give references to them."""
    title, found = title_of(name), []
    for at, each in enumerate(groups, start=1):
        made = iam.ManagedPolicy(
            f"{title}Policy{at}",
            ManagedPolicyName=sub(f"{STACK}-{name}{f'-{at}' if len(groups) > 1 else ''}"),
            Description=words,
            PolicyDocument=document(each, sub),
        )
        found.append(stack.add(made).ref())
    return found


def title_of(name: str) -> str:
    """The logical id of a role: `IntakeRole`, `RoleFinance`."""
    return f"Role{camel(name.removeprefix('role-'))}" if name.startswith("role-") else f"{camel(name)}Role"
