from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.deployment import destroy, emptying
from penstock.deployment.remains import LOOKERS, OF_OTHERS, thing_of
from penstock.deployment.survey import survey
from penstock.errors import DeploymentError
from tests.aws import cloud
from tests.aws.deploying import Deployer, backend, put_into
from tests.aws.synthesised import LAKES, template_of, text_of
from tests.cli.conftest import COMMAND, call, environment
from tests.told import say

pytestmark = pytest.mark.usefixtures("empty_aws")

STACK = "penstock-consultations"


def everything_on_aws() -> dict[str, list[str]]:
    """Whatever moto holds, service by service; keys aside, which AWS keeps for days."""

    def listed(service: str, call: str, key: str, name: str | None = None) -> list[str]:
        found = getattr(aws.client(service, cloud.REGION), call)().get(key, [])
        return sorted(each if name is None else each[name] for each in found)

    roles = listed("iam", "list_roles", "Roles", "RoleName")
    policies = aws.client("iam", cloud.REGION).list_policies(Scope="Local")["Policies"]
    found = {
        "stacks": listed("cloudformation", "describe_stacks", "Stacks", "StackName"),
        "buckets": listed("s3", "list_buckets", "Buckets", "Name"),
        "queues": listed("sqs", "list_queues", "QueueUrls"),
        "topics": listed("sns", "list_topics", "Topics", "TopicArn"),
        "functions": listed("lambda", "list_functions", "Functions", "FunctionName"),
        "databases": listed("glue", "get_databases", "DatabaseList", "Name"),
        "state": listed("dynamodb", "list_tables", "TableNames"),
        "logs": listed("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "rules": listed("events", "list_rules", "Rules", "Name"),
        "alarms": listed("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "workgroups": [
            name for name in listed("athena", "list_work_groups", "WorkGroups", "Name") if name != "primary"
        ],
        "schedules": listed("scheduler", "list_schedules", "Schedules", "Name"),
        "aliases": [
            name for name in listed("kms", "list_aliases", "Aliases", "AliasName") if not name.startswith("alias/aws/")
        ],
        "roles": [name for name in roles if name.startswith(STACK)],
        "policies": sorted(policy["PolicyName"] for policy in policies),
    }
    return {service: names for service, names in found.items() if names}


def keys() -> dict[str, str]:
    """The keys, and how they stand."""
    kms = aws.client("kms", cloud.REGION)
    ids = [key["KeyId"] for key in kms.list_keys()["Keys"]]
    return {key: kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in ids}


def test_destroying_leaves_nothing_but_the_key_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in all their versions, marks, tables, logs, artifacts: every service of moto is empty afterwards."""
    monkeypatch.setattr(emptying, "PAGE", 10)
    monkeypatch.setattr(destroy, "TABLES_AT_ONCE", 5)
    deployer = Deployer()
    deployer.deploy(tmp_path)
    raw = deployer.fill(24)
    glue = aws.client("glue", cloud.REGION)
    for number in range(12):
        glue.create_table(DatabaseName="consultations_main", TableInput={"Name": f"t{number}"})
    before = everything_on_aws()
    assert len(before) >= 14, before
    left = deployer.destruction().everything()
    assert everything_on_aws() == {}
    assert set(keys().values()) == {"PendingDeletion"}
    assert [item.thing.type for item in left] == ["AWS::KMS::Key"]
    assert "will be deleted on" in left[0].why
    gone = [count for name, count in deployer.told.emptied if name == raw]
    assert sum(gone) == 25
    assert len(gone) == 3
    say(
        "destroy", f"looked for residue in {len(before)} kinds of things on moto; {sum(gone)} versions removed in pages"
    )


def test_destroying_again_finds_nothing(tmp_path: Path) -> None:
    """The second call changes nothing and tells the same; so does one where nothing was ever deployed."""
    deployer = Deployer()
    assert deployer.destruction().everything() == []
    deployer.deploy(tmp_path)
    first = deployer.destruction().everything()
    assert deployer.destruction().everything() == first
    assert everything_on_aws() == {}


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_destruction_that_is_broken_off_is_finished_by_the_next(tmp_path: Path, after: int) -> None:
    """Broken off before several of its steps; the next call removes the rest, also where the stack is gone already."""

    class BrokenOffError(Exception):
        """The process ends here."""

    deployer = Deployer()
    deployer.deploy(tmp_path)
    deployer.fill(3)
    steps = 0

    def stop(_text: str) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise BrokenOffError

    destruction = deployer.destruction()
    object.__setattr__(destruction._listener, "begun", stop)
    with pytest.raises(BrokenOffError):
        destruction.everything()
    left = Deployer().destruction().everything()
    assert everything_on_aws() == {}
    assert {item.thing.type for item in left} <= {"AWS::KMS::Key"}


def test_data_is_kept_and_comes_back_with_the_next_deployment(tmp_path: Path) -> None:
    """`--keep-data`: files, tables, state and key stay in the same stack; deploying makes the rest again."""
    deployer = Deployer()
    deployer.deploy(tmp_path)
    raw = deployer.fill(3)
    aws.client("glue", cloud.REGION).create_table(DatabaseName="consultations_main", TableInput={"Name": "t"})
    deployer.destruction().all_but_data()
    kept = everything_on_aws()
    assert set(kept) == {"stacks", "buckets", "databases", "state", "aliases"}
    assert len(kept["buckets"]) == 3, "raw, processed, and the artifacts"
    assert set(keys().values()) == {"Enabled"}
    assert deployer.deploy(tmp_path) == "UPDATE_COMPLETE"
    assert len(deployer.deployment.stacks.resources(STACK)) == len(deployer.made.resources)
    s3 = aws.client("s3", cloud.REGION)
    assert len(s3.list_object_versions(Bucket=raw)["Versions"]) == 3
    assert aws.client("glue", cloud.REGION).get_table(DatabaseName="consultations_main", Name="t")
    deployer.destruction().everything()
    assert everything_on_aws() == {}


def test_other_lakes_are_left_alone(tmp_path: Path) -> None:
    """What another lake has, and its part of the artifacts, stays."""
    one, other = Deployer(), Deployer(lake="orders")
    one.deploy(tmp_path)
    other.deploy(tmp_path)
    other.fill(2)
    one.destruction().everything()
    left = everything_on_aws()
    assert left["stacks"] == [other.target.stack]
    assert other.target.artifacts in left["buckets"]
    assert len(left["buckets"]) == 4
    assert not any(name.startswith("consultations_") for name in left["databases"])


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        ("arn:aws:s3:::b", "AWS::S3::Bucket", "b"),
        ("arn:aws:kms:eu-west-3:1:key/k", "AWS::KMS::Key", "k"),
        ("arn:aws:logs:eu-west-3:1:log-group:/aws/lambda/f:*", "AWS::Logs::LogGroup", "/aws/lambda/f"),
        ("arn:aws:sqs:eu-west-3:1:q", "AWS::SQS::Queue", "q"),
        ("arn:aws:dynamodb:eu-west-3:1:table/t", "AWS::DynamoDB::Table", "t"),
        ("arn:aws:sns:eu-west-3:1:t", "AWS::SNS::Topic", "arn:aws:sns:eu-west-3:1:t"),
        ("arn:aws:strange:eu-west-3:1:x/y", "ARN", "arn:aws:strange:eu-west-3:1:x/y"),
    ],
)
def test_tagged_things_are_known_by_their_arn(arn: str, kind: str, name: str) -> None:
    """What the tagging API lists is looked at like what a stack lists; what is not known is told as it is."""
    found = thing_of(arn)
    assert (found.type, found.name) == (kind, name)


def test_every_type_that_is_deployed_is_looked_for() -> None:
    """No type of a resource is left out of the report in silence."""
    types = {part["Type"] for lake in (*LAKES, "everything") for part in template_of(lake).resources.values()}
    assert types <= LOOKERS.keys() | OF_OTHERS
    assert not LOOKERS.keys() & OF_OTHERS


# --- The command line, as a process -----------------------------------------------------------


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder that declares the lake that is deployed."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "lake.yaml").write_text(Deployer().text, encoding="utf-8")
    return tmp_path / "lake"


def test_the_command_asks_goes_and_tells_what_is_left(lake: Path, tmp_path: Path) -> None:
    """Without a terminal and without --yes nothing is done; then everything goes, and the report says what waits."""
    Deployer().deploy(tmp_path)
    asked = call("-C", lake, "destroy")
    assert asked.code == 1
    assert "somebody has to agree, and nobody can be asked" in asked.err
    assert STACK in everything_on_aws()["stacks"]
    done = call("-C", lake, "destroy", "--yes")
    assert done.code == 0, done.err
    assert "what is left:\n" in done.out
    assert "KMS Key" in done.out
    assert "will be deleted on" in done.out
    assert everything_on_aws() == {}
    again = call("-C", lake, "destroy")
    assert again.code == 0, "nothing is left to agree to"
    assert "removing" not in again.out
    assert "will be deleted on" in again.out


def test_what_was_kept_is_told_to_who_asks_for_the_lake(lake: Path, tmp_path: Path) -> None:
    """After `--keep-data`: the report, `status --aws` and a plan say that it runs no more, what is kept, what to do."""
    Deployer().deploy(tmp_path)
    gone = call("-C", lake, "destroy", "--keep-data", "--yes")
    assert gone.code == 0, gone.err
    raw, processed = (f"{STACK}-{zone}-{cloud.ACCOUNT}-{cloud.REGION}" for zone in ("raw", "processed"))
    (key,) = keys()
    kept = gone.out.partition("nothing of consultations runs any more; kept in")[2]
    for name in (raw, processed, f"{STACK}-state", "consultations_main", f"alias/{STACK}", key):
        assert f"  {name}\n" in kept, name
    asked = call("-C", lake, "status", "--aws")
    assert asked.code == 1
    assert asked.err.splitlines() == [
        f"error: {STACK}: the lake is not deployed any more in {cloud.REGION}; its data was kept:",
        f"    files as delivered  s3://{raw}",
        f"    tables              s3://{processed}",
        f"    state store         DynamoDB table {STACK}-state",
        f"    key                 arn:aws:kms:{cloud.REGION}:{cloud.ACCOUNT}:key/{key}",
        f"  bring it back, around this data: penstock -C {lake} deploy",
        f"  remove this, too: penstock -C {lake} destroy",
    ]
    other = Deployer()
    notes = survey(other.deployment, other.made, other.examined, lake, {}).notes
    assert "only the lake's data is there" in " ".join(notes)
    assert not [note for note in notes if "missing:" in note]


def test_the_report_names_each_thing_once(lake: Path, tmp_path: Path) -> None:
    """What waits to be deleted has a line with its day, and a command that keeps it; nothing is said twice."""
    Deployer().deploy(tmp_path)
    done = call("-C", lake, "destroy", "--yes")
    (key,) = keys()
    named, _, how = done.out.partition("what is left:\n")[2].partition("to keep the key after all")
    assert named.count(key) == how.count(key) == 1
    assert named.splitlines()[1].strip().startswith("will be deleted on ")
    assert f"aws kms cancel-key-deletion --region {cloud.REGION} --key-id {key}" in how


def test_what_cannot_be_deployed_any_more_can_be_removed(lake: Path, tmp_path: Path) -> None:
    """A workflow was declared since, which is refused on AWS: plan says so, and destroy does not mind."""
    Deployer().deploy(tmp_path)
    with (lake / "lake.yaml").open("a", encoding="utf-8") as file:
        file.write("workflows:\n  nightly: {cron: '0 2 * * *', steps: [{verify: all}]}\n")
    refused = call("-C", lake, "plan")
    assert refused.code == 1
    assert "workflows.nightly" in refused.err
    done = call("-C", lake, "destroy", "--yes")
    assert done.code == 0, done.err
    assert everything_on_aws() == {}


def test_ctrl_c_says_how_to_go_on_and_the_next_call_does(lake: Path, tmp_path: Path) -> None:
    """A real process, interrupted while it follows what CloudFormation does; moto is put into that state by hand."""
    Deployer().deploy(tmp_path)
    put_into(STACK, "UPDATE_IN_PROGRESS")
    command = [*COMMAND, "-C", str(lake), "destroy", "--yes"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment(PYTHONUNBUFFERED="1")
    ) as process:
        assert process.stdout is not None
        assert any("something is being done to" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "broken off; go on with: penstock -C" in err
    assert [stack.status for stack in backend().stacks.values()] == ["UPDATE_IN_PROGRESS"]
    put_into(STACK, "UPDATE_COMPLETE")
    assert call("-C", lake, "destroy", "--yes").code == 0
    assert everything_on_aws() == {}


def test_a_name_alone_is_no_proof() -> None:
    """What bears the names of lake.yaml and was not made by it stays: it may be anybody's, with anything in it."""
    deployer = Deployer(text_of("consultations") + "aws: {region: us-east-1, buckets: {raw: the-companys}}\n")
    region = deployer.target.region
    s3, glue, dynamo = (aws.client(service, region) for service in ("s3", "glue", "dynamodb"))
    more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket="the-companys", **more)
    s3.put_object(Bucket="the-companys", Key="precious.csv", Body=b"1")
    glue.create_database(DatabaseInput={"Name": "consultations_main"})
    keys: list[Any] = [{"AttributeName": "id", "KeyType": "HASH"}]
    kinds: list[Any] = [{"AttributeName": "id", "AttributeType": "S"}]
    named = f"{STACK}-state"
    dynamo.create_table(TableName=named, KeySchema=keys, AttributeDefinitions=kinds, BillingMode="PAY_PER_REQUEST")
    assert deployer.destruction().there() == []
    assert deployer.destruction().everything() == []
    assert s3.list_objects_v2(Bucket="the-companys")["KeyCount"] == 1
    assert glue.get_database(Name="consultations_main")["Database"]["Name"] == "consultations_main"
    assert dynamo.describe_table(TableName=named)["Table"]["TableName"] == named


def test_another_stack_of_the_name_is_left_alone(tmp_path: Path) -> None:
    """A stack that is another lake's, or nobody's here, is not planned, deployed over, asked about or removed."""
    deployer = Deployer()
    template = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    cloudformation = aws.client("cloudformation", deployer.target.region)
    cloudformation.create_stack(StackName=STACK, TemplateBody=template)
    with pytest.raises(DeploymentError, match="none of Penstock's"):
        deployer.deploy(tmp_path)
    for what in (deployer.destruction().there, deployer.destruction().everything, deployer.destruction().all_but_data):
        with pytest.raises(DeploymentError, match="none of Penstock's"):
            what()
    assert deployer.stack.status == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=STACK)
    deployer.deploy(tmp_path)
    other = Deployer(deployer.text.replace("lake: consultations", f"lake: other\naws: {{stack: {STACK}}}", 1))
    with pytest.raises(DeploymentError, match='of the lake "consultations", not of the lake "other"'):
        other.deploy(tmp_path)
    with pytest.raises(DeploymentError, match='of the lake "consultations"'):
        other.destruction().everything()
    assert deployer.stack.status == "CREATE_COMPLETE"
