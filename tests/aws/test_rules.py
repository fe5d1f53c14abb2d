"""Every template keeps the rules, and every rule sees a template that breaks it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests import told
from tests.aws import rules
from tests.aws.synthesised import LAKES, template_of

Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("lake", [*LAKES, "everything"])
def test_templates_keep_the_rules(lake: str) -> None:
    """Every statement, tag, encryption, log group and dead-letter queue of every template is as the rules say."""
    body = template_of(lake).body
    assert rules.broken(body) == []
    told.count("rules", "statements", len(list(rules.documents(body))), unit="things looked at")
    told.count("rules", "resources", len(body["Resources"]), unit="things looked at")


def _properties(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: dict.__getitem__(body["Resources"][name], "Properties")


def _without(name: str, *path: str) -> Break:
    """A template in which a resource lacks something."""

    def change(body: dict[str, Any]) -> None:
        inside = _properties(name)(body)
        for part in path[:-1]:
            inside = inside[part]
        del inside[path[-1]]

    return change


def _with(name: str, value: Any, *path: str | int) -> Break:
    """A template in which a resource says something else."""

    def change(body: dict[str, Any]) -> None:
        inside: Any = _properties(name)(body)
        for part in path[:-1]:
            inside = inside[part]
        inside[path[-1]] = value

    return change


def _gone(name: str) -> Break:
    return lambda body: body["Resources"].pop(name)


def _statement(name: str, statement: dict[str, Any]) -> Break:
    """A template in which a policy says one thing more."""
    return lambda body: _first_policy(body, name).append(statement)


def _first_policy(body: dict[str, Any], name: str) -> list[Any]:
    properties = _properties(name)(body)
    policy = properties["Policies"][0]["PolicyDocument"] if "Policies" in properties else properties["PolicyDocument"]
    return list.__iadd__(policy["Statement"], [])


def _of_type(kind: str) -> Break:
    def change(body: dict[str, Any]) -> None:
        body["Resources"]["New"] = {"Type": kind, "Properties": {}}

    return change


NO: Any = False
_ALLOW = {"Sid": "New", "Effect": "Allow"}
_SEND = {**_ALLOW, "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["IntakeQueue", "Arn"]}}
_STALE = {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-intaek"}
BROKEN: list[tuple[str, str, Break]] = [
    ("tags", "IntakeQueue lacks tags", _without("IntakeQueue", "Tags")),
    ("tags", "Key lacks tags", _with("Key", [], "Tags")),
    ("tags", "IntakeMapping lacks tags", _without("IntakeMapping", "Tags")),
    ("encryption", "IntakeQueue is not encrypted", _without("IntakeQueue", "KmsMasterKeyId")),
    ("encryption", "StateTable is not encrypted", _with("StateTable", {"SSEEnabled": True}, "SSESpecification")),
    ("encryption", "AlarmTopic is not encrypted", _with("AlarmTopic", "alias/aws/sns", "KmsMasterKeyId")),
    ("encryption", "IntakeLogGroup is not encrypted", _without("IntakeLogGroup", "KmsKeyId")),
    ("encryption", "UpkeepFunction is not encrypted", _without("UpkeepFunction", "KmsKeyArn")),
    ("encryption", "UpkeepSchedule is not encrypted", _without("UpkeepSchedule", "KmsKeyArn")),
    ("encryption", "RawBucket is not encrypted", _without("RawBucket", "BucketEncryption")),
    (
        "encryption",
        "has no bucket key",
        _with("RawBucket", NO, "BucketEncryption", "ServerSideEncryptionConfiguration", 0, "BucketKeyEnabled"),
    ),
    (
        "encryption",
        "results are not encrypted",
        _with(
            "Workgroup",
            "SSE_S3",
            "WorkGroupConfiguration",
            "ResultConfiguration",
            "EncryptionConfiguration",
            "EncryptionOption",
        ),
    ),
    ("encryption", "nobody has said whether AWS::EC2::Volume", _of_type("AWS::EC2::Volume")),
    ("key", "not one key with rotation", _with("Key", NO, "EnableKeyRotation")),
    (
        "statements",
        "actions are not named",
        _statement("IntakeRole", {**_ALLOW, "Action": ["s3:*"], "Resource": ["arn:aws:s3:::x"]}),
    ),
    (
        "statements",
        "resources are not named",
        _statement("UpkeepRole", {**_ALLOW, "Action": ["s3:GetObject"], "Resource": ["*"]}),
    ),
    (
        "statements",
        "resources are not named",
        _statement("IntakeQueuePolicy", {**_SEND, "Principal": {"AWS": "1"}, "Resource": "*"}),
    ),
    (
        "statements",
        "says what is not meant",
        _statement("ScheduleRole", {**_ALLOW, "Action": ["s3:GetObject"], "NotResource": ["x"], "Resource": ["y"]}),
    ),
    ("statements", "is about nothing", _statement("ScheduleRole", {**_ALLOW, "Action": ["s3:GetObject"]})),
    ("principals", "anybody is allowed", _statement("IntakeQueuePolicy", {**_SEND, "Principal": "*"})),
    (
        "principals",
        "is not held to this account",
        _statement("IntakeQueuePolicy", {**_SEND, "Principal": {"Service": "events.amazonaws.com"}}),
    ),
    (
        "buckets",
        "RawBucket is not private",
        _with("RawBucket", NO, "PublicAccessBlockConfiguration", "BlockPublicAcls"),
    ),
    ("buckets", "RawBucket is not private", _without("RawBucket", "PublicAccessBlockConfiguration")),
    ("buckets", "keeps no versions", _with("ProcessedBucket", "Suspended", "VersioningConfiguration", "Status")),
    ("buckets", "has objects of others", _without("EnrichedBucket", "OwnershipControls")),
    ("buckets", "keeps unfinished uploads", _without("RawBucket", "LifecycleConfiguration")),
    ("buckets", "does not refuse", _gone("RawBucketPolicy")),
    (
        "lifecycle",
        "RawBucket loses",
        _with(
            "RawBucket", [{"Id": "x", "Status": "Enabled", "ExpirationInDays": 1}], "LifecycleConfiguration", "Rules"
        ),
    ),
    ("lifecycle", "EnrichedBucket loses", _with("EnrichedBucket", [], "LifecycleConfiguration", "Rules")),
    ("lifecycle", "tells nobody what lands", _without("RawBucket", "NotificationConfiguration")),
    ("queues", "forgets early", _without("DeadLetterQueue", "MessageRetentionPeriod")),
    ("queues", "takes what is not encrypted", _gone("UpkeepDeadLetterQueuePolicy")),
    ("queues", "comes back while it is worked on", _with("IntakeQueue", 1799, "VisibilityTimeout")),
    ("queues", "one bad message spoils its batch", _without("IntakeMapping", "FunctionResponseTypes")),
    ("queues", "nothing bounds", _without("IntakeMapping", "ScalingConfig")),
    ("queues", "no published version", _with("IntakeMapping", {"Ref": "IntakeFunction"}, "FunctionName")),
    ("dead_letters", "IntakeQueue has no", _without("IntakeQueue", "RedrivePolicy")),
    ("dead_letters", "UpkeepSchedule has no", _without("UpkeepSchedule", "Target", "DeadLetterConfig")),
    ("dead_letters", "UpkeepFunction has no", _without("UpkeepFunction", "DeadLetterConfig")),
    ("functions", "is not traced", _without("IntakeFunction", "TracingConfig")),
    ("functions", "from a snapshot", _without("IntakeFunction", "SnapStart")),
    ("functions", "from a snapshot", _with("IntakeFunction", {"Size": 1024}, "EphemeralStorage")),
    ("functions", "from a snapshot", _with("UpkeepFunction", {"ApplyOn": "PublishedVersions"}, "SnapStart")),
    ("functions", "logs elsewhere", _without("UpkeepFunction", "LoggingConfig")),
    ("functions", "is not published", _with("UpkeepAlias", "$LATEST", "FunctionVersion")),
    ("functions", "share a role", _with("UpkeepFunction", {"Fn::GetAtt": ["IntakeRole", "Arn"]}, "Role")),
    ("logs", "kept for ever", _without("UpkeepLogGroup", "RetentionInDays")),
    ("alarms", "nobody watches ApproximateNumberOfMessagesVisible of DeadLetterQueue", _gone("AlarmDeadLetters")),
    ("alarms", "nobody watches Throttles of UpkeepFunction", _gone("AlarmUpkeepThrottles")),
    ("alarms", "AlarmFilesWait tells nobody", _with("AlarmFilesWait", [], "AlarmActions")),
    ("alarms", "does not say what it means", _without("AlarmFilesWait", "TreatMissingData")),
    ("athena", "enforces nothing", _without("Workgroup", "WorkGroupConfiguration", "EnforceWorkGroupConfiguration")),
    ("athena", "stops no query", _without("Workgroup", "WorkGroupConfiguration", "BytesScannedCutoffPerQuery")),
    ("athena", "has another engine", _without("Workgroup", "WorkGroupConfiguration", "EngineVersion")),
    (
        "athena",
        "share a place",
        _with(
            "WorkgroupFinance",
            {"Fn::Sub": "s3://${EnrichedBucket}/results/_operator/"},
            "WorkGroupConfiguration",
            "ResultConfiguration",
            "OutputLocation",
        ),
    ),
    (
        "athena",
        "has results at",
        _with(
            "WorkgroupFinance",
            {"Fn::Sub": "s3://${ProcessedBucket}/main/"},
            "WorkGroupConfiguration",
            "ResultConfiguration",
            "OutputLocation",
        ),
    ),
    ("state", "is paid by the hour", _without("StateTable", "BillingMode")),
    ("state", "cannot be brought back", _without("StateTable", "PointInTimeRecoverySpecification")),
    ("topics", "takes what is not encrypted", _gone("AlarmTopicPolicy")),
    ("topics", "is no mail", _with("AlarmMail", "http", "Protocol")),
    ("kept", "StateTable goes with its stack", lambda body: body["Resources"]["StateTable"].pop("DeletionPolicy")),
    ("names", "-intaek, which is not in the template", _statement("IntakeRole", {**_SEND, "Resource": [_STALE]})),
]


@pytest.mark.parametrize(("rule", "said", "change"), BROKEN, ids=[f"{at}-{one[0]}" for at, one in enumerate(BROKEN)])
def test_rules_see(rule: str, said: str, change: Break) -> None:
    """A template that breaks a rule is caught by it."""
    body = copy.deepcopy(template_of("immobilier").body)
    change(body)
    found = [one for one in rules.broken(body) if one.startswith(f"{rule}: ")]
    assert any(said in one for one in found), found
    told.count("rules", rule, unit="templates that break a rule and are caught")


def test_every_rule_is_tried() -> None:
    """No rule is without a template that breaks it."""
    assert {rule.__name__ for rule in rules.RULES} == {rule for rule, _, _ in BROKEN}


def test_every_rule_of_eventbridge_has_a_dead_letter_queue() -> None:
    """A rule whose target has none is caught, whatever the rule is called."""
    body = copy.deepcopy(template_of("orders").body)
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::Events::Rule":
            del resource["Properties"]["Targets"][0]["DeadLetterConfig"]
    assert len(list(rules.dead_letters(body))) == 2


def test_a_saved_query_stays_within_the_lake() -> None:
    """A saved query that anybody's workgroup would show, or that is of another database, is caught."""
    body = copy.deepcopy(template_of("orders").body)
    _without("SavedQuerySalesByRegion", "WorkGroup")(body)
    _with("SavedQueryTopCustomers", "default", "Database")(body)
    found = [one for one in rules.broken(body) if one.startswith("athena: ")]
    assert any("SavedQuerySalesByRegion is in no workgroup of the lake" in one for one in found)
    assert any("SavedQueryTopCustomers is of another database" in one for one in found)
