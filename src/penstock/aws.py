"""AWS: where clients come from, and what becomes of its refusals.

Nothing else imports boto3, and it is imported with the first client. Credentials and the region come from where AWS's
own tools look for them (environment, `~/.aws`, the function's or machine's role); Penstock keeps none.

Each module that calls AWS says which actions its calls need, in a constant `ACTIONS` beside them: policies are
generated from these, and a test compares them with the calls that are really made.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from penstock.errors import AwsCredentialsError, AwsDeniedError, AwsError, PenstockError
from penstock.version import __version__

INSTALL = 'install it with: pip install "penstock[aws]"'
CREDENTIALS = (
    "give them as AWS_PROFILE, or as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;\n"
    "see what AWS's own tools would use: aws sts get-caller-identity"
)
UNREACHABLE = "look whether this machine reaches the network, and whether the region is written right"
REGION = "say which: aws.region in lake.yaml, AWS_REGION, or region in ~/.aws/config"
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"})
EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "RequestExpired"}
)
OF_THE_REQUEST = re.compile(r"Validation|TooLarge|TooLong|Malformed|Invalid(?:Argument|Input|Parameter|Request)")
"""How AWS speaks of what was asked of it: asking again gives the same."""
SETTINGS = "look at AWS_PROFILE, AWS_REGION and ~/.aws, and at aws.region in lake.yaml"
ACTION_OF = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""S3's permissions whose names are not those of the calls."""
NAMED = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:\w+)")
"""How AWS names the permission that is missing, where it does."""
SERVICE_OF = {"monitoring": "cloudwatch"}
"""Services whose permissions begin with another name than that which calls are signed for."""
_clients: dict[tuple[int, str, str | None], Any] = {}
_lock = threading.Lock()
_heard = {"answers": 0}
_hearing = threading.Lock()


def client(service: str, region: str | None = None) -> Any:
    """A client of an AWS service, made once per process; any thread may use it.

    Raises:
        AwsCredentialsError: No region is known, or what is set for AWS's own tools cannot be used.
        AwsError: boto3 is not installed.
    """
    key = (os.getpid(), service, region)
    with _lock:  # making one is not safe among threads
        if key not in _clients:
            _clients[key] = _made(service, region)
        return _clients[key]


def heard() -> int:
    """How many answers, refusals and failures of calls have come to this process so far, from whatever service.

    While this number stays the same, AWS told this process nothing new.
    """
    with _hearing:
        return _heard["answers"]


def forget_clients() -> None:
    """Make clients anew when they are asked for next: credentials or endpoints have changed."""
    with _lock:
        _clients.clear()
        if "boto3" in sys.modules:  # which remembers the credentials that it found first
            sys.modules["boto3"].setup_default_session()


def _made(service: str, region: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
    except ModuleNotFoundError as error:
        message = "what runs on AWS needs boto3, which is not installed"
        raise AwsError(message, hint=INSTALL) from error
    config = Config(
        retries={"mode": "standard", "max_attempts": 8},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
        user_agent_extra=f"penstock/{__version__}",
    )
    try:
        made = boto3.client(service, region_name=region or os.environ.get("AWS_REGION") or None, config=config)
    except NoRegionError as error:
        message = "no AWS region is known"
        raise AwsCredentialsError(message, hint=REGION) from error
    except BotoCoreError as error:  # a profile that is not there, a region that cannot be one
        raise AwsCredentialsError(f"what is set for AWS cannot be used: {error}", hint=SETTINGS) from error
    made.meta.events.register("after-call", _note_service)
    made.meta.events.register("after-call-error", _note_failure)
    return made


def _note_service(parsed: dict[str, Any], model: Any, **_: object) -> None:
    """Let an answer say whose it is, and count it."""
    parsed.setdefault("ResponseMetadata", {})["Service"] = model.service_model.signing_name
    _note_failure()


def _note_failure(**_: object) -> None:
    """Count what came of a call."""
    with _hearing:
        _heard["answers"] += 1


def code_of(error: BaseException) -> str:
    """What AWS calls an error, such as `NoSuchKey`; empty for what is no answer of AWS."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_of_aws(error: BaseException) -> bool:
    """Whether an error, or one that led to it, is no fault of what was asked, but AWS's own, or of the way to it.

    An outage, throttling, credentials that ran out or allow too little, a key that is disabled.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, AwsError):
            return not OF_THE_REQUEST.search(f"{code_of(found.__cause__ or found)} {found.what}")
        found = None if isinstance(found, PenstockError) else found.__cause__
    return False


@contextmanager
def asking(what: str, where: str = "") -> Iterator[None]:
    """Put into words what goes wrong while AWS is asked.

    Args:
        what: What is being done, such as `list the tables`.
        where: What it is done to.

    Raises:
        AwsCredentialsError: Credentials are missing, incomplete or no longer valid.
        AwsDeniedError: They do not allow it.
        AwsError: Anything else that AWS, or the way to it, says.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        message = f"no complete AWS credentials were found, which are needed to {what}"
        raise AwsCredentialsError(message, where=where, hint=CREDENTIALS) from error
    except ClientError as error:
        code, text = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
        if code in EXPIRED:
            message = f"AWS does not take the credentials any more, which are needed to {what}: {text}"
            raise AwsCredentialsError(message, where=where, hint=CREDENTIALS) from error
        if code in DENIED:
            action = _action(error)
            message = f"AWS does not allow these credentials to {what}: {text or code}"
            hint = f"ask for the permission {action}, or use other credentials"
            raise AwsDeniedError(message, where=where, hint=hint) from error
        raise AwsError(f"AWS could not {what}: {code}: {text}", where=where) from error
    except BotoCoreError as error:
        hint = UNREACHABLE if "connect" in str(error).lower() else ""
        raise AwsError(f"AWS could not be asked to {what}: {error}", where=where, hint=hint) from error
    except ResponseParserError as error:  # a proxy's page, for example
        message = f"what answered is not AWS, when it was asked to {what}: {str(error).splitlines()[0]}"
        raise AwsError(message, where=where, hint=UNREACHABLE) from error


def _action(error: Any) -> str:
    """The permission that a refused call needs: the one AWS names, which may be of a key, or the call's own."""
    if named := NAMED.search(str(error.response.get("Error", {}).get("Message", ""))):
        return named["action"]
    service = error.response.get("ResponseMetadata", {}).get("Service", "aws")
    service = SERVICE_OF.get(service, service)
    operation = str(error.operation_name)
    return f"{service}:{ACTION_OF.get(operation, operation) if service == 's3' else operation}"
