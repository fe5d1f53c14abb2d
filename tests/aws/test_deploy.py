from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock import aws
from penstock.deployment.confirmations import unconfirmed
from penstock.deployment.survey import survey
from penstock.errors import DeploymentError, StackStuckError
from tests.aws import cloud
from tests.aws.deploying import Deployer, put_into
from tests.aws.moto_stacks import IGNORED
from tests.aws.synthesised import text_of
from tests.cli.conftest import Outcome, call
from tests.told import say

pytestmark = pytest.mark.usefixtures("empty_aws")

STACK = "penstock-consultations"


OWNED = text_of("consultations") + f"aws: {{region: {cloud.REGION}, owner: ops@example.org}}\n"
"""A lake whose owner is told of alarms, so that every resource of it is made."""


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder that declares a lake which can be deployed."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "lake.yaml").write_text(OWNED, encoding="utf-8")
    return tmp_path / "lake"


def test_a_lake_is_deployed_and_deploying_again_changes_nothing(tmp_path: Path) -> None:
    """The first deployment makes every resource; the second finds nothing to do; other code changes the stack.

    Moto tells events of the stack only, applies changes at once, and knows no replacement.
    """
    deployer = Deployer(OWNED)
    assert deployer.deploy(tmp_path) == "CREATE_COMPLETE"
    made = deployer.deployment.stacks.resources(STACK)
    assert {part.name for part in made} == set(deployer.made.resources)
    assert set(deployer.stack.outputs) >= {"RawBucket", "StateTable", "IntakeQueue", "Key"}
    assert [event.status for event in deployer.told.events if event.of_stack] == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]
    assert deployer.deploy(tmp_path) is None
    assert deployer.deploy(tmp_path, "x = 2") == "UPDATE_COMPLETE"
    types = {part.type for part in made}
    say(
        "deploy",
        f"made on moto: {len(made)} resources of {len(types)} types; left out: {sorted(IGNORED & types) or 'none'}",
    )


def test_the_bucket_of_artifacts_is_private_encrypted_versioned_and_for_tls_only(tmp_path: Path) -> None:
    """Made once, and secured again where somebody was interrupted in between."""
    deployer = Deployer()
    assert deployer.deployment.artifacts.make()
    assert not deployer.deployment.artifacts.make()
    s3, name = aws.client("s3", cloud.REGION), deployer.target.artifacts
    assert name == f"penstock-artifacts-{cloud.ACCOUNT}-{cloud.REGION}"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    assert len(blocked) == 4
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    package = deployer.package(tmp_path)
    file = next(tmp_path.glob("*.zip"))
    assert not deployer.deployment.upload_code(file, package.given["CodeKey"])


def test_a_broken_off_deployment_finds_its_change_set_again(tmp_path: Path) -> None:
    """Killed between making the change set and executing it: the next call executes the same one."""
    first = Deployer()
    made = first.change_set(first.package(tmp_path))
    assert first.stack.status == "REVIEW_IN_PROGRESS"
    second = Deployer()
    again = second.change_set(second.package(tmp_path))
    assert made is not None
    assert again is not None
    assert again.id == made.id
    assert second.deploy(tmp_path) == "CREATE_COMPLETE"
    assert first.deploy(tmp_path) is None


def test_what_nobody_agrees_to_leaves_nothing(tmp_path: Path) -> None:
    """A change set that is turned down goes, with the stack that was only there for it."""
    deployer = Deployer()
    made = deployer.change_set(deployer.package(tmp_path))
    assert made is not None
    assert deployer.deployment.drop(made)
    assert deployer.deployment.stacks.find(STACK) is None
    assert deployer.told.events == [], "nothing was ever in it"
    assert not deployer.deployment.drop(made), "it is gone already"


def test_an_operation_that_goes_on_is_followed_not_failed(tmp_path: Path) -> None:
    """A second deployment waits until the first has ended; moto is put into the state, and comes out of it by hand."""
    deployer = Deployer()
    deployer.deploy(tmp_path)
    put_into(STACK, "UPDATE_IN_PROGRESS")
    waits: list[float] = []

    def ends(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            put_into(STACK, "UPDATE_COMPLETE")

    deployer.clock.sleep = ends  # type: ignore[method-assign]
    assert deployer.deploy(tmp_path) is None
    assert len(waits) == 3
    assert any("something is being done to penstock-consultations already" in text for text in deployer.told.begun)
    assert not deployer.deployment.under_way


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "ROLLBACK_FAILED", "CREATE_FAILED"])
def test_a_stuck_stack_is_told_with_the_way_out(tmp_path: Path, status: str) -> None:
    """Nothing is uploaded or changed; the error says which state it is and what gets out of it."""
    deployer = Deployer()
    deployer.deploy(tmp_path)
    put_into(STACK, status)
    with pytest.raises(StackStuckError, match=status) as found:
        deployer.deployment.standing()
    assert "penstock" in found.value.hint


def test_the_empty_stack_of_a_failed_creation_is_removed_by_the_next_deployment(tmp_path: Path) -> None:
    """ROLLBACK_COMPLETE can only be deleted: deploying does that by itself, and says so."""
    deployer = Deployer()
    deployer.change_set(deployer.package(tmp_path))
    put_into(STACK, "ROLLBACK_COMPLETE")
    assert deployer.deploy(tmp_path) == "CREATE_COMPLETE"
    assert any("earlier creation that failed" in text for text in deployer.told.begun)


def test_a_taken_bucket_name_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """A bucket of that name outside the stack: refused, with what to do. Moto knows no other accounts'."""
    deployer = Deployer()
    name = f"{STACK}-raw-{cloud.ACCOUNT}-{cloud.REGION}"
    place = {"LocationConstraint": cloud.REGION}
    aws.client("s3", cloud.REGION).create_bucket(Bucket=name, CreateBucketConfiguration=place)
    with pytest.raises(DeploymentError, match=name) as found:
        deployer.deploy(tmp_path)
    assert "another stack has it, or an earlier deployment left it" in found.value.hint
    assert deployer.deployment.stacks.find(STACK) is None


def test_who_has_not_confirmed_is_told(tmp_path: Path) -> None:
    """Addresses that AWS waits for are told with their topic. Moto confirms at once: that is turned back."""
    deployer = Deployer(OWNED)
    deployer.deploy(tmp_path)
    from moto.sns.models import sns_backends

    found = sns_backends[cloud.ACCOUNT][cloud.REGION].subscriptions
    for subscription in found.values():
        subscription.arn = "PendingConfirmation"
    waiting = unconfirmed(deployer.deployment.stacks.resources(STACK), cloud.REGION)
    assert ("ops@example.org", f"{STACK}-alarms") in waiting


def test_a_plan_against_what_is_deployed_shows_only_what_differs(tmp_path: Path) -> None:
    """Another lake.yaml: its new alarm, its cost against now, and nothing that is as it was."""
    deployer = Deployer()
    deployer.deploy(tmp_path)
    other = Deployer(deployer.text + "alarms: {slow: {duration: {above: 30s}}}\n")
    plan = survey(other.deployment, other.made, other.examined, tmp_path, {})
    assert plan.exists
    assert {change.action for change in plan.changes} == {"add"}
    assert {change.type for change in plan.changes} == {"AWS::CloudWatch::Alarm"}
    assert plan.granted == ()
    assert plan.money is not None
    assert plan.money.now is not None
    assert plan.money.then >= plan.money.now
    same = survey(deployer.deployment, deployer.made, deployer.examined, tmp_path, {})
    assert same.empty


# --- The command line, as a process -----------------------------------------------------------


def plain(*arguments: str | Path, **more: str) -> Outcome:
    """A call without credentials and without a region, but for `more`."""
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"), "")
    return call(*arguments, cwd=None, stdin="", **{**none, **more})


def test_missing_credentials_are_told_before_anything_is_done(lake: Path) -> None:
    """The whole text, as a stranger reads it."""
    done = plain("-C", lake, "deploy", "--yes", AWS_REGION="eu-west-3")
    assert done.code == 1
    assert done.err == (
        "error: no complete AWS credentials were found, which are needed to learn whose account this is\n"
        "  give them as AWS_PROFILE, or as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;\n"
        "  see what AWS's own tools would use: aws sts get-caller-identity\n"
    )


def test_a_missing_region_is_told_before_anything_is_done(lake: Path) -> None:
    """Where lake.yaml says none and neither do AWS's own tools."""
    file = lake / "lake.yaml"
    file.write_text(file.read_text().replace("region: eu-west-3, ", ""), encoding="utf-8")
    done = plain("-C", lake, "deploy", "--yes", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")  # noqa: S106 - none
    assert done.code == 1
    assert done.err == (
        "error: no AWS region is known\n  say which: aws.region in lake.yaml, AWS_REGION, or region in ~/.aws/config\n"
    )


def test_a_plan_needs_no_credentials(lake: Path) -> None:
    """Without them it says so, and shows everything as new; `--offline` asks for none."""
    done = plain("-C", lake, "plan", "--json", AWS_REGION="eu-west-3")
    assert done.code == 0, done.err
    assert done.err.startswith("AWS was not asked: no complete AWS credentials")
    facts = done.json()
    assert facts["compared"] is False
    assert facts["counts"]["add"] == len(facts["resources"]) > 30
    offline = plain("-C", lake, "plan", "--offline")
    assert offline.code == 0
    assert offline.err == ""
    assert offline.out.startswith("consultations: stack penstock-consultations in eu-west-3, not compared with AWS\n")
    assert "\x1b" not in offline.out


def test_costs_are_those_of_the_region_that_is_named(lake: Path) -> None:
    """`plan --offline` takes AWS_REGION as the other commands do, unless lake.yaml names one."""
    named = plain("-C", lake, "plan", "--offline", "--json", AWS_REGION="us-east-1").json()
    assert named["region"] == "eu-west-3", "lake.yaml is stronger"
    file = lake / "lake.yaml"
    file.write_text(file.read_text().replace("region: eu-west-3, ", ""), encoding="utf-8")
    other = plain("-C", lake, "plan", "--offline", "--json", AWS_REGION="us-east-1").json()
    assert (other["region"], other["cost"]["missing"]) == ("us-east-1", 0)
    assert other["cost"]["monthly"] > named["cost"]["monthly"], "everything has a price there"
    nowhere = plain("-C", lake, "plan", "--offline", "--json").json()
    assert nowhere["cost"] is None
    assert "costs differ by region: say which as aws.region in lake.yaml, or as AWS_REGION" in nowhere["notes"]


def test_synth_and_plan_count_alike(lake: Path, tmp_path: Path) -> None:
    """What the template only has where a parameter gets another value is in neither count, and is named."""
    file = lake / "lake.yaml"
    owned = plain("-C", lake, "synth", "--out", tmp_path / "t.yaml").out
    planned = len(plain("-C", lake, "plan", "--offline", "--json").json()["resources"])
    assert owned == f"wrote {tmp_path / 't.yaml'}: {planned} resources\n"
    file.write_text(file.read_text().replace(", owner: ops@example.org", ""), encoding="utf-8")
    fewer = len(plain("-C", lake, "plan", "--offline", "--json").json()["resources"])
    assert fewer == planned - 1
    assert plain("-C", lake, "synth", "--out", tmp_path / "t.yaml").out == (
        f"wrote {tmp_path / 't.yaml'}: {fewer} resources; not made with the parameters as they are: AlarmMail\n"
    )


def test_a_wrong_declaration_is_told_before_aws_is_asked(lake: Path) -> None:
    """All problems at once, those of `check` and those of deploying, for each of the commands."""
    file = lake / "lake.yaml"
    file.write_text(file.read_text() + 'workflows: {nightly: {cron: "0 2 * * *", refresh: all}}\n', encoding="utf-8")
    for command in ("synth", "plan", "deploy"):
        done = plain("-C", lake, command)
        assert done.code == 1
        assert "workflows are not deployed yet" in done.err
    checked = plain("-C", lake, "check")
    assert checked.code == 0, checked.err
    assert "cannot be deployed: lake.yaml:" in checked.out


def test_the_template_is_printed_in_both_forms(lake: Path, tmp_path: Path) -> None:
    """YAML for people, JSON for programs, or into a file; both are the same template."""
    import yaml

    as_json, as_yaml = plain("-C", lake, "synth", "--format", "json"), plain("-C", lake, "synth")
    assert as_json.json() == yaml.safe_load(as_yaml.out)
    assert plain("-C", lake, "synth", "--out", tmp_path / "t.yaml").code == 0
    assert (tmp_path / "t.yaml").read_text() == as_yaml.out
