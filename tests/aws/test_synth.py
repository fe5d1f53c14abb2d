"""The template of a declaration: golden files, determinism, refusals with their places, linters."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.declaration import DEFAULTS, examine, examine_deployed
from penstock.deployed import Deployed, output_name
from penstock.deployment.deployable import refusals
from penstock.deployment.limits import assert_within_limits
from penstock.deployment.synth import synthesise
from penstock.errors import DeclarationError
from tests import told
from tests.aws.synthesised import EVERYTHING, LAKES, golden, template_of, text_of
from tests.cli.conftest import call

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
ALL = (*LAKES, "everything")


def refused(text: str) -> str:
    """What is said of a declaration that cannot be deployed."""
    with pytest.raises(DeclarationError) as raised:
        synthesise(examine(text, environment={}))
    return str(raised.value)


@pytest.mark.parametrize("lake", LAKES)
def test_golden(lake: str) -> None:
    """The shipped lakes give the templates that were reviewed; `python -m tests.aws.synthesised` writes them anew."""
    kept = golden(lake).read_text(encoding="utf-8")
    assert template_of(lake).yaml == kept, "run: python -m tests.aws.synthesised, and read the difference"


def test_same_again_elsewhere() -> None:
    """The template is the same, byte for byte, in another process with other chance and another folder."""
    program = (
        "import sys; from tests.aws.synthesised import template_of; sys.stdout.write(template_of('everything').json)"
    )
    texts = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY), "TZ": "Asia/Tokyo"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        texts.add(done.stdout)
    assert texts == {template_of("everything").json}


def test_order_does_not_matter() -> None:
    """Tables, roles and tags in another order give the same resources."""
    whole = yaml.safe_load(EVERYTHING)
    for part in ("tables", "access", "tags"):
        whole[part] = dict(reversed(whole[part].items()))
    again = synthesise(examine_deployed(yaml.safe_dump(whole, sort_keys=False)))
    assert sorted(again.resources) == sorted(template_of("everything").resources)


@pytest.mark.parametrize("lake", ALL)
def test_outputs_say_where_everything_is(lake: str) -> None:
    """The stack's outputs are those that `Deployed` reads, and the functions are told the same."""
    body = template_of(lake).body
    names = {output_name(name) for name in Deployed.__annotations__}
    assert set(body["Outputs"]) == names
    for function in ("IntakeFunction", "UpkeepFunction"):
        variables = body["Resources"][function]["Properties"]["Environment"]["Variables"]
        said = {name: value["Value"] for name, value in body["Outputs"].items()}
        assert {name: variables[f"PENSTOCK_{_snake(name)}"] for name in names} == said


def _snake(name: str) -> str:
    return "".join(f"_{char}" if char.isupper() else char for char in name).lstrip("_").upper()


def test_parameters_of_the_declaration() -> None:
    """Bucket names, the owner's address, sizes and the values of tags are parameters, with what is declared (R1.14)."""
    found = {name: one.get("Default") for name, one in template_of("everything").parameters.items()}
    assert found == {
        "CodeBucket": None,
        "CodeKey": None,
        "EnrichedBucketName": "everything-enriched",
        "FunctionMemory": 3008,
        "IntakeConcurrency": 10,
        "LogDays": 365,
        "OwnerEmail": "ops@example.org",
        "ProcessedBucketName": "everything-processed",
        "QueryCutoff": 1_000_000_000,
        "RawBucketName": "everything-raw",
        "TagSupnumLab": "PROJET-5",
        "TagSupnumOwner": "21031",
        "UpkeepMemory": 1024,
    }


def test_version_changes_with_whatever_a_function_is_made_of() -> None:
    """Another size, another environment, another key of the code: CloudFormation publishes another version."""
    one, other = (
        synthesise(examine_deployed(text)).resources
        for text in (EVERYTHING, EVERYTHING.replace("timeout: 15m", "timeout: 14m"))
    )
    described = [each["IntakeVersion"]["Properties"]["Description"]["Fn::Sub"] for each in (one, other)]
    assert described[0][0].split()[1:] == described[1][0].split()[1:]
    assert described[0][0].split()[0] != described[1][0].split()[0]
    for parameter in ("FunctionMemory", "RawBucketName", "ProcessedBucketName", "EnrichedBucketName"):
        assert f"${{{parameter}}}" in described[0][0]
    assert described[0][1]["CodeFile"] == {"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "CodeKey"}]}]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PROJET-5", "PROJET-6"),
        ("reserved: 20", "reserved: 30"),
        ("upkeep: {memory: 1024", "upkeep: {memory: 2048"),
        ("concurrency: 10", "concurrency: 20"),
    ],
)
def test_version_stays_where_a_function_does(before: str, after: str) -> None:
    """Lambda publishes nothing where nothing has changed, and a version that cannot be published fails a deployment.

    Tags and reserved invocations are no part of a version, and neither is what another function is made of.
    """
    assert before in EVERYTHING
    one, other = (
        synthesise(examine_deployed(text)).resources["IntakeVersion"]
        for text in (EVERYTHING, EVERYTHING.replace(before, after))
    )
    assert one == other
    assert "UpkeepMemory" not in json.dumps(one)


def test_roles_ask_in_workgroups_that_are_there() -> None:
    """Each role may ask in one workgroup, which the template makes, and which `penstock query --role` asks in."""
    resources = template_of("everything").resources
    names = {
        resource["Properties"]["Name"]["Fn::Sub"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Athena::WorkGroup"
    }
    assert names == {"${AWS::StackName}"} | {
        f"${{AWS::StackName}}-role-{role}" for role in ("admin", "finance", "nobody")
    }
    asked = set(re.findall(r"workgroup/(\$\{AWS::StackName\}[\w-]*)", json.dumps(resources)))
    assert asked
    assert asked <= names


def test_a_stack_whose_names_are_too_long_is_refused() -> None:
    """Functions and roles have 64 letters at most: with buckets that have names of their own, that is what counts."""
    buckets = "buckets: {raw: a-raw, processed: a-processed, enriched: a-enriched}"
    text = f"lake: x\naws: {{stack: {'s' * 55}, {buckets}}}\ntables: {{t: {{files: '*.csv'}}}}\n"
    resources = synthesise(examine(text, environment={})).resources
    assert resources["ScheduleRole"]["Properties"]["RoleName"] == {"Fn::Sub": "${AWS::StackName}-schedule"}
    said = refused(text.replace("s" * 55, "s" * 56))
    assert "56 letters; its roles and functions are named after it (STACK-schedule)" in said
    assert f"and so the stack's 55; give it another name: aws: {{stack: {'s' * 55}}}" in said


def test_a_snapshot_is_of_intake_and_can_be_left_out() -> None:
    """Files begin from a snapshot unless that is declined or cannot be; upkeep never does, for which nobody waits."""
    for said, functions in {"{}": {"IntakeFunction"}, "{snapshot: false}": set(), "{storage: 1024}": set()}.items():
        made = synthesise(examine(f"lake: x\naws: {{function: {said}}}\n", environment={})).resources
        assert {name for name, one in made.items() if "SnapStart" in one.get("Properties", {})} == functions


def test_notes_say_what_has_no_meaning() -> None:
    """Alarms without a meaning on AWS, and what stays on this machine, are said beside the template."""
    no_disk = "buckets have no end, and a function's disk is as large as aws.function.storage says"
    assert template_of("orders").notes == (
        "workflows.nightly stays on this machine: aws.here_only says so",
        "nobody is told of anything: declare notices to e-mail addresses, or aws.owner for alarms",
        f"alarms.disk is not watched on AWS: {no_disk}",
    )
    assert list(template_of("orders").body["Metadata"]["Penstock"]["Notes"]) == list(template_of("orders").notes)


# --- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lake", [*LAKES, "blank"])
def test_shipped_lakes_can_be_deployed(lake: str, tmp_path: Path) -> None:
    """What `penstock init` makes, `penstock synth` takes: the template stands in the file, the notes beside it."""
    folder = tmp_path / lake
    assert call("init", lake, folder).code == 0
    done = call("-C", folder, "synth", "--format", "json", "--out", tmp_path / "template.json")
    assert done.code == 0, done.err
    made = json.loads((tmp_path / "template.json").read_text(encoding="utf-8"))
    assert set(made["Outputs"]) == {output_name(name) for name in Deployed.__annotations__}
    assert [line for line in done.err.splitlines() if line] == [f"note: {note}" for note in _notes_of(made)]


def _notes_of(template: dict[str, Any]) -> list[str]:
    return list(template["Metadata"]["Penstock"]["Notes"])


def test_receivers_of_this_machine_become_a_note() -> None:
    """A folder, or a role without contacts, gets a topic without subscribers, and a note; it is not refused."""
    found = template_of("immobilier")
    there = "on AWS, it gets nothing until somebody subscribes to the topic penstock-immobilier-notice"
    assert found.notes[:3] == (
        "nobody is told of anything: declare notices to e-mail addresses, or aws.owner for alarms",
        f"notices.uploads tells the role finance, which has no contacts: {there}-uploads",
        f'notices.failures tells "file:", which is a folder on this machine: {there}-failures',
    )
    types = [one["Type"] for one in found.resources.values()]
    assert types.count("AWS::SNS::Topic") == 3
    assert types.count("AWS::SNS::Subscription") == 1  # the owner's, if there is one


def test_a_workflow_is_refused() -> None:
    """A workflow cannot be deployed: its place, the reason, and how to leave it here."""
    text = text_of("orders").partition("\naws:")[0] + "\n"
    line = text.splitlines().index("  nightly:") + 1
    assert refused(text) == (
        f"lake.yaml:{line}:3 workflows.nightly: workflows are not deployed yet; if it is to stay on this machine, "
        "say so: aws: {here_only: [workflows.nightly]}"
    )


def test_every_refusal_at_once() -> None:
    """Receivers that AWS cannot reach, programs, tags and names: all named with places."""
    said = refused(
        """lake: a_lake_with_a_long_name_that_nobody_wants
allow_exec: true
tags: {"aws:x": "1", "a b": "1", a_b: "2", odd: "50 % off"}
access:
  finance: {query: []}
  ops: {contacts: ["slack://token/channel"]}
notices:
  - {when: [dead], to: finance}
  - {when: [dead], to: [ops, "jsons://example.org/hook"]}
  - {when: [dead], to: "file:"}
tables: {t: {files: "*.csv"}}
"""
    )
    assert said.splitlines() == (HERE / "refusals.txt").read_text(encoding="utf-8").splitlines()


def test_what_comes_from_the_environment_is_refused() -> None:
    """Functions read lake.yaml anew, where nothing is set: what they would read is refused, what stays here is not."""
    text = (
        "lake: x\nnotices: [{name: chat, when: [dead], to: 'slack://${TOKEN}/c'}]\n"
        "aws: {here_only: [notices.chat]}\ntables: {t: {files: '$${TOKEN}*.csv', description: '${TOKEN}'}}\n"
    )
    with pytest.raises(DeclarationError) as found:
        synthesise(examine(text, environment={"TOKEN": "hidden"}))
    (problem,) = found.value.problems
    assert (problem.line, problem.path) == (4, "tables.t.description")
    assert "no environment variable TOKEN" in problem.text
    assert "hidden" not in str(found.value)


def test_here_only_must_name_something() -> None:
    """What is to stay here must be there: a misspelt name is not taken for leave to drop something."""
    said = refused(
        "lake: x\nworkflows: {nightly: {cron: '0 2 * * *', steps: [{maintain: all}]}}\n"
        "aws: {here_only: [workflows.nightli]}\n"
    )
    assert (
        'lake.yaml:3:19 aws.here_only[0]: names no workflow, no notice and no query: "workflows.nightli"; did you mean'
        in said
    )


@pytest.mark.parametrize(
    ("aws", "said"),
    [
        ("{regoin: eu-west-3}", "did you mean"),
        ("{function: {timeout: 16m}}", '"16m" is longer than a function may run: 15m'),
        ("{function: {memory: 128}}", "at least 512"),
        ("{function: {storage: 1024, snapshot: true}}", "for functions with at most 512 MB of storage"),
        ("{intake: {window: 6m}}", "5m at most"),
        ("{intake: {batch: 11, window: 0s}}", "needs a window of 1s or more"),
        ("{log_keep: 8d}", "what CloudWatch Logs can keep"),
        ("{results_keep: 2w}", "must be a number of days"),
        ("{query_cutoff: 1MB}", "Athena takes 10MB and more"),
        ("{upkeep: {every: 90s}}", "whole minutes"),
        ("{buckets: {raw: same, processed: same}}", "two of these names are the same"),
        ("{owner: nobody}", "owner"),
        ("{stack: Penstock_X}", "stack"),
    ],
)
def test_section_is_strict(aws: str, said: str) -> None:
    """What cannot be meant is refused with its place and the rule."""
    problem = refused(f"lake: x\naws: {aws}\n")
    assert problem.startswith("lake.yaml:2:")
    assert said in problem


def test_limits() -> None:
    """A lake that is larger than CloudFormation takes is refused before AWS refuses it, whatever the limit."""
    tables = "".join(f'  t{at}: {{files: "t{at}/*.csv"}}\n' for at in range(480))
    said = refused(f"lake: large\ntables:\n{tables}")
    assert "CloudFormation takes 500" in said
    body: dict[str, Any] = {**template_of("orders").body, "Parameters": {str(at): {} for at in range(201)}}
    with pytest.raises(DeclarationError, match="201 parameters are needed, CloudFormation takes 200"):
        assert_within_limits(body, json.dumps(body), examine("lake: x").document)
    with pytest.raises(DeclarationError, match="CloudFormation takes 1000000"):
        assert_within_limits(template_of("orders").body, " " * 1_000_001, examine("lake: x").document)


def test_large_lake_fits() -> None:
    """Sixty tables and their roles fit into one stack, and every policy into AWS's limits."""
    tables = "".join(f'  layer{at % 7}.table_{at}: {{files: "t{at}/*.csv"}}\n' for at in range(60))
    text = f"lake: large\naccess:\n  some: {{query: [layer1.*, layer2.*]}}\n  most: {{query: ['*']}}\ntables:\n{tables}"
    found = synthesise(examine(text, environment={}))
    told.say("synthesis", f"60 tables: {len(found.resources)} resources, {len(found.json)} bytes")
    assert len(found.resources) < 400
    attached = [one["Properties"].get("ManagedPolicyArns", []) for one in found.resources.values()]
    assert 1 < max(map(len, attached)) <= 10


def test_more_policies_than_a_role_can_have() -> None:
    """A lake whose functions need more policies than AWS attaches to a role is refused."""
    body = copy.deepcopy(template_of("orders").body)
    body["Resources"]["IntakeRole"]["Properties"]["ManagedPolicyArns"] = [str(at) for at in range(11)]
    with pytest.raises(DeclarationError, match="takes 11 policies, AWS attaches 10 to a role"):
        assert_within_limits(body, json.dumps(body), examine("lake: x").document)


def test_refusals_of_a_sound_lake() -> None:
    """A lake that can be deployed is refused nothing; one that does not hold is not spoken of."""
    assert refusals(examine_deployed(EVERYTHING)) == []
    assert refusals(examine("lake: 5", environment={})) == []
    assert set(DEFAULTS) == {"dead_letters", "disk"}


# --- Linters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lake", ALL)
def test_cfn_lint(lake: str) -> None:
    """cfn-lint finds nothing, not even hints, in the region that is declared."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found, region = template_of(lake), template_of(lake).region or "eu-west-3"
    matches = lint(found.yaml, regions=[region], config=ManualArgs(include_checks=["I"], regions=[region]))
    assert [f"{match.rule.id} {match.path} {match.message}" for match in matches] == []
    told.count("synthesis", f"cfn-lint {region}", len(found.resources), unit="resources linted")


def test_cfn_lint_sees() -> None:
    """The linter that finds nothing would find something: a property that there is not."""
    from cfnlint.api import lint

    broken = template_of("orders").yaml.replace("MaxSessionDuration:", "MaxSessionDuraton:", 1)
    assert [match.rule.id for match in lint(broken)] == ["E3002"]


@cache
def _left() -> dict[tuple[str, str], str]:
    listed = tomllib.loads((HERE / "suppressions.toml").read_text(encoding="utf-8"))["left"]
    assert all(len(one["reason"].split()) > 10 for one in listed), "each suppression says why"
    return {(one["check"], resource): one["reason"] for one in listed for resource in one["resources"]}


def checkov(*files: Path) -> list[dict[str, Any]]:
    """What checkov finds in templates."""
    assert CHECKOV.exists(), f"checkov is not installed at {CHECKOV}; run: scripts/checkov.sh"
    arguments = [argument for file in files for argument in ("-f", str(file))]
    command = [str(CHECKOV), *arguments, "--framework", "cloudformation", "-o", "json", "--skip-download", "--compact"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    return [*found["results"]["failed_checks"], {"passed": found["summary"]["passed"]}]


def test_checkov(tmp_path: Path) -> None:
    """Checkov finds nothing but what one reviewed file leaves as it is, and every line of that file is still needed.

    It would see what is not right: a template with a bucket that is not private is looked at beside.
    """
    files = {lake: tmp_path / f"{lake}.yaml" for lake in (*ALL, "broken")}
    for lake in ALL:
        files[lake].write_text(template_of(lake).yaml, encoding="utf-8")
    public = template_of("orders").yaml.replace("BlockPublicAcls: true", "BlockPublicAcls: false", 1)
    files["broken"].write_text(public, encoding="utf-8")
    *failed, summary = checkov(*files.values())
    broken = [one for one in failed if one["file_path"].endswith("broken.yaml")]
    found = {(one["check_id"], one["resource"]) for one in failed if one not in broken}
    assert found - set(_left()) == set(), "fix it, or say in suppressions.toml why it stays"
    assert set(_left()) - found == set(), "nothing is found for these lines of suppressions.toml any more"
    assert {one["check_id"] for one in broken} - {check for check, _ in _left()} == {"CKV_AWS_53"}
    left = len(failed) - len(broken)
    told.say("synthesis", f"checkov: {summary['passed']} checks passed on {len(files)} templates, {left} left")
