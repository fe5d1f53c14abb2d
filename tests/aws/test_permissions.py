"""What principals may do: questions over the policies of the template lakes, each answered as its row says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from penstock.access import arns
from penstock.access.evaluate import Request, evaluate
from penstock.access.policy import Statement, document, filled, stack_values
from penstock.declaration import examine
from penstock.deployment.permissions import calls, grouped, principals, statements
from penstock.deployment.permissions.functions import WITHOUT_RESOURCE
from penstock.deployment.permissions.principals import of_people
from penstock.errors import AccessError
from tests.aws.deployed_lakes import ACCOUNT, TEMPLATES, Questioned, questioned
from tests.aws.permission_questions import AGENCY, EVERY, IMMOBILIER, ORDERS, STRANGER, Question
from tests.told import say

LAKES = (*TEMPLATES, "agency")
ROWS: Mapping[str, list[Question]] = {
    "consultations": EVERY,
    "immobilier": [*EVERY, *IMMOBILIER],
    "orders": [*EVERY, *ORDERS],
    "agency": [*EVERY, *AGENCY],
}


@pytest.mark.parametrize("lake", LAKES)
def test_every_question_is_answered_as_reviewed(lake: str) -> None:
    """Each row's principal may do what the row says, and may not do what the row says it may not."""
    there, rows = questioned(lake), ROWS[lake]
    wrong = [row for row in rows if answer(there, row) != row.allowed]
    assert wrong == []
    allowed = sum(row.allowed for row in rows)
    say("permissions", f"{lake}: {len(rows)} questions, {allowed} allowed, {len(rows) - allowed} refused")


def test_there_are_enough_questions_and_none_twice() -> None:
    """The reviewed file asks at least 150 things, each of them once."""
    for rows in ROWS.values():
        seen = [(row.principal, row.action, row.resource, tuple(sorted(row.context.items()))) for row in rows]
        assert sorted({asked for asked in seen if seen.count(asked) > 1}) == []
    assert len([*EVERY, *ORDERS, *IMMOBILIER, *AGENCY]) > 150


@pytest.mark.parametrize("lake", LAKES)
def test_no_statement_can_change_unseen(lake: str) -> None:
    """Whatever is taken from a statement, or added to what it covers, changes the answer to at least one question."""
    there = questioned(lake)
    unseen, number = [], 0
    for name, policy in there.policies.items():
        before = defaultdict[str, list[tuple[Request, bool]]](list)
        for request in (asked(there, row) for row in ROWS[lake] if row.principal == name):
            service = request.action.partition(":")[0]
            before[service].append((request, evaluate([policy], request).allowed))
        for service, what, changed in mutants(policy):
            number += 1
            if all(evaluate([changed], request).allowed == was for request, was in before[service]):
                unseen.append(f"{name}: {what}")
    assert unseen == []
    assert number > 100
    say("permissions", f"{lake}: {number} mutants of statements, all found out")


@pytest.mark.parametrize("lake", LAKES)
def test_every_statement_names_what_it_is_about(lake: str) -> None:
    """A lone `*` stands only with actions that know no resource; no action is one, and raw is only ever read."""
    for principal in principals(questioned(lake).declaration):
        sids = [statement.sid for statement in principal.statements]
        assert len(set(sids)) == len(sids)
        for statement in principal.statements:
            where = f"{principal.name} {statement.sid}"
            assert statement.effect == "Allow", where
            assert statement.why, where
            assert not any("*" in action for action in statement.actions), where
            assert all(
                text.startswith("arn:${AWS::Partition}:") or text == arns.KEY for text in statement.resources
            ) or (set(statement.actions) <= set(WITHOUT_RESOURCE) and statement.resources == ("*",)), where
            if any(arns.RAW in text for text in statement.resources):
                assert all(action.startswith(("s3:Get", "s3:List")) for action in statement.actions), where
            if any(text.startswith("arn:${AWS::Partition}:s3:::") for text in statement.resources):
                assert statement.conditions["StringEquals"]["aws:ResourceAccount"] == "${AWS::AccountId}", where
            if statement.resources == (arns.KEY,):
                keys = set(statement.conditions["StringEquals"])
                assert "kms:ViaService" in keys, where
                assert any(key.startswith("kms:EncryptionContext:") for key in keys), where


def test_each_call_that_is_declared_is_granted_to_somebody() -> None:
    """What stands beside the calls as `ACTIONS` is granted; what nobody needs would be found here."""
    declaration = questioned("agency").declaration
    granted = {
        action for who in principals(declaration) for statement in who.statements for action in statement.actions
    }
    needed = {
        *(*calls.CATALOG, *calls.READING, *calls.RAW, *calls.TABLES, *calls.STATE, *calls.LOGS, *calls.NOTICES),
        *(*calls.SECRETS, *calls.SECRET_KEYS),
        *(*calls.INTAKE_ACTIONS, *calls.DEAD_ACTIONS, *calls.WAKING_ACTIONS, *calls.FORGETTING_ACTIONS),
    }
    for who in ("operator", "role:finance", "role:admin"):
        asks = {action for statement in statements(declaration, who) for action in statement.actions}
        assert sorted(set(calls.QUERIES) - asks) == []
    assert sorted(needed - granted) == []
    assert len(needed) > 20


OUR_GROUP = {
    "aws:SourceAccount": ACCOUNT,
    "aws:SourceArn": f"arn:aws:scheduler:eu-west-3:{ACCOUNT}:schedule-group/penstock-agency",
}
MFA = {"aws:MultiFactorAuthPresent": "true"}


def who(name: str, account: str = ACCOUNT) -> dict[str, str]:
    """As AWS says of whoever asks: of somebody who acts as a role, the role."""
    return {"aws:PrincipalArn": f"arn:aws:iam::{account}:{name}"}


OTHER_GROUP = f"arn:aws:scheduler:eu-west-3:{ACCOUNT}:schedule-group/default"
TRUSTED: list[tuple[str, str, dict[str, str], bool, str]] = [
    ("intake", "lambda.amazonaws.com", {"aws:SourceAccount": ACCOUNT}, True, "Lambda runs functions of the account"),
    ("intake", "lambda.amazonaws.com", {"aws:SourceAccount": STRANGER}, False, "another account's function"),
    ("intake", "lambda.amazonaws.com", {}, False, "a service that does not say for whom it asks"),
    ("intake", "ec2.amazonaws.com", {"aws:SourceAccount": ACCOUNT}, False, "another service"),
    ("intake", f"arn:aws:iam::{ACCOUNT}:user/a", {"aws:SourceAccount": ACCOUNT}, False, "people are no functions"),
    ("upkeep", "lambda.amazonaws.com", {"aws:SourceAccount": ACCOUNT}, True, "Lambda runs functions of the account"),
    ("upkeep", "lambda.amazonaws.com", {"aws:SourceAccount": STRANGER}, False, "another account's function"),
    ("schedule", "scheduler.amazonaws.com", OUR_GROUP, True, "a schedule says its group, not its own name"),
    ("schedule", "scheduler.amazonaws.com", {**OUR_GROUP, "aws:SourceArn": OTHER_GROUP}, False, "another group's"),
    ("schedule", "scheduler.amazonaws.com", {**OUR_GROUP, "aws:SourceAccount": STRANGER}, False, "another account's"),
    ("schedule", "events.amazonaws.com", OUR_GROUP, False, "another service"),
    ("role:finance", f"arn:aws:iam::{ACCOUNT}:user/a", {}, True, "people of the account, as its policies allow them"),
    ("role:finance", f"arn:aws:sts::{ACCOUNT}:assumed-role/x/a", {}, True, "people who are signed in otherwise"),
    ("role:finance", "arn:aws:iam::999999999999:user/a", {}, False, "people of another account"),
    ("role:finance", "lambda.amazonaws.com", {}, False, "services are no people"),
    ("role:curated", f"arn:aws:sts::{ACCOUNT}:assumed-role/analysts/a", who("role/analysts"), True, "a role is named"),
    ("role:curated", f"arn:aws:sts::{ACCOUNT}:assumed-role/others/a", who("role/others"), False, "another role"),
    ("role:curated", f"arn:aws:iam::{ACCOUNT}:user/analysts", who("user/analysts"), False, "a user of that name"),
    ("role:curated", f"arn:aws:iam::{STRANGER}:user/visitors/a", who("user/visitors/a", STRANGER), True, "a visitor"),
    ("role:curated", f"arn:aws:iam::{STRANGER}:user/a", who("user/a", STRANGER), False, "no visitor"),
    (
        "role:curated",
        f"arn:aws:iam::{STRANGER}:role/analysts",
        who("role/analysts", STRANGER),
        False,
        "named, elsewhere",
    ),
    ("role:admin", f"arn:aws:iam::{ACCOUNT}:user/boss", who("user/boss") | MFA, True, "named, with a second factor"),
    ("role:admin", f"arn:aws:iam::{ACCOUNT}:user/boss", who("user/boss"), False, "named, without one"),
    ("role:admin", f"arn:aws:iam::{ACCOUNT}:user/a", who("user/a") | MFA, False, "a second factor is not enough"),
]
"""Who may act as whom: the principal, who asks, what is known of it, the answer, and why."""


@pytest.mark.parametrize("row", TRUSTED, ids=lambda row: f"{row[0]} {row[1]} {row[4]}")
def test_who_may_act_as_whom(row: tuple[str, str, dict[str, str], bool, str]) -> None:
    """Roles are taken on by those for whom they are made, and by nobody else."""
    name, who, context, allowed, _ = row
    there = questioned("agency")
    trust = next(each for each in principals(there.declaration) if each.name == name).trust
    policy = document(trust, lambda text: filled(text, stack_values(there.deployed)))
    assert evaluate([policy], Request("sts:AssumeRole", "*", context, who)).allowed == allowed


def test_people_can_be_held_to_names_and_to_a_second_factor() -> None:
    """Who may act as a role can be named, and asked for a second factor; no other account is meant."""
    there = questioned("agency")
    trust = of_people((f"arn:aws:iam::{ACCOUNT}:role/analysts",), mfa=True)
    assert trust[0].principal == {"AWS": f"arn:${{AWS::Partition}}:iam::{ACCOUNT}:root"}
    policy = document(trust, lambda text: filled(text, stack_values(there.deployed)))
    analyst, other = f"arn:aws:iam::{ACCOUNT}:role/analysts", f"arn:aws:iam::{ACCOUNT}:role/others"
    for who, context, allowed in (
        (analyst, {"aws:MultiFactorAuthPresent": "true"}, True),
        (analyst, {"aws:MultiFactorAuthPresent": "false"}, False),
        (analyst, {}, False),
        (other, {"aws:MultiFactorAuthPresent": "true"}, False),
    ):
        asked_by = Request("sts:AssumeRole", "*", {**context, "aws:PrincipalArn": who}, who)
        assert evaluate([policy], asked_by).allowed == allowed


LONGEST = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "1" * 12,
    "AWS::StackName": "s" * 25,
    "RawBucket": "r" * 63,
    "ProcessedBucket": "p" * 63,
    "EnrichedBucket": "e" * 63,
    "Key.Arn": f"arn:aws-us-gov:kms:ap-southeast-1:{'1' * 12}:key/{'k' * 36}",
}
"""The longest names that what a policy names can have."""


def test_policies_fit_into_what_aws_takes() -> None:
    """However many tables there are, each policy stays under the limit, and together they say the same."""
    tables = "".join(f"  layer_{at % 7}.table_{at}: {{files: 'folder_{at}/*.csv'}}\n" for at in range(120))
    examined = examine(f"lake: wide\naccess:\n  all_tables: {{query: ['*']}}\ntables:\n{tables}")
    assert examined.declaration is not None
    for name in ("intake", "role:all_tables"):
        whole = statements(examined.declaration, name)
        groups = grouped(whole)
        assert len(groups) > 3
        for group in groups:
            policy = document(group, lambda text: filled(text, LONGEST))
            assert len(json.dumps(policy, separators=(",", ":"))) <= 6_144
        assert _pairs(whole) == _pairs(part for group in groups for part in group)


def test_a_condition_that_is_too_long_is_refused() -> None:
    """What cannot be split into policies is an error that says so, and not a policy that AWS refuses."""
    long = Statement("Long", ("s3:GetObject",), ("arn:${AWS::Partition}:s3:::b/" + "k" * 7_000,), "too long")
    with pytest.raises(AccessError, match='the statement "Long" is longer than a policy may be'):
        grouped([long])


def test_unknown_names_are_refused() -> None:
    """A text that names what no stack has, and a principal that is not there, are errors."""
    with pytest.raises(AccessError, match=r"names \$\{RawBukcet\}"):
        filled("arn:aws:s3:::${RawBukcet}", stack_values(questioned("agency").deployed))
    with pytest.raises(AccessError, match='no principal "dashboard"'):
        statements(questioned("agency").declaration, "dashboard")
    with pytest.raises(AccessError, match='no role "fnance"'):
        statements(questioned("agency").declaration, "role:fnance")


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ("a*.csv", "a*.csv"),
        ("**/a?.csv", "*a?.csv"),
        ("x/**", "x/*"),
        ("[ab]/[!0-9]*.csv", "?/?*.csv"),
        ("a$b.csv", "a${!$}b.csv"),
    ],
)
def test_patterns_of_files_become_patterns_of_policies(files: str, granted: str) -> None:
    """A policy's pattern covers all that a glob means; a sign that means something to IAM is written out."""
    assert arns.raw_objects(files) == f"arn:${{AWS::Partition}}:s3:::${{RawBucket}}/{granted}"


def _pairs(found: Iterable[Statement]) -> set[tuple[str, str, str]]:
    return {
        (action, resource, repr(statement.conditions))
        for statement in found
        for action in statement.actions
        for resource in statement.resources
    }


def answer(there: Questioned, row: Question) -> bool:
    """What the policies say to a row."""
    return evaluate([there.policies[row.principal]], asked(there, row)).allowed


def asked(there: Questioned, row: Question) -> Request:
    """A row as a request; S3 always says whose the bucket is."""
    context = {key: value.format(**there.words) for key, value in row.context.items()}
    if row.action.startswith("s3:"):
        context = {"aws:ResourceAccount": ACCOUNT, **context}
    return Request(row.action, there.arn(row.resource), context)


def mutants(policy: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A policy with one thing missing, or one thing wider: of which service, what it is, and the policy."""
    for at, statement in enumerate(policy["Statement"]):
        sid, service = statement["Sid"], statement["Action"][0].partition(":")[0]
        changed: list[tuple[str, Mapping[str, Any] | None]] = [("dropped", None), *_looser(statement)]
        for place in ("Action", "Resource"):
            rests = [(gone, [it for it in statement[place] if it != gone]) for gone in statement[place]]
            changed += [(f"without {gone}", {**statement, place: rest}) for gone, rest in rests if rest]
        if statement["Resource"] != ["*"]:
            changed.append((f"with {service}:*", {**statement, "Action": [f"{service}:*"]}))
            wides = [(wide, [*statement["Resource"], wide]) for wide in map(wider, statement["Resource"])]
            changed += [(f"on {wide}", {**statement, "Resource": listed}) for wide, listed in wides]
        for what, instead in changed:
            yield service, f"{sid} {what}", _with(policy, at, instead)


def _looser(statement: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A statement with one condition fewer, or one value of it fewer."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            changed = deepcopy(dict(statement))
            del changed["Condition"][operator][key]
            yield f"whatever {key}", changed
            for value in values if isinstance(values, list) and len(values) > 1 else ():
                changed = deepcopy(dict(statement))
                changed["Condition"][operator][key] = [text for text in values if text != value]
                yield f"without {key}={value}", changed


def wider(arn: str) -> str:
    """An ARN that covers all of its kind."""
    *before, last = arn.split(":", 5)
    kind, slash, _ = last.partition("/")
    return ":".join([*before, f"{kind}/*" if slash and before[2] in {"glue", "dynamodb", "athena"} else "*"])


def _with(policy: Mapping[str, Any], at: int, statement: Mapping[str, Any] | None) -> dict[str, Any]:
    listed = list(policy["Statement"])
    listed[at : at + 1] = [] if statement is None else [statement]
    return {**policy, "Statement": listed}
