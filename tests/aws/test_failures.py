"""Why deployments fail, told from events.

Moto never fails: these are events in the shape that AWS gives them, replayed through the pure function; that AWS gives
just these is not tested here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from penstock.deployment.failures import Failure, advice, failure_of, plain, stuck
from penstock.deployment.follow import operation
from penstock.deployment.stacks import Event, standing
from tests.told import say

STACK = "arn:aws:cloudformation:eu-west-3:123456789012:stack/penstock-shop/1"
START = datetime(2026, 11, 21, tzinfo=UTC)
CASES = {
    "shop-raw already exists (Service: S3, Status Code: 409, HandlerErrorCode: AlreadyExists): BucketAlreadyExists": (
        "choose another one as aws.buckets.raw in lake.yaml"
    ),
    "BucketAlreadyOwnedByYou: Your previous request to create the named bucket succeeded": "get-bucket-tagging",
    "User: arn:aws:iam::1:user/x is not authorized to perform: kms:CreateKey on resource: *": "kms:CreateKey",
    "User x is not authorized to perform: iam:CreateRole with an explicit deny in a service control policy": (
        "an administrator's policy forbids it"
    ),
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [10].": "aws.function.reserved",
    "LimitExceededException: Cannot exceed quota for RolesPerAccount: 1000": "Service Quotas",
    "arn:aws:kms:eu-west-3:1:key/k is pending deletion.": "cancel-key-deletion --key-id res-1",
    "The security token included in the request is expired (ExpiredToken)": "renew them",
    "Rate exceeded (Throttling)": "try again in a minute",
    "penstock-shop-state already exists in stack arn:aws:cloudformation:eu-west-3:1:stack/other/2": "aws.stack",
    "The bucket you tried to delete is not empty (Service: S3, Status Code: 409)": "files landed",
    "Error occurred while GetObject. S3 Error Code: NoSuchKey": "upload it again",
    "Invalid parameter: Email address": "aws.owner",
    "MalformedPolicyDocument: Invalid principal in policy": "correct its ARN",
    "Something that nobody has seen before": "describe-stack-events --stack-name penstock-shop",
}


def event(at: int, name: str, status: str, reason: str = "", kind: str = "AWS::S3::Bucket") -> Event:
    """An event, so many seconds after the start."""
    physical = STACK if name == "penstock-shop" else "res-1"
    of = "AWS::CloudFormation::Stack" if name == "penstock-shop" else kind
    return Event(f"{name}-{at}", START + timedelta(seconds=at), name, of, physical, status, reason)


ROLLED_BACK = [
    event(0, "penstock-shop", "CREATE_IN_PROGRESS", "User Initiated"),
    event(1, "RawBucket", "CREATE_IN_PROGRESS"),
    event(2, "Key", "CREATE_IN_PROGRESS", kind="AWS::KMS::Key"),
    event(3, "RawBucket", "CREATE_FAILED", "shop-raw already exists: BucketAlreadyExists"),
    event(4, "Key", "CREATE_FAILED", "Resource creation cancelled", kind="AWS::KMS::Key"),
    event(5, "penstock-shop", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [RawBucket, Key]."),
    event(9, "penstock-shop", "ROLLBACK_COMPLETE"),
]


def test_the_first_failure_with_a_reason_of_its_own_is_told() -> None:
    """What was cancelled because of another failure is not the reason, in whichever order events come."""
    for events in (ROLLED_BACK, ROLLED_BACK[::-1]):
        found = failure_of(events)
        assert found is not None
        assert (found.name, found.reason) == ("RawBucket", "shop-raw already exists: BucketAlreadyExists")
    assert failure_of(ROLLED_BACK[:3]) is None
    only = [event(4, "Key", "CREATE_FAILED", "Resource creation cancelled")]
    assert failure_of(only) == Failure(
        "Key", "AWS::S3::Bucket", "res-1", "CREATE_FAILED", "Resource creation cancelled"
    )


def test_only_the_newest_operation_counts() -> None:
    """Failures of an earlier operation are not told of a later one."""
    later = [event(20, "penstock-shop", "UPDATE_IN_PROGRESS", "User Initiated"), event(21, "Key", "UPDATE_COMPLETE")]
    newest_first = [*later[::-1], *ROLLED_BACK[::-1]]
    assert operation(newest_first) == later
    assert failure_of(operation(newest_first)) is None
    assert operation(ROLLED_BACK[::-1]) == ROLLED_BACK


def test_reasons_are_told_without_the_numbers_of_requests() -> None:
    """A resource handler's reason is its message alone."""
    told = (
        'Resource handler returned message: "The limit is reached. (Service: Lambda, Status Code: 400, Request ID: 1)"'
        " (RequestToken: 55c, HandlerErrorCode: InvalidRequest)"
    )
    assert plain(told) == "The limit is reached."
    assert plain("plain words") == "plain words"


@pytest.mark.parametrize("reason", CASES)
def test_each_known_reason_has_its_way_out(reason: str) -> None:
    """The advice names what to change or call."""
    told = advice(Failure("RawBucket", "AWS::S3::Bucket", "res-1", "CREATE_FAILED", plain(reason)), "penstock-shop")
    assert CASES[reason] in told
    say("deploy", f"failure replayed from recorded shape: {reason[:50]}")


@pytest.mark.parametrize(
    ("status", "way"),
    [
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name penstock-shop"),
        ("ROLLBACK_FAILED", "penstock destroy"),
        ("DELETE_FAILED", "penstock destroy"),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name penstock-shop"),
    ],
)
def test_each_stuck_state_has_its_way_out(status: str, way: str) -> None:
    """The command that gets out of a stuck state is told, and what failed."""
    message, hint = stuck(status, "penstock-shop", failure_of(ROLLED_BACK))
    assert "BucketAlreadyExists" in message
    assert way in hint


def test_every_state_that_cloudformation_names_is_known() -> None:
    """No state is taken for another: each that boto3's description of CloudFormation lists is known."""
    from botocore.session import get_session

    states = get_session().get_service_model("cloudformation").shape_for("StackStatus").enum
    found = {state: standing(state) for state in states}
    assert len(states) >= 22
    assert {state for state, is_ in found.items() if is_ == "stuck"} == {
        *("DELETE_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_FAILED"),
    }
    assert {state for state, is_ in found.items() if is_ == "unborn"} == {
        *("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
    }
