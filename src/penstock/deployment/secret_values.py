"""Secrets that `lake.yaml` takes as `${NAME}`: fetched when a function begins, and kept in memory for some minutes.

Values go from here into the declaration and nowhere else. They are hidden from every text that leaves the process once
they are known, and no error holds any part of one. A value that has changed is used by whatever is begun `KEPT_SECONDS`
after it did, at the latest. When a secret cannot be had any more, what was kept is not used either: whoever takes a
permission away means it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from penstock.aws import DENIED, asking, client, code_of
from penstock.clock import Clock
from penstock.declaration import AwsSecret
from penstock.deployment.secret_commands import making, putting, restoring
from penstock.errors import SecretError
from penstock.redaction import register

ACTIONS = ("secretsmanager:GetSecretValue",)
KEY_ACTIONS = ("kms:Decrypt",)
"""What Secrets Manager does as the function with a key of the user's."""
KEPT_SECONDS = 300.0
GRANTED = (
    "functions may read what aws.secrets named at the last penstock deploy; people need the permission\n"
    "secretsmanager:GetSecretValue of their own; the secret's own policy can refuse it, too"
)
VERB = {True: "make it", False: "look which there are"}


class SecretValues:
    """The values of secrets, by the variable that each of them stands for."""

    def __init__(self, wanted: Mapping[str, AwsSecret], region: str, clock: Clock) -> None:
        """Prepare to fetch them from a region, unless they are elsewhere; nothing is fetched yet."""
        self._wanted, self._region, self._clock = dict(wanted), region, clock
        self._values: dict[str, str] = {}
        self._fetched: float | None = None

    def current(self) -> Mapping[str, str]:
        """The values, fetched anew where they were fetched too long ago.

        Raises:
            SecretError: One cannot be had, or is not what is declared; says which, why, and what to do.
            AwsError: AWS could not be asked.
        """
        now = self._clock.now()
        if self._wanted and (self._fetched is None or not 0 <= now - self._fetched < KEPT_SECONDS):
            self._values, self._fetched = self._fetch(), now
        return self._values

    def _fetch(self) -> dict[str, str]:
        texts, found = dict[str, str](), dict[str, str]()
        for name, wanted in sorted(self._wanted.items()):
            if wanted.secret not in texts:
                texts[wanted.secret] = self._text(name, wanted)
            found[name] = _value(name, wanted, texts[wanted.secret], self._region)
            register(found[name])
        return found

    def _text(self, name: str, wanted: AwsSecret) -> str:
        region = wanted.region or self._region
        manager = client("secretsmanager", region)
        with asking("fetch a secret", _where(name)):
            try:
                answer = manager.get_secret_value(SecretId=wanted.secret)
            except manager.exceptions.ClientError as error:
                if (refused := _refused(error, name, wanted, region)) is not None:
                    raise refused from None
                raise
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise _error("is binary, and no text", name, wanted, f"put a text: {putting(name, wanted, region)}")
        register(text)
        return text


def _value(name: str, wanted: AwsSecret, text: str, region: str) -> str:
    if wanted.key is not None:
        return _of_key(name, wanted, wanted.key, text)
    if not text:
        raise _error("is empty", name, wanted, f"give it a value: {putting(name, wanted, region)}")
    if text.endswith(("\n", "\r")):
        hint = f"give it again, without one: {putting(name, wanted, region)}"
        raise _error("ends with a line break, which would be part of the value", name, wanted, hint)
    return text


def _of_key(name: str, wanted: AwsSecret, key: str, text: str) -> str:
    found: Any = None
    with suppress(ValueError):  # whose text would tell of the secret
        found = json.loads(text)
    if not isinstance(found, dict):
        hint = f"leave out aws.secrets.{name}.key, where the whole text is the value"
        raise _error(f'is no JSON object, and so has no key "{key}"', name, wanted, hint)
    if key not in found:
        hint = f"add it to the secret, or name another one as aws.secrets.{name}.key; it has {len(found)}"
        raise _error(f'has no key "{key}"', name, wanted, hint)
    if not isinstance(found[key], str) or not found[key]:
        raise _error(f'has no text as its key "{key}"', name, wanted, "write the value in quotes, and not empty")
    return str(found[key])


def _refused(error: Any, name: str, wanted: AwsSecret, region: str) -> SecretError | None:
    """What a refusal means; None where it says nothing of the secret."""
    text = str(error.response.get("Error", {}).get("Message", ""))
    match code_of(error):
        case "ResourceNotFoundException" if "staging label" in text:
            found, hint = "has no value yet", f"give it one: {putting(name, wanted, region)}"
        case "ResourceNotFoundException":
            found, hint = "is not there", f"{VERB[wanted.region is None]}: {making(name, wanted, region)}"
        case "InvalidRequestException":
            found, hint = "is to be deleted", f"keep it: {restoring(wanted, region)}"
        case code if code in DENIED and "kms" in text.lower():
            found = "is encrypted with a key that may not be used"
            hint = f"name the key as aws.secrets.{name}.kms_key, then: penstock deploy\ndoes the key's policy allow it?"
        case code if code in DENIED:
            found, hint = "may not be read", GRANTED
        case "DecryptionFailure":
            found, hint = "cannot be decrypted", "is its key switched off, or to be deleted?"
        case _:
            return None
    return _error(found, name, wanted, hint)


def _error(found: str, name: str, wanted: AwsSecret, hint: str) -> SecretError:
    return SecretError(f'the secret "{wanted.secret}" {found}', where=_where(name), hint=hint)


def _where(name: str) -> str:
    return f"aws.secrets.{name}"
