"""Looking at what is deployed, for a plan: stack, tables, and what both cost. Nothing is changed by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.arrivals import Previewer
from penstock.declaration import Declaration, Examined, load_deployed
from penstock.deployed import Deployed
from penstock.deployment.apply import Deployment, deployed_declaration, pseudo_parameters
from penstock.deployment.cost import Volumes, monthly, prices_of
from penstock.deployment.plan import Money, Plan, Standing, compared
from penstock.deployment.reduced import kept_by
from penstock.deployment.schemas import TableChange, new_tables, table_changes
from penstock.deployment.secret_checks import Finding, look_at_secrets
from penstock.deployment.stacks import STEADY, Stack
from penstock.deployment.synth import Synthesised
from penstock.deployment.target import Target
from penstock.errors import PenstockError
from penstock.site.aws import AwsSite
from penstock.state import NoHeads
from penstock.storage import LocalZone

ONLY_DATA = "only the lake's data is there, as destroy --keep-data left it; what runs is put around it again"


def new_plan(
    made: Synthesised,
    declaration: Declaration,
    given: Mapping[str, str],
    target: Target | None = None,
    region: str | None = None,
) -> Plan:
    """The plan where AWS is not asked, or nothing is there: everything is new.

    Args:
        made: What is declared.
        declaration: The declaration it comes from.
        given: Values of parameters.
        target: Where it is to stand; None where AWS was not asked.
        region: Where it would stand then, unless `lake.yaml` says it.
    """
    region = target.region if target else declaration.aws.region or region
    money, note = _money(declaration, None, region)
    found = secrets_there(declaration, target) if target else ()
    plan = Plan(
        made.lake,
        made.stack,
        target.account if target else "",
        region or "",
        known=target is not None,
        tables=new_tables(declaration.tables),
        money=money,
        notes=(*made.notes, *note),
        secrets=found,
    )
    return compared(plan, made.body, given, here=pseudo_parameters(target) if target else None)


def survey(
    deployment: Deployment, made: Synthesised, examined: Examined, folder: Path, given: Mapping[str, str]
) -> Plan:
    """The plan against what is deployed.

    Args:
        deployment: Where it is looked.
        made: What is declared.
        examined: The declaration it comes from.
        folder: The lake's folder.
        given: Values of parameters; code that is not given is taken to be as it is.
    """
    target, declaration = deployment.target, examined.declaration
    if declaration is None:
        raise PenstockError("a declaration with problems cannot be planned")
    stack = deployment.stacks.find(target.stack)
    if stack is None or stack.standing in {"absent", "review", "unborn"}:
        return new_plan(made, declaration, given, target)
    deployment.assert_ours(stack)
    there = deployed_parts(deployment, stack)
    same = {
        name: there.values[name] for name in made.parameters if name not in given and _must_be_given(made, name, there)
    }
    before, unknown = _declared_before(deployment, stack, there)
    money, note = _money(declaration, before, target.region)
    tables, unseen = _tables(stack, examined, folder)
    plan = Plan(
        made.lake,
        made.stack,
        target.account,
        target.region,
        known=True,
        exists=True,
        tables=tables,
        money=money,
        notes=(*made.notes, *note, *unknown, *unseen),
        secrets=secrets_there(declaration, target),
    )
    return compared(plan, made.body, {**same, **given}, there, pseudo_parameters(target))


def secrets_there(declaration: Declaration, target: Target) -> tuple[Finding, ...]:
    """What is wrong with the secrets that functions will fetch."""
    return look_at_secrets(declaration.aws.wanted_secrets, target.region)


def deployed_parts(deployment: Deployment, stack: Stack) -> Standing:
    """What stands in a stack."""
    physical = {part.name: part.physical for part in deployment.stacks.resources(stack.id)}
    return Standing(deployment.stacks.template(stack.id), stack.parameters, physical)


def _must_be_given(made: Synthesised, name: str, there: Standing) -> bool:
    return "Default" not in made.parameters[name] and name in there.values


def _declared_before(deployment: Deployment, stack: Stack, there: Standing) -> tuple[Declaration | None, list[str]]:
    """The declaration that is deployed, and what is to be said where it is not known."""
    if kept_by(stack.outputs):
        return None, [ONLY_DATA]
    text = deployed_declaration(deployment.artifacts, deployment.target, there.template)
    if text is None:
        return None, ["which lake.yaml is deployed is not known; costs are not compared"]
    try:
        return load_deployed(text), []
    except PenstockError as error:
        return None, [f"the lake.yaml that is deployed cannot be read any more; costs are not compared: {error.what}"]


def _money(new: Declaration, old: Declaration | None, region: str | None) -> tuple[Money | None, list[str]]:
    if region is None:
        return None, ["costs differ by region: say which as aws.region in lake.yaml, or as AWS_REGION"]
    try:
        prices = prices_of(region)
    except PenstockError as error:
        return None, [f"costs are not told: {error.what}"]
    volumes = Volumes.declared(new)
    then, now = monthly(new, volumes, prices), monthly(old, volumes, prices) if old else None
    known, unknown = (now.total, now.missing) if now else (None, 0.0)
    return Money(known, then.total, then.idle, then.missing, then.idle_missing, unknown), []


def _tables(stack: Stack, examined: Examined, folder: Path) -> tuple[tuple[TableChange, ...], list[str]]:
    """What becomes of the tables; where the catalog cannot be read, that is said."""
    if kept_by(stack.outputs):
        return (), []
    if stack.standing != STEADY:
        return (), ["tables are not compared: the stack is being changed, or stuck"]
    with TemporaryDirectory(prefix="penstock-") as work:
        try:
            site = AwsSite(Deployed.from_outputs(stack.outputs), Path(work), lambda _paths: None)
            catalog = site.catalog(NoHeads())
            raw = LocalZone(folder / examined.zones.raw)
            return table_changes(examined.tables, catalog, Previewer(catalog, raw, examined.tables)), []
        except PenstockError as error:
            return (), [f"tables are not compared: {error.what}"]
