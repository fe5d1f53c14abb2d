"""What a declaration says of secrets on AWS: which secret of AWS Secrets Manager each `${NAME}` stands for there.

On one machine, `${NAME}` is an environment variable. Functions have none: what `aws.secrets` names they fetch when they
begin, and the declaration is read with it. A secret is the user's own, and its value is in nothing that is deployed; so
it can stand only where nothing but a function reads it, which is the salt of a hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from penstock.declaration.parse import Document, Path, dotted
from penstock.declaration.strict import Strict
from penstock.errors import Problem
from penstock.naming import did_you_mean

LONGEST_NAME = 512
SALT = "salt"
VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
PARTITION = r"arn:aws[a-z-]*"
_NAME = re.compile(r"^[A-Za-z0-9/_+=.@-]+$")
_ARN = re.compile(rf"^{PARTITION}:secretsmanager:(?P<region>[a-z0-9-]+):\d{{12}}:secret:[A-Za-z0-9/_+=.@-]+$")
_ENDED = re.compile(r"-[A-Za-z0-9]{6}$")
_KMS_KEY = re.compile(rf"^{PARTITION}:kms:[a-z0-9-]+:\d{{12}}:key/(mrk-)?[0-9a-f-]+$")


def _secret(text: str) -> str:
    if text.startswith("arn:"):
        if not _ARN.match(text):
            example = "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-aBcDeF"
            message = f'must be the ARN of a secret, "{example}"; found "{text}"'
            raise ValueError(message)
        if not _ENDED.search(text):
            message = f'the ARN of a secret ends with - and the six letters that AWS adds to its name; found "{text}"'
            raise ValueError(message)
    elif not _NAME.match(text) or len(text) > LONGEST_NAME:
        message = f'must be the name of a secret, of letters, digits and / _ + = . @ -, or its ARN; found "{text}"'
        raise ValueError(message)
    return text


def _kms_key(text: str) -> str:
    if not _KMS_KEY.match(text):
        message = f'must be the ARN of a key, "arn:aws:kms:REGION:ACCOUNT:key/ID", not of an alias; found "{text}"'
        raise ValueError(message)
    return text


SecretName = Annotated[str, AfterValidator(_secret)]
KmsKey = Annotated[str, AfterValidator(_kms_key)]


class AwsSecret(Strict):
    """A secret of AWS Secrets Manager, and what of it is the value."""

    secret: SecretName = Field(examples=["shop/salt"])
    """Its name, in the stack's account and region; or its ARN, for a secret of another account or region."""
    key: str | None = Field(default=None, min_length=1, examples=["salt"])
    """The key of the value, where the secret's text is a JSON object; the whole text is the value, when left out."""
    kms_key: KmsKey | None = Field(
        default=None, examples=["arn:aws:kms:eu-west-3:123456789012:key/0a1b2c3d-1111-2222-3333-444455556666"]
    )
    """ARN of the key of yours that the secret is encrypted with; left out for AWS's own, `aws/secretsmanager`."""

    @property
    def region(self) -> str | None:
        """Where it is, as far as its ARN says so; else where the lake is."""
        found = _ARN.match(self.secret)
        return found["region"] if found else None


Secret = SecretName | AwsSecret


def as_secret(said: str | AwsSecret) -> AwsSecret:
    """A secret that may be written as its name only."""
    return AwsSecret(secret=said) if isinstance(said, str) else said


# --- Which variables of a document they are ---------------------------------------------------


def may_hold_secret(path: Path) -> bool:
    """Whether a secret can stand here: what is here is hidden everywhere, and is in no template."""
    return path[:1] == ("tables",) and path[-1] == SALT


def secrets_of(document: Document) -> dict[str, AwsSecret]:
    """The secrets that are declared, by the variable that they stand for; those that do not hold are left out."""
    found = dict[str, AwsSecret]()
    for name, said in _declared(document).items():
        try:
            found[str(name)] = AwsSecret.model_validate({"secret": said} if isinstance(said, str) else said)
        except ValidationError:
            continue
    return found


def _declared(document: Document) -> Mapping[Any, Any]:
    aws = document.value.get("aws") if isinstance(document.value, dict) else None
    secrets = aws.get("secrets") if isinstance(aws, dict) else None
    return secrets if isinstance(secrets, dict) else {}


def secret_problems(document: Document) -> Iterator[Problem]:
    """Check that each secret stands for a variable that a salt takes, and is itself written out."""
    above = ("aws", "secrets")
    taken = {name: path for path, name in document.variables if path[:2] != above}
    salts = sorted({name for path, name in document.variables if may_hold_secret(path)})
    for name in _declared(document):
        path = (*above, name)
        if not VARIABLE_NAME.match(str(name)):
            text = f'"{name}" cannot name a variable: letters, digits and _, not beginning with a digit'
            yield document.problem(path, text, at_key=True)
        elif name in taken and name not in salts:
            text = f"a secret on AWS can be the salt of a hash, and nothing else; {dotted(taken[name])} takes this one"
            yield document.problem(path, f"{text}: leave it out", at_key=True)
        elif name not in taken:
            near = did_you_mean(str(name), salts) or f"; salts take: {', '.join(salts) or 'none'}"
            yield document.problem(path, f"no salt takes ${{{name}}}{near}", at_key=True)
    for at, name in document.variables:
        if at[:2] == above:
            text = f"functions read this before they know what ${{{name}}} is; write the secret's name itself"
            yield document.problem(at, text)
