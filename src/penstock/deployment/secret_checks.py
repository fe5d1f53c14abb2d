"""Whether the secrets that functions will fetch are there, asked before anything is deployed.

What Secrets Manager says of a secret is looked at, and never its value: whoever deploys need not be allowed to know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.declaration import AwsSecret
from penstock.deployment.secret_commands import making, putting, restoring
from penstock.errors import AwsDeniedError, DeploymentError

ACTIONS = ("secretsmanager:DescribeSecret",)
OWN_KEY = "alias/aws/secretsmanager"


@dataclass(frozen=True)
class Finding:
    """What is to be said of a secret.

    Attributes:
        name: The variable that it stands for.
        text: What was found.
        command: What mends it; empty where no command does.
        stops: Whether functions could not begin.
    """

    name: str
    text: str
    command: str = ""
    stops: bool = True

    def __str__(self) -> str:
        """What was found, and what mends it."""
        return f"{self.text}; {self.command}" if self.command else self.text


def look_at_secrets(wanted: Mapping[str, AwsSecret], region: str) -> tuple[Finding, ...]:
    """Ask AWS for each secret, by the variable that it stands for; nothing is found where all is well."""
    return tuple(finding for name, secret in sorted(wanted.items()) for finding in _looked_at(name, secret, region))


def assert_there(findings: Iterable[Finding]) -> None:
    """Refuse to deploy functions that could not begin.

    Raises:
        DeploymentError: Secrets are missing, are to be deleted, or are encrypted with a key that is not named.
    """
    if stopping := [finding for finding in findings if finding.stops]:
        message = "\n  ".join(finding.text for finding in stopping)
        raise DeploymentError(message, hint="\n".join(finding.command for finding in stopping if finding.command))


def _looked_at(name: str, wanted: AwsSecret, region: str) -> Iterator[Finding]:
    place = wanted.region or region
    manager = client("secretsmanager", place)
    what = f'aws.secrets.{name}: the secret "{wanted.secret}"'
    try:
        with asking("look at a secret", f"aws.secrets.{name}"):
            try:
                found: Mapping[str, Any] = manager.describe_secret(SecretId=wanted.secret)
            except manager.exceptions.ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                yield Finding(name, f"{what} is not there in {place}", making(name, wanted, region))
                return
    except AwsDeniedError as error:
        yield Finding(name, f"{what} was not looked at: {error.what}", stops=False)
        return
    if found.get("DeletedDate"):
        yield Finding(name, f"{what} is to be deleted", restoring(wanted, region))
    elif not any("AWSCURRENT" in stages for stages in found.get("VersionIdsToStages", {}).values()):
        yield Finding(name, f"{what} has no value yet", putting(name, wanted, region))
    yield from _of_key(name, what, wanted, found.get("KmsKeyId") or OWN_KEY)


def _of_key(name: str, what: str, wanted: AwsSecret, key: str) -> Iterator[Finding]:
    """Whether functions are allowed the key that the secret is encrypted with."""
    if key.endswith(OWN_KEY) and wanted.kms_key is not None:
        text = f"{what} is encrypted with AWS's own key, and not with the one that aws.secrets.{name}.kms_key names"
        yield Finding(name, text, stops=False)
    elif not key.endswith(OWN_KEY) and wanted.kms_key is None:
        yield Finding(name, f"{what} is encrypted with the key {key}; name it by its ARN as aws.secrets.{name}.kms_key")
    elif wanted.kms_key is not None and "alias/" not in key and not wanted.kms_key.endswith(key.rpartition("/")[2]):
        yield Finding(name, f"{what} is encrypted with the key {key}, and not with the one that kms_key names")
