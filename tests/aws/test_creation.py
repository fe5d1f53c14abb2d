"""Stacks are made on moto, every resource of them, and read back with the services' own calls.

What moto cannot do, and is not looked at here: it runs no function, sends no mail, fires no schedule, keeps no tags of
event source mappings and schedules' groups as CloudFormation gives them, does not say whether a bucket tells
EventBridge (what lands shows it), and enforces neither keys nor conditions. What these say is held by the rules
(`test_rules`) and the evaluator (`test_permissions`).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import pytest

from penstock import aws
from penstock.deployed import Deployed
from tests import told
from tests.aws import cloud, moto_stacks
from tests.aws.creation import BY_CALLS, LEFT_OUT, Made, apply, lifecycle_rule, make
from tests.aws.synthesised import LAKES, template_of

ALL = (*LAKES, "everything")


@pytest.fixture(scope="module", params=ALL)
def made(request: pytest.FixtureRequest) -> Made:
    """A stack that was made."""
    found = make(template_of(request.param))
    apply(found)
    return found


def has(found: Any, wanted: Any) -> bool:
    """Whether what was found says everything that is wanted; lists are the same."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(name in found and has(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(has, found, wanted))
    return bool(found == wanted)


def tags_of(properties: Any) -> dict[str, str]:
    """The tags that a resource is to carry."""
    return {tag["Key"]: tag["Value"] for tag in properties["Tags"]}


def tags_in(found: Any, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The tags that a service says."""
    return {tag[key]: tag[value] for tag in found}


def test_everything_is_made(made: Made) -> None:
    """CloudFormation gives every resource of the template a physical id: none is left out in silence."""
    assert made.status == "CREATE_COMPLETE"
    assert {name for name, physical in made.physical.items() if physical} == set(made.wanted)
    kinds = {one["Type"] for one in made.wanted.values()}
    assert kinds & moto_stacks.IGNORED == set()
    kinds_of = Counter(one["Type"] for one in made.wanted.values())
    told.say(
        "creation",
        f"{made.template.lake}: {sum(kinds_of.values())} resources of {len(kinds)} types, each with a physical id",
    )
    if made.template.lake == "everything":
        calls, half = sorted(BY_CALLS), sorted(LEFT_OUT)
        told.say("creation", f"made by moto's CloudFormation: {', '.join(sorted(kinds - set(calls) - set(half)))}")
        told.say("creation", f"made by it, and by calls what it leaves out: {', '.join(half)}")
        told.say("creation", f"made by calls of the services: {', '.join(calls)}; made by none: nothing")
        assert set(calls) | set(half) <= kinds


def test_outputs_are_a_deployed_lake(made: Made) -> None:
    """The stack's outputs are all that `Deployed` asks for, and name what is there."""
    stack = aws.client("cloudformation").describe_stacks(StackName=made.template.stack)["Stacks"][0]
    found = Deployed.from_outputs({one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]})
    assert (found.lake, found.stack, found.account) == (made.template.lake, made.template.stack, cloud.ACCOUNT)
    assert (found.raw_bucket, found.state_table) == (made.physical["RawBucket"], made.physical["StateTable"])
    assert found.dead_letter_queue == made.physical["DeadLetterQueue"]
    topics = {one["TopicArn"] for one in aws.client("sns").list_topics()["Topics"]}
    notices = [name for name in made.physical if name.startswith("Notice") and name[-1] not in "y0123456789"]
    assert {found.topic(made.physical[name].rpartition("-notice-")[2]) for name in notices} <= topics
    aws.client("athena").get_work_group(WorkGroup=found.workgroup)


def test_buckets(made: Made) -> None:
    """Buckets are as the template says: key, versions, access, ownership, lifecycle, policy, tags."""
    s3 = aws.client("s3")
    for name, properties in made.of_type("AWS::S3::Bucket").items():
        bucket = made.physical[name]
        rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["ApplyServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": f"arn:aws:kms:{cloud.REGION}:{cloud.ACCOUNT}:key/{made.physical['Key']}",
        }
        assert rule["BucketKeyEnabled"] is True
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert blocked == properties["PublicAccessBlockConfiguration"]
        assert has(
            s3.get_bucket_ownership_controls(Bucket=bucket), {"OwnershipControls": properties["OwnershipControls"]}
        )
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        wanted = [lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
        assert has(rules, wanted)
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        assert policy == made.properties(f"{name}Policy")["PolicyDocument"]
        assert tags_in(s3.get_bucket_tagging(Bucket=bucket)["TagSet"]) == tags_of(properties)


def test_key(made: Made) -> None:
    """The key changes by itself, has its policy and its alias."""
    kms, key, properties = aws.client("kms"), made.physical["Key"], made.properties("Key")
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == properties["KeyPolicy"]
    assert tags_in(kms.list_resource_tags(KeyId=key)["Tags"], "TagKey", "TagValue") == tags_of(properties)
    aliases = {one["AliasName"]: one.get("TargetKeyId") for one in kms.list_aliases()["Aliases"]}
    assert aliases[f"alias/{made.template.stack}"] == key


def test_queues(made: Made) -> None:
    """Queues are encrypted, keep messages long enough, redrive, and have their policies."""
    sqs = aws.client("sqs")
    for name, properties in made.of_type("AWS::SQS::Queue").items():
        url = made.physical[name]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for attribute in ("KmsMasterKeyId", "MessageRetentionPeriod", "VisibilityTimeout"):
            if attribute in properties:
                assert found[attribute] == str(properties[attribute])
        if "RedrivePolicy" in properties:
            assert json.loads(found["RedrivePolicy"]) == properties["RedrivePolicy"]
        assert json.loads(found["Policy"]) == made.properties(f"{name}Policy")["PolicyDocument"]
        assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == tags_of(properties)


def test_state_table(made: Made) -> None:
    """The table of the state store has its keys, is paid by request, encrypted, and can be brought back."""
    dynamodb, name, properties = aws.client("dynamodb"), made.physical["StateTable"], made.properties("StateTable")
    found = dynamodb.describe_table(TableName=name)["Table"]
    assert found["KeySchema"] == properties["KeySchema"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["SSEDescription"]["KMSMasterKeyArn"] == properties["SSESpecification"]["KMSMasterKeyId"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == properties["TimeToLiveSpecification"]["AttributeName"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
    assert tags_in(tags) == tags_of(properties)


def test_functions(made: Made) -> None:
    """Functions have their sizes, role, variables and alias; the queue calls the published version in batches."""
    functions = aws.client("lambda")
    wanted = ("Handler", "Runtime", "Timeout", "MemorySize", "Architectures", "Environment", "Role", "EphemeralStorage")
    for name, properties in made.of_type("AWS::Lambda::Function").items():
        function = made.physical[name]
        found = functions.get_function(FunctionName=function)
        for key in wanted:
            assert has(found["Configuration"][key], properties[key]), key
        assert found["Configuration"]["TracingConfig"] == {"Mode": "Active"}
        assert found["Tags"] == tags_of(properties)
        alias = functions.get_alias(FunctionName=function, Name="live")
        versions = functions.list_versions_by_function(FunctionName=function)["Versions"]
        assert alias["FunctionVersion"] == "1"
        assert [version["Version"] for version in versions] == ["$LATEST", "1"]
    mapping, properties = made.physical["IntakeMapping"], made.properties("IntakeMapping")
    found = functions.get_event_source_mapping(UUID=mapping)
    for key in (
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "FunctionResponseTypes",
        "ScalingConfig",
        "EventSourceArn",
    ):
        assert found[key] == properties[key], key


def test_log_groups(made: Made) -> None:
    """Logs end, and are encrypted."""
    logs = aws.client("logs")
    for name, properties in made.of_type("AWS::Logs::LogGroup").items():
        found = logs.describe_log_groups(logGroupNamePrefix=made.physical[name])["logGroups"][0]
        assert found["retentionInDays"] == properties["RetentionInDays"]
        assert found["kmsKeyId"] == properties["KmsKeyId"]
        assert logs.list_tags_log_group(logGroupName=made.physical[name])["tags"] == tags_of(properties)


def test_catalog_and_workgroups(made: Made) -> None:
    """Databases and workgroups are as the template says."""
    glue, athena = aws.client("glue"), aws.client("athena")
    for name, properties in made.of_type("AWS::Glue::Database").items():
        assert has(glue.get_database(Name=made.physical[name])["Database"], properties["DatabaseInput"])
    for name, properties in made.of_type("AWS::Athena::WorkGroup").items():
        found = athena.get_work_group(WorkGroup=made.physical[name])["WorkGroup"]
        wanted = {key: value for key, value in properties["WorkGroupConfiguration"].items() if key != "EngineVersion"}
        assert has(found["Configuration"], wanted)


def test_saved_queries(made: Made) -> None:
    """Each saved query is in the lake's workgroup, with the database of its tables, as Athena's console shows it."""
    athena = aws.client("athena")
    for name, properties in made.of_type("AWS::Athena::NamedQuery").items():
        found = athena.get_named_query(NamedQueryId=made.physical[name])["NamedQuery"]
        assert has(found, properties)
        assert found["WorkGroup"] == made.template.stack
        assert found["Database"].startswith(f"{made.template.lake}_")


def test_topics(made: Made) -> None:
    """Topics are encrypted and have their policies; each address behind a notice is asked whether it wants mail."""
    sns = aws.client("sns")
    for name, properties in made.of_type("AWS::SNS::Topic").items():
        arn = made.physical[name]
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        assert found["KmsMasterKeyId"] == properties["KmsMasterKeyId"]
        assert json.loads(found["Policy"]) == made.properties(f"{name}Policy")["PolicyDocument"]
        assert tags_in(sns.list_tags_for_resource(ResourceArn=arn)["Tags"]) == tags_of(properties)
        wanted = [one for one in made.of_type("AWS::SNS::Subscription").values() if one["TopicArn"] == arn]
        subscribed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        said = sorted((one["Protocol"], one["Endpoint"]) for one in subscribed)
        assert said == sorted(("email", one["Endpoint"]) for one in wanted if one["Endpoint"])


def test_alarms(made: Made) -> None:
    """Alarms look at what the template says, and tell its topics."""
    wanted = made.of_type("AWS::CloudWatch::Alarm")
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate()
    found = {one["AlarmName"]: one for page in pages for one in page["MetricAlarms"]}
    assert set(found) == {properties["AlarmName"] for properties in wanted.values()}
    for properties in wanted.values():
        same = {name: value for name, value in properties.items() if name not in {"Tags", "Metrics"}}
        assert has(found[properties["AlarmName"]], same)
        assert len(found[properties["AlarmName"]].get("Metrics", [])) == len(properties.get("Metrics", []))


def test_rules_and_schedule(made: Made) -> None:
    """Rules lead to the queue, with a dead-letter queue and its policy; the schedule calls the alias, encrypted."""
    events = aws.client("events")
    for name, properties in made.of_type("AWS::Events::Rule").items():
        found = events.describe_rule(Name=made.physical[name])
        assert json.loads(found["EventPattern"]) == properties["EventPattern"]
        assert found["State"] == "ENABLED"
        assert has(events.list_targets_by_rule(Rule=made.physical[name])["Targets"], properties["Targets"])
    properties = made.properties("UpkeepSchedule")
    found = aws.client("scheduler").get_schedule(GroupName=made.template.stack, Name=properties["Name"])
    assert has(found, properties)


def test_roles(made: Made) -> None:
    """Every role has its trust and just its policies."""
    iam = aws.client("iam")
    for name, properties in made.of_type("AWS::IAM::Role").items():
        role = made.physical[name]
        found = iam.get_role(RoleName=role)["Role"]
        assert found["AssumeRolePolicyDocument"] == properties["AssumeRolePolicyDocument"]
        assert tags_in(found["Tags"]) == tags_of(properties)
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert inline == [policy["PolicyName"] for policy in properties.get("Policies", [])]
        for policy in properties.get("Policies", []):
            text = iam.get_role_policy(RoleName=role, PolicyName=policy["PolicyName"])["PolicyDocument"]
            assert text == policy["PolicyDocument"]
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert sorted(one["PolicyArn"] for one in attached) == sorted(properties.get("ManagedPolicyArns", []))


def test_what_lands_reaches_the_queue() -> None:
    """An object that fits a table's pattern becomes a message in the stack's queue; another becomes none (R2.3).

    The queue stands without what takes from it: moto would start the function in a container.
    """
    template = template_of("orders")
    resources = {name: one for name, one in template.resources.items() if name != "IntakeMapping"}
    made = make(dataclasses.replace(template, body={**template.body, "Resources": resources}))
    apply(made)
    for key in ("Orders.csv", "Orders_2024.csv", "customers.csv", "Orders.parquet", "notes.txt"):
        aws.client("s3").put_object(Bucket=made.physical["RawBucket"], Key=key, Body=b"a\n1\n")
    url = made.physical["IntakeQueue"]
    messages = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    keys = [json.loads(message["Body"])["detail"]["object"]["key"] for message in messages]
    assert sorted(keys) == ["Orders.csv", "Orders_2024.csv", "customers.csv"]
