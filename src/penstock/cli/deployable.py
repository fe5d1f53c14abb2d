"""What the commands about AWS share: a declaration that can be deployed, or every reason why not."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from penstock.cli.session import Session
from penstock.errors import AwsError, DeclarationError

if TYPE_CHECKING:
    from penstock.declaration import Declaration, Examined
    from penstock.deployment.synth import Synthesised

NEEDED = ("boto3", "troposphere")


def assert_installed() -> None:
    """Refuse to go on without the libraries for AWS.

    Raises:
        AwsError: One is missing; says how to install them.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        from penstock.aws import INSTALL

        raise AwsError(f"deploying needs {' and '.join(missing)}, not installed here", hint=INSTALL)


def region_of_the_tools() -> str | None:
    """The region that is named for AWS's own tools in the environment."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


def prepared(session: Session, *, to_deploy: bool = True) -> tuple[Examined, Declaration, Synthesised]:
    """The declaration, looked at in full, and the template it gives. AWS is not asked.

    Args:
        session: Which lake.
        to_deploy: Whether it has to be one that can be deployed.

    Raises:
        DeclarationError: It has problems, or cannot be deployed; all of them are named at once.
    """
    assert_installed()
    from penstock.declaration import examine_deployed, read_text
    from penstock.deployment.deployable import refusals
    from penstock.deployment.synth import synthesise
    from penstock.wiring.soundness import looked_at

    examined = examine_deployed(read_text(session.folder))
    problems = {*looked_at(session.folder, examined)[0], *(refusals(examined, session.folder) if to_deploy else ())}
    if problems or examined.declaration is None:
        raise DeclarationError(sorted(problems))
    return examined, examined.declaration, synthesise(examined, to_deploy=to_deploy, folder=session.folder)
