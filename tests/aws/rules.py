"""What must hold of every template, beyond what linters know: one function per rule, which gives what breaks it.

A resource of a type that no rule has thought of breaks a rule by being there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

Body = dict[str, Any]
Rule = Callable[[Body], Iterator[str]]
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
IN_BUCKET = "BucketEncryption/ServerSideEncryptionConfiguration/0"
ENCRYPTED_AT = {
    "AWS::Athena::WorkGroup": "WorkGroupConfiguration/ResultConfiguration/EncryptionConfiguration/KmsKey",
    "AWS::DynamoDB::Table": "SSESpecification/KMSMasterKeyId",
    "AWS::Lambda::Function": "KmsKeyArn",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::S3::Bucket": f"{IN_BUCKET}/ServerSideEncryptionByDefault/KMSMasterKeyID",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::Scheduler::Schedule": "KmsKeyArn",
}
"""Where each type that holds something says what it is encrypted with."""
HOLDS_NOTHING = {
    "AWS::Athena::NamedQuery": "a statement, which says nothing that the declaration does not",
    "AWS::CloudWatch::Alarm": "a threshold",
    "AWS::Events::Rule": "a pattern; events pass through",
    "AWS::Glue::Database": "names and types; the account's own setting encrypts the whole catalog",
    "AWS::IAM::ManagedPolicy": "permissions",
    "AWS::IAM::Role": "permissions",
    "AWS::KMS::Alias": "a name",
    "AWS::KMS::Key": "the key",
    "AWS::Lambda::Alias": "a name",
    "AWS::Lambda::EventSourceMapping": "a connection",
    "AWS::Lambda::Version": "a copy of the function, with its key",
    "AWS::S3::BucketPolicy": "permissions",
    "AWS::SNS::Subscription": "an address",
    "AWS::SNS::TopicPolicy": "permissions",
    "AWS::SQS::QueuePolicy": "permissions",
    "AWS::Scheduler::ScheduleGroup": "a name",
}
WITHOUT_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions that AWS lets nobody hold to a resource."""
KEPT = ("AWS::DynamoDB::Table", "AWS::Glue::Database", "AWS::KMS::Key", "AWS::S3::Bucket")
FORTNIGHT = 14 * 86_400


def every(body: Body, kind: str) -> dict[str, Any]:
    """The properties of all resources of a type."""
    return {name: one["Properties"] for name, one in body["Resources"].items() if one["Type"] == kind}


def at(value: Any, path: str) -> Any:
    """What stands at a path; None where there is nothing."""
    for part in path.split("/"):
        inside = value if isinstance(value, dict | list) else {}
        try:
            value = inside[int(part)] if isinstance(inside, list) else inside[part]
        except (KeyError, IndexError):
            return None
    return value


@cache
def taggable(kind: str) -> bool:
    """Whether a type carries tags, as AWS's own description of it says."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    tagging = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-west-3", kind).schema.get("tagging") or {}
    return bool(tagging.get("taggable"))


def tags(body: Body) -> Iterator[str]:
    """Whatever can carry tags carries the declaration's and the lake's (R1.13)."""
    parameters = {f"Tag{name[3:]}" for name in body["Parameters"] if name.startswith("Tag")}
    for name, resource in body["Resources"].items():
        if taggable(resource["Type"]):
            found = resource["Properties"].get("Tags", [])
            refs = {tag["Value"]["Ref"] for tag in found if isinstance(tag["Value"], dict)}
            lakes = [tag["Value"] for tag in found if tag["Key"] == "penstock:lake"]
            if refs != parameters or lakes != [body["Metadata"]["Penstock"]["Lake"]]:
                yield f"{name} lacks tags"


def encryption(body: Body) -> Iterator[str]:
    """Whatever holds something is encrypted with the one key (R1.13)."""
    for name, resource in body["Resources"].items():
        kind = resource["Type"]
        if kind in ENCRYPTED_AT:
            if at(resource["Properties"], ENCRYPTED_AT[kind]) != KEY:
                yield f"{name} is not encrypted with the lake's key"
        elif kind not in HOLDS_NOTHING:
            yield f"{name}: nobody has said whether {kind} holds something"
    for name, bucket in every(body, "AWS::S3::Bucket").items():
        rule = at(bucket, IN_BUCKET) or {}
        algorithm = at(rule, "ServerSideEncryptionByDefault/SSEAlgorithm")
        if algorithm != "aws:kms" or rule.get("BucketKeyEnabled") is not True:
            yield f"{name} has no bucket key"
    for name, group in every(body, "AWS::Athena::WorkGroup").items():
        where = "WorkGroupConfiguration/ResultConfiguration/EncryptionConfiguration/EncryptionOption"
        if at(group, where) != "SSE_KMS":
            yield f"{name}: results are not encrypted"


def key(body: Body) -> Iterator[str]:
    """There is one key, which changes by itself every year."""
    keys = every(body, "AWS::KMS::Key")
    if list(keys) != ["Key"] or keys["Key"].get("EnableKeyRotation") is not True:
        yield "there is not one key with rotation"


def documents(body: Body) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every statement of the template: resource, kind of policy, statement."""
    for name, resource in body["Resources"].items():
        properties = resource["Properties"]
        kinds = {"AssumeRolePolicyDocument": "trust", "KeyPolicy": "key", "PolicyDocument": "resource"}
        for where, kind in kinds.items():
            managed = kind == "resource" and resource["Type"] == "AWS::IAM::ManagedPolicy"
            for statement in properties.get(where, {}).get("Statement", []):
                yield name, "identity" if managed else kind, statement
        for policy in properties.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, "identity", statement


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(body: Body) -> Iterator[str]:
    """A statement allows named actions on named resources; `*` only where AWS has nothing narrower."""
    for name, kind, statement in documents(body):
        where = f"{name} {kind} {statement.get('Sid', '')}"
        if {"NotAction", "NotResource", "NotPrincipal"} & set(statement) or "Sid" not in statement:
            yield f"{where}: says what is not meant"
        actions, resources = _list(statement["Action"]), _list(statement.get("Resource", []))
        if kind == "identity" and any("*" in action for action in actions):
            yield f"{where}: actions are not named"
        if kind == "identity" and "*" in resources and not set(actions) <= WITHOUT_RESOURCE:
            yield f"{where}: resources are not named"
        if kind == "resource" and "*" in resources:
            yield f"{where}: resources are not named"
        if kind in {"identity", "resource"} and not resources:
            yield f"{where}: is about nothing"


def principals(body: Body) -> Iterator[str]:
    """Services act for this account and for named sources only; nobody is allowed anything by being anybody."""
    for name, kind, statement in documents(body):
        where, principal = f"{name} {kind} {statement.get('Sid', '')}", statement.get("Principal")
        if kind == "identity" or statement["Effect"] == "Deny":
            continue
        if principal in ("*", {"AWS": "*"}) or principal is None:
            yield f"{where}: anybody is allowed"
            continue
        if "Service" in principal:
            conditions = {key for keys in statement.get("Condition", {}).values() for key in keys}
            held = {"aws:SourceAccount", "aws:SourceArn"} <= conditions
            logs_only = "kms:EncryptionContext:aws:logs:arn" in conditions
            if not held and not logs_only and (principal["Service"], kind) not in UNHELD:
                yield f"{where}: {principal['Service']} is not held to this account and to named sources"


UNHELD = {
    (
        "lambda.amazonaws.com",
        "trust",
    ): "Lambda names no source when it takes a role; iam:PassRole says who gives it one",
}
"""Services whose trust cannot be held to a source, each with its reason."""


def buckets(body: Body) -> Iterator[str]:
    """Buckets are private, versioned, owned, looked after, and refuse what is not encrypted."""
    policies = {one["Bucket"]["Ref"]: one["PolicyDocument"] for one in every(body, "AWS::S3::BucketPolicy").values()}
    wanted = {"OnlyEncryptedConnections", "OnlyNewTls", "OnlyEncryptedObjects", "OnlyThisKey"}
    for name, bucket in every(body, "AWS::S3::Bucket").items():
        blocked = bucket.get("PublicAccessBlockConfiguration", {})
        if list(blocked.values()) != [True] * 4:
            yield f"{name} is not private"
        if at(bucket, "VersioningConfiguration/Status") != "Enabled":
            yield f"{name} keeps no versions"
        if at(bucket, "OwnershipControls/Rules/0/ObjectOwnership") != "BucketOwnerEnforced":
            yield f"{name} has objects of others"
        rules = at(bucket, "LifecycleConfiguration/Rules") or []
        if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
            yield f"{name} keeps unfinished uploads"
        denied = {one["Sid"] for one in policies.get(name, {}).get("Statement", []) if one["Effect"] == "Deny"}
        if not wanted <= denied:
            yield f"{name} does not refuse: {sorted(wanted - denied)}"


def lifecycle(body: Body) -> Iterator[str]:
    """Nothing of raw ever goes; old versions of processed and results of queries do, and nothing else."""
    ends = ("ExpirationInDays", "ExpirationDate", "NoncurrentVersionExpiration", "Transitions")
    for name, bucket in every(body, "AWS::S3::Bucket").items():
        rules = at(bucket, "LifecycleConfiguration/Rules") or []
        found = sorted((end, rule.get("Prefix", "")) for rule in rules for end in ends if end in rule)
        old, results = ("NoncurrentVersionExpiration", ""), ("ExpirationInDays", "results/")
        if found != {"RawBucket": [], "ProcessedBucket": [old], "EnrichedBucket": [results, old]}[name]:
            yield f"{name} loses {found}"
    if at(body["Resources"], "RawBucket/Properties/NotificationConfiguration/EventBridgeConfiguration") != {
        "EventBridgeEnabled": True
    }:
        yield "RawBucket tells nobody what lands"


def queues(body: Body) -> Iterator[str]:
    """Queues keep messages for two weeks, refuse what is not encrypted, and hide messages long enough."""
    policies = {one["Queues"][0]["Ref"]: one["PolicyDocument"] for one in every(body, "AWS::SQS::QueuePolicy").values()}
    for name, queue in every(body, "AWS::SQS::Queue").items():
        if queue.get("MessageRetentionPeriod") != FORTNIGHT:
            yield f"{name} forgets early"
        sids = [one["Sid"] for one in policies.get(name, {}).get("Statement", []) if one["Effect"] == "Deny"]
        if "OnlyEncryptedConnections" not in sids:
            yield f"{name} takes what is not encrypted"
    for mapping in every(body, "AWS::Lambda::EventSourceMapping").values():
        queue = body["Resources"][mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        timeout = body["Resources"]["IntakeFunction"]["Properties"]["Timeout"]
        if queue.get("VisibilityTimeout", 30) < 6 * timeout:
            yield "a message comes back while it is worked on"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield "one bad message spoils its batch"
        if at(mapping, "ScalingConfig/MaximumConcurrency") != {"Ref": "IntakeConcurrency"}:
            yield "nothing bounds how much works at once"
        if mapping["FunctionName"] != {"Ref": "IntakeAlias"}:
            yield "the queue calls no published version"


def dead_letters(body: Body) -> Iterator[str]:
    """What fails goes somewhere: queues redrive, rules, schedules and functions without a caller have a queue."""
    arns = [{"Fn::GetAtt": [name, "Arn"]} for name in every(body, "AWS::SQS::Queue") if "DeadLetter" in name]
    for name, queue in every(body, "AWS::SQS::Queue").items():
        if "DeadLetter" in name:
            continue
        redrive = queue.get("RedrivePolicy", {})
        if redrive.get("deadLetterTargetArn") not in arns or redrive.get("maxReceiveCount", 0) < 10:
            yield f"{name} has no dead-letter queue"
    targets = [(name, target) for name, rule in every(body, "AWS::Events::Rule").items() for target in rule["Targets"]]
    targets += [(name, one["Target"]) for name, one in every(body, "AWS::Scheduler::Schedule").items()]
    for name, target in targets:
        if at(target, "DeadLetterConfig/Arn") not in arns or "RetryPolicy" not in target:
            yield f"{name} has no dead-letter queue"
    called = {one["FunctionName"]["Ref"] for one in every(body, "AWS::Lambda::EventSourceMapping").values()}
    for name, alias in every(body, "AWS::Lambda::Alias").items():
        function = alias["FunctionName"]["Ref"]
        if name not in called and at(body["Resources"][function], "Properties/DeadLetterConfig/TargetArn") not in arns:
            yield f"{function} has no dead-letter queue"


def functions(body: Body) -> Iterator[str]:
    """Functions are published, are traced, log to their group, and have a role of their own; intake has a snapshot."""
    roles = []
    for name, function in every(body, "AWS::Lambda::Function").items():
        start = name.removesuffix("Function")
        roles.append(json.dumps(function["Role"]))
        if at(function, "TracingConfig/Mode") != "Active":
            yield f"{name} is not traced"
        storage = at(function, "EphemeralStorage/Size") or 512
        wanted = start == "Intake" and storage <= 512
        if wanted != (at(function, "SnapStart/ApplyOn") == "PublishedVersions"):
            yield f"{name} does not begin from a snapshot where it is to, or does where it cannot or costs for nothing"
        if at(function, "LoggingConfig/LogGroup") != {"Ref": f"{start}LogGroup"}:
            yield f"{name} logs elsewhere"
        alias = at(body["Resources"], f"{start}Alias/Properties") or {}
        if alias.get("FunctionVersion") != {"Fn::GetAtt": [f"{start}Version", "Version"]} or alias["Name"] != "live":
            yield f"{name} is not published"
    if len(set(roles)) != len(roles):
        yield "functions share a role"


def logs(body: Body) -> Iterator[str]:
    """Every log ends some day, and the declaration says when."""
    for name, group in every(body, "AWS::Logs::LogGroup").items():
        if group.get("RetentionInDays") != {"Ref": "LogDays"}:
            yield f"{name} is kept for ever"


def alarms(body: Body) -> Iterator[str]:
    """Dead letters, errors, refusals, long runs and waiting files raise an alarm that tells somebody (R1.11, R1.12)."""
    watched = set()
    for name, alarm in every(body, "AWS::CloudWatch::Alarm").items():
        of = next(
            (str(at(one, "Value/Ref") or at(one, "Value/Fn::GetAtt/0")) for one in alarm.get("Dimensions", [])), ""
        )
        watched.add((alarm.get("MetricName"), of))
        if {"Ref": "AlarmTopic"} not in alarm.get("AlarmActions", []) or len(alarm["AlarmActions"]) > 5:
            yield f"{name} tells nobody, or more than AWS can"
        if not alarm.get("AlarmDescription") or "TreatMissingData" not in alarm:
            yield f"{name} does not say what it means"
    wanted = {
        (metric, f) for f in every(body, "AWS::Lambda::Function") for metric in ("Errors", "Throttles", "Duration")
    }
    wanted |= {
        ("ApproximateNumberOfMessagesVisible", queue) for queue in every(body, "AWS::SQS::Queue") if "Dead" in queue
    }
    wanted |= {("ApproximateAgeOfOldestMessage", "IntakeQueue")}
    for metric, of in sorted(wanted - watched):
        yield f"nobody watches {metric} of {of}"


def athena(body: Body) -> Iterator[str]:
    """Workgroups enforce their settings, stop large queries and keep results apart, from tables and from each other."""
    places = []
    for name, group in every(body, "AWS::Athena::WorkGroup").items():
        settings = group["WorkGroupConfiguration"]
        place = str(at(settings, "ResultConfiguration/OutputLocation/Fn::Sub"))
        places.append(place)
        if settings.get("EnforceWorkGroupConfiguration") is not True:
            yield f"{name} enforces nothing"
        if settings.get("BytesScannedCutoffPerQuery") != {"Ref": "QueryCutoff"}:
            yield f"{name} stops no query"
        if at(settings, "EngineVersion/SelectedEngineVersion") != "Athena engine version 3":
            yield f"{name} has another engine"
        if not re.fullmatch(r"s3://\$\{EnrichedBucket\}/results/[a-z_]+/", place):
            yield f"{name} has results at {place}"
    for name, query in every(body, "AWS::Athena::NamedQuery").items():
        if query.get("WorkGroup") != {"Ref": "Workgroup"}:
            yield f"{name} is in no workgroup of the lake"
        if "Ref" not in query["Database"] and every(body, "AWS::Glue::Database"):
            yield f"{name} is of another database"
    if len(set(places)) != len(places):
        yield "two workgroups share a place for results"


def state(body: Body) -> Iterator[str]:
    """The state store is paid by request, and can be brought back."""
    for name, table in every(body, "AWS::DynamoDB::Table").items():
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} is paid by the hour"
        if at(table, "PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled") is not True:
            yield f"{name} cannot be brought back"


def topics(body: Body) -> Iterator[str]:
    """Topics refuse what is not encrypted; people get mail."""
    refusing = {
        one["Topics"][0]["Ref"]
        for one in every(body, "AWS::SNS::TopicPolicy").values()
        if any(each["Sid"] == "OnlyEncryptedConnections" for each in one["PolicyDocument"]["Statement"])
    }
    for name in every(body, "AWS::SNS::Topic"):
        if name not in refusing:
            yield f"{name} takes what is not encrypted"
    for name, one in every(body, "AWS::SNS::Subscription").items():
        if one.get("Protocol") != "email":
            yield f"{name} is no mail"


def kept(body: Body) -> Iterator[str]:
    """What holds data outlives its stack, unless the stack never came to be."""
    for name, resource in body["Resources"].items():
        policies = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        if resource["Type"] in KEPT and policies != ("RetainExceptOnCreate", "Retain"):
            yield f"{name} goes with its stack"


def names(body: Body) -> Iterator[str]:
    """Whatever a policy names by the stack's name is in the template, under just that name."""
    made = {
        text
        for resource in body["Resources"].values()
        for text in re.findall(r"\$\{AWS::StackName\}[A-Za-z0-9_-]*", json.dumps(resource["Properties"]))
        if any(text in json.dumps(resource["Properties"].get(name, "")) for name in NAMED_BY)
    }
    for name, _, statement in documents(body):
        for resource in _list(statement.get("Resource", [])):
            text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
            for found in re.findall(r"\$\{AWS::StackName\}[A-Za-z0-9_-]*", text if isinstance(text, str) else text[0]):
                if found not in made:
                    yield f"{name} names {found}, which is not in the template"


NAMED_BY = (
    "AliasName",
    "AlarmName",
    "BucketName",
    "FunctionName",
    "LogGroupName",
    "ManagedPolicyName",
    "Name",
    "QueueName",
    "RoleName",
    "TableName",
    "TopicName",
)

RULES: tuple[Rule, ...] = (
    tags,
    encryption,
    key,
    statements,
    principals,
    buckets,
    lifecycle,
    queues,
    dead_letters,
    functions,
    logs,
    alarms,
    athena,
    state,
    topics,
    kept,
    names,
)


def broken(body: Body) -> list[str]:
    """Everything that breaks a rule."""
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(body)]
