from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.arrivals import Previewer
from penstock.cli.planned import lines, summary
from penstock.declaration import examine
from penstock.deployment.changes import changes, confirmed
from penstock.deployment.cost import Volumes, monthly, prices_of
from penstock.deployment.plan import Plan, Standing, compared, settled
from penstock.deployment.reduced import keeping_data
from penstock.deployment.resolving import references, resolved
from penstock.deployment.schemas import table_changes
from penstock.deployment.statements import difference
from penstock.deployment.survey import new_plan
from penstock.deployment.synth import synthesise
from penstock.lake import Lake
from tests.aws.synthesised import LAKES, template_of
from tests.told import say

ROOT = Path(__file__).resolve().parents[2]
CODE = {"CodeBucket": "artifacts", "CodeKey": "penstock-shop/shop-1.zip"}


def stack(**resources: Any) -> dict[str, Any]:
    """A template of resources, each with a type and properties."""
    return {"Resources": {name: {"Type": kind, "Properties": facts} for name, (kind, facts) in resources.items()}}


def bucket(name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A bucket of a template."""
    return "AWS::S3::Bucket", {"BucketName": name, **more}


def acts(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """What becomes of each resource."""
    return {change.name: change.action for change in changes(resolved(old), resolved(new))}


@pytest.mark.parametrize("lake", LAKES)
def test_a_template_against_itself_is_nothing_to_do(lake: str) -> None:
    """Deploying what is deployed changes nothing: no resource, no statement."""
    body = template_of(lake).body
    plan = compared(Plan(lake, "s"), body, CODE, Standing(body, CODE, {}))
    assert plan.empty
    assert not plan.granted
    assert not plan.withdrawn


@pytest.mark.parametrize("lake", LAKES)
def test_other_code_changes_functions_and_publishes_versions(lake: str) -> None:
    """New code changes the functions, makes their published versions anew, and touches no data and no permission."""
    body = template_of(lake).body
    plan = compared(Plan(lake, "s"), body, {**CODE, "CodeKey": "a/b.zip"}, Standing(body, CODE, {}))
    found = {change.name: change.action for change in plan.changes}
    assert found["IntakeFunction"] == found["UpkeepFunction"] == "change"
    assert found["IntakeVersion"] == found["UpkeepVersion"] == "replace"
    assert not any(change.loses_data for change in plan.changes)
    assert not plan.granted
    assert {change.part for change in plan.changes} <= {"functions", "intake", "upkeep"}


def test_what_cannot_be_changed_in_place_is_replaced_and_what_points_to_it_follows() -> None:
    """A bucket with another name is another bucket; its policy, which is bound to it, is made anew too."""
    old = stack(B=bucket("a"), P=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "B"}, "PolicyDocument": {}}))
    new = stack(B=bucket("b"), P=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "B"}, "PolicyDocument": {}}))
    assert acts(old, new) == {"B": "replace", "P": "replace"}
    assert acts(old, stack(B=bucket("a", VersioningConfiguration={"Status": "Enabled"}))) == {
        "B": "change",
        "P": "remove",
    }


def test_parameters_and_conditions_are_put_in_before_comparing() -> None:
    """A parameter's value and a condition's outcome count, not how the template writes them."""
    template = {
        "Parameters": {"Name": {"Type": "String", "Default": ""}},
        "Conditions": {"Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]}},
        "Resources": {
            "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::If": ["Named", {"Ref": "Name"}, "x"]}}},
            "T": {"Type": "AWS::SNS::Topic", "Condition": "Named", "Properties": {}},
        },
    }
    assert resolved(template) == {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "x"}}}
    given = resolved(template, {"Name": "mine"})
    assert given["B"]["Properties"]["BucketName"] == "mine"
    assert "T" in given
    plan = compared(Plan("l", "s"), template, {}, Standing(template, {"Name": "mine"}, {}))
    assert [(change.name, change.action) for change in plan.changes] == [("B", "replace"), ("T", "remove")]
    assert [change.name for change in plan.changes if change.loses_data] == ["B"]


def test_statements_that_come_and_go_are_told_apart_from_those_that_stay() -> None:
    """A policy that grows by one statement grants that one; order and grouping do not count."""

    def role(*statements: dict[str, Any]) -> dict[str, Any]:
        document = {"Statement": list(statements)}
        return stack(R=("AWS::IAM::Role", {"Policies": [{"PolicyName": "p", "PolicyDocument": document}]}))

    read = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": {"Fn::Sub": "${Raw.Arn}/*"}}
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    granted, withdrawn = difference(resolved(role(read)), resolved(role(write, read)))
    assert [statement.actions for statement in granted] == [("s3:PutObject",)]
    assert withdrawn == ()
    assert difference(resolved(role(write, read)), resolved(role(read)))[1] == granted


def test_cloudformation_wins_where_it_knows_better() -> None:
    """What a change set says becomes the plan: changes it does not have go, those only it has come."""
    ours = changes(resolved(stack(B=bucket("a"))), resolved(stack(B=bucket("b"), Q=("AWS::SQS::Queue", {}))))
    said: list[dict[str, Any]] = [
        {"ResourceChange": {"Action": "Add", "LogicalResourceId": "Q", "ResourceType": "AWS::SQS::Queue"}},
        {
            "ResourceChange": {
                "Action": "Modify",
                "LogicalResourceId": "K",
                "ResourceType": "AWS::KMS::Key",
                "PhysicalResourceId": "k-1",
                "Replacement": "False",
                "Details": [{"Target": {"Attribute": "Tags"}}],
            }
        },
    ]
    found = confirmed(ours, said)
    assert [(each.action, each.name, each.because) for each in found] == [("add", "Q", ()), ("change", "K", ("Tags",))]
    plan = Plan("l", "s", changes=ours)
    assert settled(plan, said).changes == found
    assert settled(plan, []) == plan, "a change set without a list says nothing of resources"


def test_replacing_properties_are_those_of_awss_own_schemas() -> None:
    """The shipped list of what cannot be changed in place is what cfn-lint's copy of AWS's schemas says."""
    command = [sys.executable, "-P", str(ROOT / "scripts" / "replacing.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    known = json.loads((ROOT / "src/penstock/deployment/replacing.json").read_text())
    types = {part["Type"] for lake in (*LAKES, "everything") for part in template_of(lake).resources.values()}
    services = {name.split("::")[1] for name in known}
    assert {name.split("::")[1] for name in types} <= services
    say("plan", f"{len(types)} types of resources in the shipped templates, all with their replacing properties")


@pytest.mark.parametrize("lake", [*LAKES, "everything"])
def test_what_is_kept_for_data_stands_by_itself(lake: str) -> None:
    """The reduced template keeps files, tables, state and key, and refers to nothing that goes."""
    body = template_of(lake).body
    kept = keeping_data(body)
    names = set(kept["Resources"])
    assert {"RawBucket", "ProcessedBucket", "Key", "StateTable", "RawBucketPolicy"} <= names
    assert not {"IntakeFunction", "IntakeRole", "EnrichedBucket", "IntakeQueue"} & names
    lost = body["Resources"].keys() - names
    assert not set(references(kept["Resources"])) & lost
    assert not set(references(kept.get("Outputs", {}))) & lost
    assert all(kept["Resources"][name] == body["Resources"][name] for name in names)


def test_columns_that_come_and_go_are_told_with_their_table(tmp_path: Path) -> None:
    """Against tables that exist: a derived column comes, one no longer made is not filled, tables come, go."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text("id,total\n1,2\n")
    (tmp_path / "raw" / "b.csv").write_text("x\n1\n")
    text = (
        "lake: shop\ntables:\n  a: {files: 'a*.csv', steps: [{derive: {twice: total * 2}}]}\n  b: {files: 'b*.csv'}\n"
    )
    (tmp_path / "lake.yaml").write_text(text)
    with Lake(tmp_path) as lake:
        lake.run()
        now = examine(
            "lake: shop\ntables:\n  a: {files: 'a*.csv', steps: [{derive: {half: total / 2}}]}\n  c: {files: c}\n"
        )
        found = table_changes(now.tables, lake.catalog, Previewer(lake.catalog, lake.raw, now.tables))
    assert [(each.action, each.table, each.column) for each in found] == [
        ("add", "a", "half"),
        ("remove", "a", "twice"),
        ("add", "c", ""),
        ("remove", "b", ""),
    ]


def test_a_plan_reads_well_in_eighty_columns() -> None:
    """A plan with one of everything, as a person sees it."""
    old = stack(
        RawBucket=bucket("a"),
        Queue=("AWS::SQS::Queue", {"DelaySeconds": 1}),
        Gone=("AWS::SNS::Topic", {}),
    )
    new = stack(RawBucket=bucket("b"), Queue=("AWS::SQS::Queue", {"DelaySeconds": 2}), Key=("AWS::KMS::Key", {}))
    plan = compared(
        Plan("shop", "penstock-shop", "123456789012", "eu-west-3", known=True, exists=True),
        new,
        {},
        Standing(old, {}, {}),
    )
    shown = list(lines(plan))
    assert "\n".join(_plain(line) for line in shown) == PLAN
    assert all(len(_plain(line)) <= 80 for line in shown)
    assert summary(plan) == "4 resources: 1 to add, 1 to change, 1 to replace, 1 to remove"


PLAN = """\
shop: stack penstock-shop in eu-west-3, account 123456789012
! RawBucket (S3 Bucket) holds data: a new, empty one takes its place

files
  ± RawBucket                     S3 Bucket
      made anew, because of BucketName

intake
  ~ Queue                         SQS Queue
      DelaySeconds

notices
  - Gone                          SNS Topic

encryption
  + Key                           KMS Key"""


def _plain(text: str) -> str:
    import click

    return click.unstyle(text)


def test_a_plan_counts_what_its_region_has_no_price_of() -> None:
    """Its cost is that of `penstock cost`, at the declared volumes; what has no price is not passed over."""
    text = "lake: shop\naws: {region: eu-west-3, cost: {files: 9}}\ntables:\n  orders: {files: '*.csv'}\n"
    examined = examine(text)
    assert examined.declaration is not None
    bill = monthly(examined.declaration, Volumes(files=9), prices_of("eu-west-3"))
    plan = new_plan(synthesise(examined), examined.declaration, {})
    assert plan.money is not None
    assert plan.money.then == pytest.approx(bill.total)
    assert plan.money.missing == pytest.approx(bill.missing)
    assert bill.missing > 1
    shown, idle = [*lines(plan)], bill.idle + bill.idle_missing
    assert f"  about {bill.total + bill.missing:,.2f} USD a month; {idle:,.2f} when nothing happens" in shown
    assert f"  {bill.missing:,.2f} of it at prices of us-east-1, as those of eu-west-3 are not known" in shown
    assert plan.facts()["cost"]["missing"] == round(bill.missing, 2)
