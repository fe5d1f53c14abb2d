"""Why an operation failed, and what to do about it.

Pure: events in, a failure out. A failed operation leaves a trail of failures, of which the first has the reason: the
others were cancelled because of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from penstock.deployment.stacks import Event

_CANCELLED = re.compile(
    r"cancelled|^The following resource\(s\) failed|^Resource (?:creation|update) Initiated", re.IGNORECASE
)
_HANDLER = re.compile(r'^Resource handler returned message: "(?P<text>.*)"\s*\(RequestToken:.*$', re.DOTALL)
_NOISE = re.compile(r"\s*\((?:Service|SDK Attempt Count|RequestToken|HandlerErrorCode)\b[^()]*\)")
Advice = Callable[["Failure", str], str]


@dataclass(frozen=True)
class Failure:
    """What failed first.

    Attributes:
        name: The resource's logical id; the stack's name where it is the stack as a whole.
        type: Its type.
        physical: What it is, or was to be, called on AWS.
        status: CloudFormation's word for it.
        reason: Why, in AWS's words.
    """

    name: str
    type: str
    physical: str
    status: str
    reason: str


def failure_of(events: Iterable[Event]) -> Failure | None:
    """The first failure with a reason of its own among the events of one operation, in any order; None: none failed."""
    failed = sorted((event for event in events if event.status.endswith("_FAILED")), key=lambda event: event.at)
    own = [event for event in failed if event.reason and not _CANCELLED.search(event.reason) and not event.of_stack]
    if not failed:
        return None
    first = (own or failed)[0]
    return Failure(first.name, first.type, first.physical, first.status, plain(first.reason))


def plain(reason: str) -> str:
    """A reason without the numbers of requests that only AWS's support can use."""
    found = _HANDLER.match(reason)
    return _NOISE.sub("", found["text"] if found else reason).strip()


def advice(failure: Failure, stack: str) -> str:
    """What to do about a failure; the last line says where to look on when the reason is not one that is known."""
    for pattern, told in _KNOWN:
        if pattern.search(failure.reason):
            return told(failure, stack)
    return f"see what CloudFormation says: aws cloudformation describe-stack-events --stack-name {stack}"


def _bucket(failure: Failure, _stack: str) -> str:
    zone = next((zone for zone in ("raw", "processed", "enriched") if failure.name.lower().startswith(zone)), "raw")
    return (
        f"bucket names are unique among all accounts of AWS: choose another one as aws.buckets.{zone} in lake.yaml,\n"
        "then: penstock deploy"
    )


def _own_bucket(failure: Failure, stack: str) -> str:
    zone = next((zone for zone in ("raw", "processed", "enriched") if failure.name.lower().startswith(zone)), "raw")
    return (
        f"it is yours, but not of the stack {stack}: another stack has it, or an earlier deployment left it.\n"
        f"Whose it is, its tags say: aws s3api get-bucket-tagging --bucket {failure.physical or 'BUCKET'}\n"
        f"If another has it, choose another name as aws.buckets.{zone} in lake.yaml; if it was left,\n"
        "bring what is in it elsewhere and remove it. Then: penstock deploy"
    )


def _there(failure: Failure, stack: str) -> str:
    called = f" ({failure.physical})" if failure.physical else ""
    return (
        f"something of that name{called} is there already and belongs to another stack or to none:\n"
        "remove it, or deploy under another name (aws.stack in lake.yaml); what an interrupted\n"
        f"penstock destroy of {stack} left is removed by calling it again"
    )


def _denied(failure: Failure, _stack: str) -> str:
    found = re.search(r"perform:?\s+([\w-]+:\w+)|(?:action|permission)[: ]+([\w-]+:\w+)", failure.reason)
    action = next((part for part in found.groups() if part), "") if found else ""
    wanted = f"the permission {action}" if action else "the permission that is named above"
    boundary = "boundary" in failure.reason.lower() or "service control policy" in failure.reason.lower()
    whose = (
        "an administrator's policy forbids it to everybody here; ask for an exception, or" if boundary else "ask for"
    )
    return f"{whose} {wanted}; what deploying needs is listed in the documentation (Security)\nthen: penstock deploy"


def _concurrency(_failure: Failure, _stack: str) -> str:
    return (
        "a new account may run few functions at once, and some of that must stay unreserved: lower\n"
        "aws.function.reserved in lake.yaml, or ask AWS for more (Service Quotas: Lambda, concurrent executions)"
    )


def _limit(_failure: Failure, _stack: str) -> str:
    return (
        "the account has a limit on how many of these there may be: remove some that nobody uses, or ask AWS\n"
        "for more (Service Quotas in AWS's console), then: penstock deploy"
    )


def _key_pending(failure: Failure, _stack: str) -> str:
    return (
        "the key that encrypts this is to be deleted; keep it with\n"
        f"aws kms cancel-key-deletion --key-id {failure.physical or 'KEY'} and aws kms enable-key --key-id "
        f"{failure.physical or 'KEY'}, then: penstock deploy"
    )


def _expired(_failure: Failure, _stack: str) -> str:
    return "the credentials ran out on the way: renew them (aws sso login, for example), then: penstock deploy"


def _busy(_failure: Failure, _stack: str) -> str:
    return "AWS is busy with it, or is asked too often; try again in a minute: penstock deploy"


def _not_empty(_failure: Failure, _stack: str) -> str:
    return "files landed while it was being removed; stop what uploads them, then: penstock destroy"


def _mail(_failure: Failure, _stack: str) -> str:
    return "write a whole e-mail address as aws.owner, or as mailto: of the notice in lake.yaml"


def _code(_failure: Failure, _stack: str) -> str:
    return "what was uploaded is not there any more; upload it again with: penstock deploy"


def _trust(_failure: Failure, _stack: str) -> str:
    return (
        "a role or user that a policy names does not exist (yet): correct its ARN in lake.yaml, then: penstock deploy"
    )


_KNOWN: tuple[tuple[re.Pattern[str], Advice], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), told)
    for pattern, told in (
        (r"BucketAlreadyOwnedByYou", _own_bucket),
        (r"BucketAlreadyExists|requested bucket name is not available", _bucket),
        (r"ReservedConcurrentExecutions?.*below its minimum", _concurrency),
        (r"BucketNotEmpty|bucket you tried to delete is not empty", _not_empty),
        (r"pending deletion|KMSInvalidStateException|is pending (?:import|deletion)", _key_pending),
        (r"ExpiredToken|security token.*(?:expired|invalid)|token has expired", _expired),
        (
            r"not authorized|AccessDenied|Access Denied|explicit deny|permissions? boundary|UnauthorizedOperation",
            _denied,
        ),
        (r"Throttl|Rate exceeded|TooManyRequests|OperationAborted|conflicting conditional operation", _busy),
        (r"LimitExceeded|limit exceeded|quota|exceed(?:s|ed) the (?:maximum|limit)|TooManyBuckets", _limit),
        (r"NoSuchKey|specified key does not exist|Error occurred while GetObject", _code),
        (r"Invalid principal|MalformedPolicy", _trust),
        (r"Invalid parameter: (?:Email|Endpoint)|invalid email", _mail),
        (r"already exists|AlreadyExists|EntityAlreadyExists|ResourceInUse|ResourceConflict", _there),
    )
)


def stuck(status: str, stack: str, failure: Failure | None) -> tuple[str, str]:
    """What is wrong with a stack in which nothing can be done now, and the way out of it."""
    because = f"; {failure.name} ({failure.type}): {failure.reason}" if failure else ""
    if status == "UPDATE_ROLLBACK_FAILED":
        way = (
            "mend what is named there, then let AWS go on taking it back:\n"
            f"aws cloudformation continue-update-rollback --stack-name {stack}\n"
            f"what cannot be mended is left out with: --resources-to-skip {failure.name if failure else 'RESOURCE'}\n"
            "then: penstock deploy"
        )
        return f"an earlier change failed and could not be taken back{because}", way
    if status in {"ROLLBACK_FAILED", "CREATE_FAILED", "ROLLBACK_COMPLETE"}:
        way = "nothing was ever in it; remove what is left of it with: penstock destroy\nthen: penstock deploy"
        return f"it was never created, and what was begun could not be removed{because}", way
    if status == "DELETE_FAILED":
        return f"an earlier penstock destroy did not come to its end{because}", "finish it with: penstock destroy"
    if status in {"UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED"}:
        way = f"take it back with: aws cloudformation rollback-stack --stack-name {stack}\nthen: penstock deploy"
        return f"an earlier change failed and was left half done{because}", way
    return (
        f"nothing can be done in this state{because}",
        f"see: aws cloudformation describe-stacks --stack-name {stack}",
    )
