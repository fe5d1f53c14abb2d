"""The zones on AWS: one bucket each, and the key that everything of the lake is encrypted with.

Each bucket is encrypted with the key, refuses connections without TLS, other keys and public access, keeps what is
removed or replaced for a while, and belongs to whoever owns the account, whoever writes to it. Raw keeps everything
for ever, and tells EventBridge what lands.
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, Ref, kms, s3

from penstock.cloudformation import ACCOUNT, KEY_ARN, STACK, Stack, only_for, policy, sub, tls_only
from penstock.declaration import Declaration, days_of

ZONES = ("raw", "processed", "enriched")
RESULTS = "results/"
"""Where results of Athena are in the zone enriched."""
OLDEST_TLS = "1.2"
UPLOAD_DAYS = 7
ROTATION_DAYS = 365


def render(stack: Stack, declaration: Declaration) -> None:
    """Add the key and the buckets."""
    _key(stack)
    names = declaration.aws.buckets
    for zone in ZONES:
        _bucket(stack, zone, getattr(names, zone) or "", _lifecycle(zone, declaration))


def _key(stack: Stack) -> None:
    key = kms.Key(
        "Key",
        Description=f"Everything of the lake {stack.lake}",
        EnableKeyRotation=True,
        RotationPeriodInDays=ROTATION_DAYS,
        PendingWindowInDays=UPLOAD_DAYS,
        KeyPolicy=policy(*_key_statements()),
    )
    stack.add(key, kept=True)
    stack.add(kms.Alias("KeyAlias", AliasName=sub(f"alias/{STACK}"), TargetKeyId=key.ref()))


def _key_statements() -> list[dict[str, Any]]:
    """Who may use the key: whom policies of the account allow it, and services for this stack's resources."""
    here = f"${{AWS::Region}}:{ACCOUNT}"
    logs = f"arn:${{AWS::Partition}}:logs:{here}:log-group:/aws/lambda/{STACK}-*"
    account = {
        "Sid": "AccountDecides",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:${{AWS::Partition}}:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    by_logs = {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": "logs.${AWS::Region}.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
    }
    rules = f"arn:${{AWS::Partition}}:events:{here}:rule/{STACK}-*"
    alarms = f"arn:${{AWS::Partition}}:cloudwatch:{here}:alarm:{STACK}-*"
    return [
        account,
        by_logs,
        _service("RulesToQueues", "events.amazonaws.com", rules),
        _service("AlarmsToTopics", "cloudwatch.amazonaws.com", alarms),
    ]


def _service(sid: str, service: str, source: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": only_for(source),
    }


def _bucket(stack: Stack, zone: str, name: str, lifecycle: s3.LifecycleConfiguration) -> None:
    title = zone.capitalize()
    parameter = f"{title}BucketName"
    words = f"Name of the bucket of the zone {zone}; made from the stack, the account and the region when empty"
    stack.parameter(
        parameter,
        name,
        words,
        MaxLength=56,
        AllowedPattern="^$|^[a-z0-9][a-z0-9-]{1,54}[a-z0-9]$",
        ConstraintDescription="lower-case letters, digits and hyphens, 3 to 56 characters, or empty",
    )
    named = stack.condition(f"Has{parameter}", parameter)
    told = s3.EventBridgeConfiguration(EventBridgeEnabled=True)
    notified = {"NotificationConfiguration": s3.NotificationConfiguration(EventBridgeConfiguration=told)}
    bucket = s3.Bucket(
        f"{title}Bucket",
        BucketName=If(named, Ref(parameter), sub(f"{STACK}-{zone}-{ACCOUNT}-${{AWS::Region}}")),
        BucketEncryption=s3.BucketEncryption(ServerSideEncryptionConfiguration=[_encryption()]),
        PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        OwnershipControls=s3.OwnershipControls(Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]),
        VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
        LifecycleConfiguration=lifecycle,
        **(notified if zone == "raw" else {}),
    )
    stack.add(bucket, kept=True)
    _bucket_policy(stack, f"{title}Bucket")


def _encryption() -> s3.ServerSideEncryptionRule:
    how = s3.ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms", KMSMasterKeyID=GetAtt("Key", "Arn"))
    return s3.ServerSideEncryptionRule(ServerSideEncryptionByDefault=how, BucketKeyEnabled=True)


def _bucket_policy(stack: Stack, title: str) -> None:
    """Refuse what is not encrypted, on the way and at rest; who says nothing of encryption gets the bucket's own."""
    bucket = f"arn:${{AWS::Partition}}:s3:::${{{title}}}"
    objects = f"{bucket}/*"
    old_tls = tls_only("s3:*", [bucket, objects]) | {
        "Sid": "OnlyNewTls",
        "Condition": {"NumericLessThan": {"s3:TlsVersion": OLDEST_TLS}},
    }
    kind, key = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
    document = policy(
        tls_only("s3:*", [bucket, objects]),
        old_tls,
        _refused("OnlyEncryptedObjects", objects, {"StringNotEquals": {kind: "aws:kms"}, "Null": {kind: "false"}}),
        _refused("OnlyThisKey", objects, {"ArnNotEquals": {key: KEY_ARN}, "Null": {key: "false"}}),
    )
    stack.add(s3.BucketPolicy(f"{title}Policy", Bucket=Ref(title), PolicyDocument=document))


def _refused(sid: str, objects: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": objects,
        "Condition": condition,
    }


def _lifecycle(zone: str, declaration: Declaration) -> s3.LifecycleConfiguration:
    aws = declaration.aws
    uploads = s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=UPLOAD_DAYS)
    rules = [s3.LifecycleRule(Id="unfinished-uploads", Status="Enabled", AbortIncompleteMultipartUpload=uploads)]
    if zone != "raw":
        gone = s3.NoncurrentVersionExpiration(NoncurrentDays=days_of(aws.old_versions_keep))
        rules.append(
            s3.LifecycleRule(
                Id="old-versions",
                Status="Enabled",
                NoncurrentVersionExpiration=gone,
                ExpiredObjectDeleteMarker=True,
            )
        )
    if zone == "enriched":
        days = days_of(aws.results_keep)
        rules.append(s3.LifecycleRule(Id="results-of-queries", Status="Enabled", Prefix=RESULTS, ExpirationInDays=days))
    return s3.LifecycleConfiguration(Rules=rules)
