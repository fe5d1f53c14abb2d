"""What policies say: the rules of IAM's language, one by one, and what must hold for every policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.access.evaluate import OPERATORS, Decision, Request, evaluate
from penstock.errors import AccessError

OBJECT = "arn:aws:s3:::lake-raw/sales/orders.csv"


def policy(**statement: Any) -> dict[str, Any]:
    """A policy of one statement, which allows to read an object where nothing else is said."""
    told = {"Sid": "One", "Effect": "Allow", "Action": "s3:GetObject", "Resource": OBJECT}
    for gone in ("Action", "Resource"):
        if f"Not{gone}" in statement:
            del told[gone]
    return {"Version": "2012-10-17", "Statement": [{**told, **statement}]}


def says(document: dict[str, Any], action: str = "s3:GetObject", resource: str = OBJECT, **context: Any) -> bool:
    """The answer to a request; `aws_x` stands for the key `aws:x`."""
    found = {key.replace("_", ":", 1): value for key, value in context.items()}
    return evaluate([document], Request(action, resource, found)).allowed


# --- Who wins ---------------------------------------------------------------------------------


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    """Without a statement that fits, a request is refused, and nobody denied it."""
    assert evaluate([], Request("s3:GetObject", OBJECT)) == Decision(allowed=False, sid="", denied=False)


def test_a_denial_wins_wherever_it_stands() -> None:
    """A statement that denies beats one that allows, before it, after it, and in another policy."""
    allow, deny = policy(Sid="Yes"), policy(Sid="No", Effect="Deny")
    for policies in ([allow, deny], [deny, allow]):
        assert evaluate(policies, Request("s3:GetObject", OBJECT)) == Decision(allowed=False, sid="No", denied=True)
    assert evaluate([allow], Request("s3:GetObject", OBJECT)) == Decision(allowed=True, sid="Yes", denied=False)


def test_one_statement_need_not_stand_in_a_list() -> None:
    """A policy may have its one statement, action and resource without a list."""
    alone = {"Statement": policy()["Statement"][0]}
    assert says(alone)


# --- What fits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "action", "fits"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("s3:getobject", "S3:GetObject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:GetObjec?", "s3:GetObject", True),
        ("*", "s3:GetObject", True),
        ("s3:GetObject", "s3:GetObjectVersion", False),
        ("s3:Get", "s3:GetObject", False),
        ("s3:Get.bject", "s3:GetObject", False),
        ("sqs:*", "s3:GetObject", False),
    ],
)
def test_actions(pattern: str, action: str, fits: bool) -> None:  # noqa: FBT001 - a table
    """Actions fit whatever their case; `*` and `?` are the only wildcards."""
    assert says(policy(Action=pattern), action) == fits
    assert says(policy(NotAction=[pattern]), action) != fits


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        (OBJECT, OBJECT, True),
        ("arn:aws:s3:::lake-raw/*", OBJECT, True),
        ("arn:aws:s3:::lake-raw/sales/order?.csv", OBJECT, True),
        ("*", OBJECT, True),
        ("arn:aws:s3:::lake-raw", OBJECT, False),
        ("arn:aws:s3:::LAKE-RAW/*", OBJECT, False),
        ("arn:aws:s3:::lake-raw/sales", OBJECT, False),
        ("arn:aws:s3:::lake.raw/*", OBJECT, False),
        ("arn:aws:sqs:*:*:*", "arn:aws:sqs:eu-west-3:1:q", True),
        ("arn:aws:sqs:*", "arn:aws:sqs:eu-west-3:1:q", False),
        ("arn:aws:s3:*:lake-raw/*", "arn:aws:s3:::lake-raw/a", False),
        ("arn:aws:logs:r:1:log-group:/x:*", "arn:aws:logs:r:1:log-group:/x:log-stream:a", True),
        ("arn:aws:logs:r:1:log-group:/x", "arn:aws:logs:r:1:log-group:/x:log-stream:a", False),
    ],
)
def test_resources(pattern: str, resource: str, fits: bool) -> None:  # noqa: FBT001 - a table
    """ARNs fit part by part, and their case matters; the last part may hold anything."""
    assert says(policy(Resource=[pattern]), resource=resource) == fits
    assert says(policy(NotResource=[pattern]), resource=resource) != fits


# --- Conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "met"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?", "abc", False),
        ("StringLike", "*", None, False),
        ("StringNotLike", "a*", "abc", False),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::b", True),
        ("ArnLike", "arn:aws:*", "arn:aws:s3:::b", False),
        ("ArnLike", "*", "arn:aws:s3:::b", False),
        ("ArnEquals", "arn:aws:sns:r:1:t-*", "arn:aws:sns:r:1:t-x", True),
        ("ArnNotLike", "arn:aws:s3:::*", "arn:aws:s3:::b", False),
        ("ArnNotEquals", "arn:aws:s3:::a", "arn:aws:s3:::b", True),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "true", "false", False),
        ("Bool", "false", None, False),
        ("BoolIfExists", "true", None, True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericLessThan", "10", "many", False),
        ("Null", "true", None, True),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("ForAnyValue:StringEquals", ["a", "b"], ("x", "b"), True),
        ("ForAnyValue:StringEquals", "a", ("x", "y"), False),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
        ("ForAllValues:StringEquals", "a", None, True),
    ],
)
def test_conditions(operator: str, wanted: Any, found: Any, met: bool) -> None:  # noqa: FBT001 - a table
    """Each operator compares as AWS's guide says, also where the request has no such key."""
    document = policy(Condition={operator: {"aws:Thing": wanted}})
    context = {} if found is None else {"aws_thing": found}
    assert says(document, **context) == met


def test_all_conditions_of_a_statement_must_be_met() -> None:
    """Operators, and keys within one, are all to be met; of the values of a key, one."""
    document = policy(Condition={"StringEquals": {"aws:a": ["1", "2"], "aws:b": "3"}, "StringLike": {"aws:c": "x*"}})
    assert says(document, aws_a="2", aws_b="3", aws_c="xyz")
    for missing in ({"aws_a": "3"}, {"aws_b": "4"}, {"aws_c": "y"}):
        assert not says(document, **{"aws_a": "2", "aws_b": "3", "aws_c": "xyz", **missing})


def test_variables_are_what_the_request_says() -> None:
    """A variable is the request's value, taken as it is; without one, nothing fits, unless a default is given."""
    own = policy(Resource="arn:aws:s3:::lake-raw/${aws:username}/*")
    assert says(own, resource="arn:aws:s3:::lake-raw/ann/a", aws_username="ann")
    assert not says(own, resource="arn:aws:s3:::lake-raw/bob/a", aws_username="ann")
    assert not says(own, resource="arn:aws:s3:::lake-raw/bob/a", aws_username="*")
    assert not says(own, resource="arn:aws:s3:::lake-raw//a")
    default = policy(Condition={"StringLike": {"s3:prefix": "${aws:username, 'all'}/*"}})
    assert says(default, s3_prefix="all/x")
    signs = policy(Resource="arn:aws:s3:::lake-raw/${*}${$}${?}")
    assert says(signs, resource="arn:aws:s3:::lake-raw/*$?")
    assert not says(signs, resource="arn:aws:s3:::lake-raw/a$b")


# --- Principals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "who", "fits"),
    [
        ("*", "arn:aws:iam::1:user/a", True),
        ({"AWS": "arn:aws:iam::111111111111:root"}, "arn:aws:iam::111111111111:user/a", True),
        ({"AWS": "111111111111"}, "arn:aws:iam::111111111111:user/a", True),
        ({"AWS": "arn:aws:iam::111111111111:root"}, "arn:aws:iam::222222222222:user/a", False),
        ({"AWS": ["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"]}, "arn:aws:iam::1:role/b", True),
        ({"AWS": "arn:aws:iam::1:role/a"}, "arn:aws:iam::1:role/b", False),
        ({"Service": "events.amazonaws.com"}, "events.amazonaws.com", True),
        ({"Service": "events.amazonaws.com"}, "sns.amazonaws.com", False),
        ({"Service": "events.amazonaws.com"}, "", False),
    ],
)
def test_principals(principal: Any, who: str, fits: bool) -> None:  # noqa: FBT001 - a table
    """A policy at a resource names who may: an account, somebody in it, a service, or everybody."""
    assert evaluate([policy(Principal=principal)], Request("s3:GetObject", OBJECT, {}, who)).allowed == fits


# --- What is not known ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "context"),
    [
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}, {}),
        ({"Condition": {"ForSomeValues:StringEquals": {"aws:x": "y"}}}, {}),
        ({"Condition": {"StringEquals": {"aws:x": "y"}}}, {"aws:x": ("y", "z")}),
        ({"NotPrincipal": {"AWS": "1"}}, {}),
        ({"Effect": "Perhaps"}, {}),
    ],
)
def test_what_is_not_known_is_no_answer(statement: dict[str, Any], context: dict[str, Any]) -> None:
    """A policy with what the evaluator does not know is an error, not an answer."""
    with pytest.raises(AccessError, match="which the evaluator does not know"):
        evaluate([policy(**statement)], Request("s3:GetObject", OBJECT, context))


# --- What holds for all policies --------------------------------------------------------------

NAMES = st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:Get*", "sqs:*", "*", "s3:?etObject"])
PLACES = st.sampled_from([OBJECT, "arn:aws:s3:::lake-raw/*", "arn:aws:s3:::*", "*", "arn:aws:sqs:r:1:q"])
CONDITIONS = st.dictionaries(
    st.sampled_from([name for name in OPERATORS if name.startswith(("String", "Bool"))]),
    st.dictionaries(st.sampled_from(["aws:a", "aws:b"]), st.sampled_from(["x", "y*", "true"]), min_size=1),
    max_size=2,
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": NAMES, "Resource": PLACES, "Condition": CONDITIONS}
)
REQUESTS = st.builds(
    Request,
    st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    st.sampled_from([OBJECT, "arn:aws:s3:::lake-raw/b", "arn:aws:sqs:r:1:q"]),
    st.dictionaries(st.sampled_from(["aws:a", "aws:b"]), st.sampled_from(["x", "yz", "true"])),
)


@given(st.lists(STATEMENTS, max_size=4), STATEMENTS, REQUESTS)
def test_more_permissions_never_take_any_away(
    statements: list[dict[str, Any]], more: dict[str, Any], request: Request
) -> None:
    """A statement that allows never turns a yes into a no; one that denies never turns a no into a yes."""
    before = evaluate([{"Statement": statements}], request).allowed
    after = evaluate([{"Statement": [*statements, more]}], request).allowed
    assert after >= before if more["Effect"] == "Allow" else after <= before


@given(st.lists(STATEMENTS, max_size=5), REQUESTS, st.randoms())
def test_order_and_grouping_do_not_matter(statements: list[dict[str, Any]], request: Request, chance: Any) -> None:
    """The same statements say the same in any order, and in one policy or several."""
    whole = evaluate([{"Statement": statements}], request).allowed
    shuffled = list(statements)
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(shuffled))
    parts = [{"Statement": shuffled[:cut]}, {"Statement": shuffled[cut:]}]
    assert evaluate(parts, request).allowed == whole


@given(STATEMENTS, REQUESTS)
def test_an_answer_is_the_opposite_of_what_a_denial_makes_it(statement: dict[str, Any], request: Request) -> None:
    """What a statement allows, the same statement denies, and it is about nothing else."""
    allowed = evaluate([{"Statement": [{**statement, "Effect": "Allow"}]}], request).allowed
    denied = evaluate([{"Statement": [{**statement, "Effect": "Deny"}]}], request).denied
    assert allowed == denied


@given(STATEMENTS, REQUESTS)
def test_fewer_conditions_never_narrow(statement: dict[str, Any], request: Request) -> None:
    """A statement without its conditions allows whatever it allowed with them."""
    with_them = evaluate([{"Statement": [{**statement, "Effect": "Allow"}]}], request).allowed
    without = evaluate([{"Statement": [{**statement, "Effect": "Allow", "Condition": {}}]}], request).allowed
    assert without >= with_them
