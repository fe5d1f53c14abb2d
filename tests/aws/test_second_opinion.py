"""Second opinions on the policies: moto's S3, which refuses what a policy does not allow, and a linter of policies.

Moto judges S3 alone here. What it does wrong, and so is not asked of it: it ignores conditions (it would grant other
accounts' buckets, and listings of other prefixes, which a test below holds on to), and refuses Athena and Glue actions
that are held to ARNs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock import aws
from tests.aws import cloud
from tests.aws.deployed_lakes import Questioned, questioned
from tests.aws.permission_questions import Question
from tests.aws.test_permissions import LAKES, ROWS, answer
from tests.told import say

ASKED = {"s3:GetObject": "get_object", "s3:PutObject": "put_object", "s3:DeleteObject": "delete_object"}
"""What is asked of moto: the question's action, and the call."""
WHO = ("intake", "upkeep", "operator", "readmitter", "role:finance", "role:admin")


@pytest.fixture(scope="module")
def lake() -> Questioned:
    """The lake `immobilier`, whose buckets are there."""
    cloud.start()
    there = questioned("immobilier")
    for zone in ("raw", "processed", "enriched"):
        name = there.words[zone].rpartition(":")[2]
        place = {"LocationConstraint": cloud.REGION}
        aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
    return there


@contextmanager
def enforced() -> Iterator[None]:
    """Let moto refuse what is not allowed, until the block ends."""
    _from_now_on("0")
    try:
        yield
    finally:
        _from_now_on("inf")


def _from_now_on(free: str) -> None:
    address = f"{cloud.start()}/moto-api/reset-auth"
    request = urllib.request.Request(address, free.encode(), {"Content-Type": "text/plain"}, method="POST")  # noqa: S310
    urllib.request.urlopen(request).close()  # noqa: S310


def client_of(who: str, policy: dict[str, Any]) -> Any:
    """S3 for a user who has this policy."""
    import boto3

    iam, name = aws.client("iam"), who.replace(":", "-")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="lake", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "s3",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        region_name=cloud.REGION,
    )


def moto_says(s3: Any, row: Question, there: Questioned) -> bool:
    """Whether moto lets the call of a row through; that there may be no such object does not matter."""
    from botocore.exceptions import ClientError

    bucket, _, key = there.arn(row.resource).removeprefix("arn:aws:s3:::").partition("/")
    try:
        getattr(s3, ASKED[row.action])(Bucket=bucket, Key=key)
    except ClientError as error:
        return aws.code_of(error) not in {"AccessDenied", "403"}
    return True


def test_moto_agrees_on_objects(lake: Questioned) -> None:
    """What the reviewed table says of objects in the lake's buckets, moto's S3 does."""
    rows = [
        row
        for row in ROWS["immobilier"]
        if row.action in ASKED and not row.context and "arn:" not in row.resource and row.principal in WHO
    ]
    users = {who: client_of(who, lake.policies[who]) for who in WHO}
    with enforced():
        wrong = [row for row in rows if moto_says(users[row.principal], row, lake) != row.allowed]
    assert wrong == []
    allowed = sum(row.allowed for row in rows)
    assert 10 < allowed < len(rows) - 10
    say("permissions", f"moto's S3 agrees on {len(rows)} questions about objects, {allowed} of them allowed")


def test_moto_ignores_conditions(lake: Questioned) -> None:
    """Moto grants a listing whose condition is not met, which our evaluator refuses: why it is not asked of those."""
    row = Question("role:finance", "s3:ListBucket", "processed", {"s3:prefix": "hr/"}, allowed=False, why="its prefix")
    assert answer(lake, row) is False
    s3 = client_of("lister", lake.policies["role:finance"])
    with enforced():
        s3.list_objects_v2(Bucket=lake.words["processed"].rpartition(":")[2], Prefix="hr/")


LINTER = """
import json, sys, warnings
warnings.simplefilter("ignore")
from parliament import analyze_policy_string
found = [str(finding) for text in json.load(sys.stdin) for finding in analyze_policy_string(text).findings]
print(json.dumps(found))
"""


def lint(policies: list[dict[str, Any]]) -> list[str]:
    """What `parliament` finds in policies; it needs a process of its own, because it warns as it is imported."""
    given = json.dumps([json.dumps(policy) for policy in policies if policy["Statement"]])
    done = subprocess.run([sys.executable, "-c", LINTER], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_linter_finds_nothing() -> None:
    """Actions, resources and keys of conditions are such as AWS has, and fit together."""
    policies = [policy for lake in LAKES for policy in questioned(lake).policies.values()]
    assert lint(policies) == []
    say("permissions", f"parliament finds nothing in {len(policies)} policies")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"Action": ["s3:GetObjct"]}, "UNKNOWN_ACTION"),
        ({"Resource": ["arn:aws:s3:::a-bucket"]}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringEquals": {"kms:ViaService": "x"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Resource": ["*"]}, "RESOURCE_STAR"),
    ],
)
def test_the_linter_sees_mistakes(change: dict[str, Any], finding: str) -> None:
    """It would not be silent about a mistake: an action, a resource, a key or a `*` that is wrong is found."""
    right = {"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a-bucket/*"]}
    found = lint([{"Version": "2012-10-17", "Statement": [{**right, **change}]}])
    assert any(text.startswith(finding) for text in found), found
