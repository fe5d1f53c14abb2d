"""The declaration as a deployed lake reads it, and as it is read by whoever deploys one or looks at one.

Functions have no environment of the user's: `${NAME}` is what they fetched as a secret. Whoever deploys need not know
it, so something stands in for it. What stays on this machine, because it has no meaning on AWS or `aws.here_only` says
so, needs no value there at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from penstock.declaration.aws import parts_by_name
from penstock.declaration.aws_secrets import AwsSecret, may_hold_secret, secrets_of
from penstock.declaration.model import Declaration
from penstock.declaration.parse import Document, Path, parse
from penstock.declaration.validate import FILE_NAME, Examined, examine
from penstock.errors import DeclarationError

ABOUT_UP = ("up", "intake", "mail", "zones")
"""Parts of a declaration that are about this machine."""
STAND_IN = "stand-in"
_WHOLE = {"to": "mailto:stand-in@example.org", "server": "smtp://example.org", "from": "stand-in@example.org"}
"""What stands in for a value that is nothing but a variable, by its key: it has to be written like one."""
_NOBODYS: Mapping[str, str] = {}


class _Anything(dict[str, str]):
    """An environment in which everything is set, to nothing."""

    def __missing__(self, _name: str) -> str:
        return ""

    def __contains__(self, _name: object) -> bool:
        return True


def examine_deployed(text: str, file: str = FILE_NAME, values: Mapping[str, str] | None = None) -> Examined:
    """Read a declaration as one that is deployed, or is to be.

    Args:
        text: The text.
        file: Its name.
        values: What the secrets are that `aws.secrets` names, in a function; something stands in for them, and the rest
            is the environment's, when left out.
    """
    here = staying(parse(text, file, _Anything()))
    environment = os.environ if values is None else _NOBODYS
    given = values or {}

    def stand_in(path: Path, whole: str, name: str) -> str | None:
        if any(path[: len(part)] == part for part in here):
            return None if name in environment else _fitting(path, whole, name)
        return STAND_IN if values is None and may_hold_secret(path) else None

    return examine(text, file, {**environment, **given}, stand_in)


def load_deployed(text: str) -> Declaration:
    """Read a declaration as one that is deployed, or is to be.

    Raises:
        DeclarationError: It has problems; all of them are named.
    """
    examined = examine_deployed(text)
    if examined.problems or examined.declaration is None:
        raise DeclarationError(examined.problems)
    return examined.declaration


def wanted_secrets(text: str) -> dict[str, AwsSecret]:
    """The secrets that functions need to read a declaration, by the variable that they stand for."""
    return secrets_of(parse(text, FILE_NAME, _Anything()))


def lacks_secrets(document: Document) -> bool:
    """Whether something stands in for a secret: then no row can be made as functions make it."""
    return any(may_hold_secret(path) for path, _ in document.stood_in)


def staying(document: Document) -> list[Path]:
    """Where those parts of a declaration begin that stay on this machine."""
    whole = document.value if isinstance(document.value, dict) else {}
    aws = whole.get("aws")
    named = aws.get("here_only") if isinstance(aws, dict) else None
    parts = parts_by_name(whole)
    listed = [parts[part] for part in named if part in parts] if isinstance(named, list) else []
    return [*((part,) for part in ABOUT_UP), *listed]


def _fitting(path: Path, whole: str, name: str) -> str:
    """What is written as the value that it stands in for has to be."""
    keys = [part for part in path if isinstance(part, str)]
    return _WHOLE.get(keys[-1], STAND_IN) if whole == f"${{{name}}}" else STAND_IN
