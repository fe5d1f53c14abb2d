"""From a declaration to the CloudFormation template of its lake: a value, computed without asking anybody.

Each capability renders its part; what all parts share is done by the stack they are added to. The same declaration
gives the same template, byte for byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from troposphere import GetAtt, Ref

from penstock.access import cloudformation as access
from penstock.alarms import cloudformation as alarms
from penstock.arrivals import cloudformation as arrivals
from penstock.cloudformation import ACCOUNT, SNAPSHOT_STORAGE, STACK, Stack, sub
from penstock.declaration import ABOUT_UP, PLAIN_MAIL, Declaration, Examined
from penstock.deployed import Deployed, output_name
from penstock.deployment.deployable import refusals
from penstock.deployment.limits import assert_within_limits
from penstock.deployment.permissions import Principal, grouped, principals
from penstock.errors import DeclarationError
from penstock.notices import cloudformation as notices
from penstock.notices.targets import deployed_notices
from penstock.queries import cloudformation as queries
from penstock.runs import cloudformation as runs
from penstock.state import cloudformation as state
from penstock.storage import cloudformation as storage
from penstock.tables import cloudformation as tables
from penstock.upkeep import cloudformation as upkeep

HERE = Path()
INLINE = 10_000
"""Letters of the policies within a role; AWS takes 10,240."""


@dataclass(frozen=True)
class Synthesised:
    """The template of a lake.

    Attributes:
        lake: The lake's name.
        stack: The stack's name, which all names in it begin with.
        region: Where it is to be; None for where AWS's own tools say.
        body: The template, as plain values.
        notes: What people should know: what the declaration says that has no meaning on AWS, or stays here.
    """

    lake: str
    stack: str
    region: str | None
    body: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def resources(self) -> dict[str, Any]:
        """The resources by logical id."""
        return dict(self.body["Resources"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters by name; those without a default must be given."""
        return dict(self.body["Parameters"])

    @cached_property
    def json(self) -> str:
        """The template for CloudFormation, as short as it can be."""
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def yaml(self) -> str:
        """The template for people."""
        import yaml

        class Plain(yaml.SafeDumper):
            def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml asks
                return True

        return str(yaml.dump(self.body, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120))


def synthesise(examined: Examined, *, to_deploy: bool = True, folder: Path = HERE) -> Synthesised:
    """Compute the template of a declaration.

    Args:
        examined: What `lake.yaml` says.
        to_deploy: Whether it is refused for what cannot be deployed; what is deployed can be removed in any case.
        folder: The lake's folder, with the files that the declaration names.

    Raises:
        DeclarationError: The declaration has problems, says what cannot be deployed, or is larger than AWS takes; all
            problems are named with their places.
    """
    declaration = examined.declaration
    problems = [*examined.problems, *(refusals(examined, folder) if to_deploy else ())]
    if problems or declaration is None:
        raise DeclarationError(problems)
    stack = _rendered(declaration, folder)
    found = Synthesised(
        declaration.lake,
        declaration.aws.stack_name(declaration.lake),
        declaration.aws.region,
        stack.body,
        tuple(stack.notes),
    )
    assert_within_limits(found.body, found.json, examined.document)
    return found


def _rendered(declaration: Declaration, folder: Path) -> Stack:
    words = f"The data lake {declaration.lake}, made by Penstock from its lake.yaml"
    stack = Stack(declaration.lake, words, declaration.tags)
    _notes(stack, declaration)
    stack.parameter("CodeBucket", None, "Bucket of the functions' code", MinLength=3)
    stack.parameter("CodeKey", None, "Key of the functions' code: a folder and a file", AllowedPattern="^[^/]+/[^/]+$")
    with stack.part("storage"):
        storage.render(stack, declaration)
    with stack.part("tables"):
        tables.render(stack, declaration)
    with stack.part("state"):
        state.render(stack)
    with stack.part("runs"):
        runs.render(stack, declaration)
    with stack.part("access"):
        for principal in principals(declaration):
            _role(stack, principal)
    where = _where(declaration)
    environment = {name: where[at] for at, name in _variables()}
    with stack.part("arrivals"):
        arrivals.render(stack, declaration, environment)
    with stack.part("upkeep"):
        upkeep.render(stack, declaration, environment)
    with stack.part("queries"):
        queries.render(stack, declaration, folder)
    with stack.part("notices"):
        topics = notices.render(stack, declaration)
    with stack.part("alarms"):
        alarms.render(stack, declaration, topics)
    for name, value in where.items():
        stack.output(output_name(name), value, _OUTPUTS[name])
    return stack


_OUTPUTS = {
    "lake": "The lake",
    "stack": "The stack, with which all names begin",
    "region": "Where it is",
    "account": "Whose it is",
    "raw_bucket": "Files as delivered",
    "processed_bucket": "Tables",
    "enriched_bucket": "Results of queries",
    "state_table": "The state store",
    "intake_queue": "Files that landed",
    "dead_letter_queue": "What failed for good",
    "topic_prefix": "ARN of each notice's topic, without its name",
    "workgroup": "Athena's workgroup",
    "key": "What everything is encrypted with",
}


def _where(declaration: Declaration) -> dict[str, Any]:
    """What `Deployed` says, as references."""
    return {
        "lake": declaration.lake,
        "stack": Ref("AWS::StackName"),
        "region": Ref("AWS::Region"),
        "account": Ref("AWS::AccountId"),
        "raw_bucket": Ref("RawBucket"),
        "processed_bucket": Ref("ProcessedBucket"),
        "enriched_bucket": Ref("EnrichedBucket"),
        "state_table": Ref("StateTable"),
        "intake_queue": Ref("IntakeQueue"),
        "dead_letter_queue": Ref("DeadLetterQueue"),
        "topic_prefix": sub(f"arn:${{AWS::Partition}}:sns:${{AWS::Region}}:{ACCOUNT}:{STACK}-notice-"),
        "workgroup": Ref("Workgroup"),
        "key": GetAtt("Key", "Arn"),
    }


def _variables() -> list[tuple[str, str]]:
    """Attributes of `Deployed` and the functions' variables that say them."""
    names = dict.fromkeys(_OUTPUTS, "")
    return list(zip(names, Deployed(**names).environment, strict=True))


def _role(stack: Stack, principal: Principal) -> None:
    name = principal.name.replace(":", "-")
    if not principal.trust:
        access.managed(stack, name, f"For {principal.who}", grouped(principal.statements))
        return
    groups = grouped(principal.statements, INLINE)
    if len(groups) > 1:
        groups = grouped(principal.statements)
    access.role(stack, name, f"For {principal.who}".replace("`", ""), principal.trust, groups)


def _notes(stack: Stack, declaration: Declaration) -> None:
    for part in declaration.aws.here_only:
        stack.note(f"{part} stays on this machine: aws.here_only says so")
    for part in ABOUT_UP:
        if part in declaration.model_fields_set:
            stack.note(f"{part} is about `penstock up` and has no meaning on AWS")
    if declaration.aws.function.storage > SNAPSHOT_STORAGE:
        stack.note("the function intake does not begin from a snapshot, because aws.function.storage is over 512")
    told = [
        address for _, notice in deployed_notices(declaration) for address in notices.addresses(declaration, notice)
    ]
    if not any(map(PLAIN_MAIL.match, told)) and declaration.aws.owner is None:
        stack.note("nobody is told of anything: declare notices to e-mail addresses, or aws.owner for alarms")
