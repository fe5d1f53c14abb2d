"""What a person types so that a secret is there: commands of AWS's own tool, into which no value is written.

The value is asked for without being shown, and goes through a pipe: neither the shell's history nor the list of
processes has it.
"""

from __future__ import annotations

import shlex

from penstock.declaration import AwsSecret

_AS_JSON = 'import json, sys; print(json.dumps({{{key!r}: sys.stdin.read()}}), end="")'


def making(name: str, wanted: AwsSecret, region: str) -> str:
    """How a secret is made that is not there; one that is named by ARN cannot get that ARN again."""
    place = f"--region {wanted.region or region}"
    if wanted.region is not None:
        return f"aws secretsmanager list-secrets {place}"
    key = f" --kms-key-id {wanted.kms_key}" if wanted.kms_key else ""
    return f"{_typed(name, wanted)} | aws secretsmanager create-secret {place} --name {wanted.secret}{key} {_FROM_PIPE}"


def putting(name: str, wanted: AwsSecret, region: str) -> str:
    """How a secret that is there gets a value."""
    place = f"--region {wanted.region or region} --secret-id {wanted.secret}"
    return f"{_typed(name, wanted)} | aws secretsmanager put-secret-value {place} {_FROM_PIPE}"


def restoring(wanted: AwsSecret, region: str) -> str:
    """How a secret is kept that is to be deleted."""
    return f"aws secretsmanager restore-secret --region {wanted.region or region} --secret-id {wanted.secret}"


_FROM_PIPE = "--secret-string file:///dev/stdin"


def _typed(name: str, wanted: AwsSecret) -> str:
    """Ask for a value, and pass it on without a line break; as an object where it has a key."""
    typed = f'read -rs {name} && printf %s "${name}"'
    if wanted.key is None:
        return typed
    return f"{typed} | python3 -c {shlex.quote(_AS_JSON.format(key=wanted.key))}"
