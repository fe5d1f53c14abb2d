"""A template made on the AWS of this machine, and everything in it asked for again.

Moto's CloudFormation says CREATE_COMPLETE whatever happens. Whole types that it leaves out are made by `moto_models`,
through the services' own calls. Of some types that it does make, it leaves out properties: these are put there by
`apply`, through the services' own calls too, so that each service judges what the template says.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from penstock import aws
from penstock.deployment.synth import Synthesised
from tests.aws import cloud
from tests.aws.moto_models import MODELS

CODE_FILE = "0123456789abcdef.zip"
_NAMED = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Made:
    """A stack that was made.

    Attributes:
        template: Of what.
        parameters: With which parameters.
        physical: What each resource is called, by logical id.
        status: What CloudFormation says of the whole.
    """

    template: Synthesised
    parameters: dict[str, str]
    physical: dict[str, str]
    status: str

    def properties(self, name: str) -> Any:
        """A resource's properties, with everything filled in."""
        return self.filled(self.template.resources[name]["Properties"])

    @property
    def wanted(self) -> dict[str, Any]:
        """The resources whose condition holds, as the template has them."""
        resources = self.template.resources
        return {name: one for name, one in resources.items() if self.holds(one.get("Condition"))}

    def holds(self, condition: str | None) -> bool:
        """Whether a condition of the template, that a parameter is not empty, holds."""
        return condition is None or bool(self._values[condition.removeprefix("Has")])

    def of_type(self, kind: str) -> dict[str, Any]:
        """The resources of a type and their properties."""
        return {name: self.properties(name) for name, one in self.wanted.items() if one["Type"] == kind}

    def filled(self, value: Any) -> Any:
        """A value of the template with its references filled in."""
        match value:
            case list():
                return [self.filled(one) for one in value]
            case {"Ref": name}:
                found: Any = self._values[name]
            case {"Fn::GetAtt": [name, attribute]}:
                found = self._attribute(name, attribute)
            case {"Fn::Sub": str(text)}:
                found = _NAMED.sub(lambda named: str(self._named(named[1])), text).replace("${!", "${")
            case {"Fn::If": [condition, yes, no]}:
                found = self.filled(yes if self.holds(condition) else no)
            case dict():
                found = {key: self.filled(inner) for key, inner in value.items()}
            case _:
                found = value
        return found

    def _named(self, name: str) -> Any:
        return self._attribute(*name.split(".")) if "." in name else self._values[name]

    @cached_property
    def _values(self) -> dict[str, Any]:
        defaults = {name: one.get("Default") for name, one in self.template.parameters.items()}
        return {
            "AWS::StackName": self.template.stack,
            "AWS::Region": cloud.REGION,
            "AWS::AccountId": cloud.ACCOUNT,
            "AWS::Partition": "aws",
            **defaults,
            **self.parameters,
            **self.physical,
        }

    def _attribute(self, name: str, attribute: str) -> str:
        kind, physical = self.template.resources[name]["Type"], self.physical[name]
        if attribute == "Arn":
            here = f"{cloud.REGION}:{cloud.ACCOUNT}"
            return {
                "AWS::KMS::Key": f"arn:aws:kms:{here}:key/{physical}",
                "AWS::SQS::Queue": f"arn:aws:sqs:{here}:{physical.rpartition('/')[2]}",
                "AWS::IAM::Role": f"arn:aws:iam::{cloud.ACCOUNT}:role/{physical}",
            }[kind]
        assert attribute in {"QueueName", "TopicName", "Version"}, attribute
        return re.split(r"[/:]", physical)[-1]


def make(template: Synthesised) -> Made:
    """Make a stack, with code that is none."""
    cloud.start()
    cloud.reset()
    bucket = f"penstock-artifacts-{cloud.ACCOUNT}-{cloud.REGION}"
    key = f"{template.stack}/{template.lake}-{CODE_FILE}"
    s3, formation = aws.client("s3"), aws.client("cloudformation")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.REGION})
    s3.put_object(Bucket=bucket, Key=key, Body=_code())
    s3.put_object(Bucket=bucket, Key="template.json", Body=template.json.encode())
    parameters = {"CodeBucket": bucket, "CodeKey": key}
    formation.create_stack(
        StackName=template.stack,
        TemplateURL=f"https://{bucket}.s3.{cloud.REGION}.amazonaws.com/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    status = formation.describe_stacks(StackName=template.stack)["Stacks"][0]["StackStatus"]
    pages = formation.get_paginator("list_stack_resources").paginate(StackName=template.stack)
    found = [one for page in pages for one in page["StackResourceSummaries"]]
    physical = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in found}
    return Made(template, parameters, physical, status)


def _code() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("penstock/__init__.py", "")
    return file.getvalue()


# --- What moto's CloudFormation leaves out of what it makes -----------------------------------


def _bucket(name: str, properties: Any) -> None:
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    blocked = properties["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked)
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule["BucketKeyEnabled"],
        }
        for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    ends = {"Rules": [lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=ends)
    if "NotificationConfiguration" in properties:
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def lifecycle_rule(rule: Any) -> dict[str, Any]:
    """A rule of a bucket's lifecycle as S3's own call takes it."""
    kept = ("Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    found = {name: rule[name] for name in kept if name in rule}
    expiration = {"Days": rule["ExpirationInDays"]} if "ExpirationInDays" in rule else {}
    if "ExpiredObjectDeleteMarker" in rule:
        expiration = {"ExpiredObjectDeleteMarker": rule["ExpiredObjectDeleteMarker"]}
    return {
        "ID": rule["Id"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        **found,
        **({"Expiration": expiration} if expiration else {}),
    }


def _table(name: str, properties: Any) -> None:
    dynamodb = aws.client("dynamodb")
    recovery = properties["PointInTimeRecoverySpecification"]
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])


def _key(name: str, properties: Any) -> None:
    aws.client("kms").put_key_policy(KeyId=name, PolicyName="default", Policy=json.dumps(properties["KeyPolicy"]))


def _topic(name: str, properties: Any) -> None:
    aws.client("sns").tag_resource(ResourceArn=name, Tags=properties["Tags"])


def _group(name: str, properties: Any) -> None:
    """Make it anew, as it is to be: moto has no call that gives a key to a group that is there."""
    logs, tags = aws.client("logs"), {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    logs.delete_log_group(logGroupName=name)
    logs.create_log_group(logGroupName=name, kmsKeyId=properties["KmsKeyId"], tags=tags)
    logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])


def _function(name: str, properties: Any) -> None:
    functions, tags = aws.client("lambda"), {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    functions.tag_resource(
        Resource=functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"], Tags=tags
    )


def _role(name: str, properties: Any) -> None:
    iam = aws.client("iam")
    for policy in properties.get("Policies", []):
        text = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=text)
    for arn in properties.get("ManagedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)


LEFT_OUT: dict[str, tuple[str, Callable[[str, Any], None]]] = {
    "AWS::S3::Bucket": ("versioning, public access, ownership, bucket key, lifecycle, notifications", _bucket),
    "AWS::DynamoDB::Table": ("recovery, expiry", _table),
    "AWS::KMS::Key": ("a policy that can be read back", _key),
    "AWS::SNS::Topic": ("tags", _topic),
    "AWS::Logs::LogGroup": ("the key", _group),
    "AWS::Lambda::Function": ("tags", _function),
    "AWS::IAM::Role": ("policies that stand by themselves, and the others as text", _role),
}
"""What moto leaves out of types that it makes, and the calls that put it there."""
BY_CALLS = tuple(MODELS)
"""Types that moto's CloudFormation leaves out as a whole, made through the services' own calls."""


def apply(made: Made) -> None:
    """Put there what moto left out."""
    for kind, (_, put) in LEFT_OUT.items():
        for name, properties in made.of_type(kind).items():
            put(made.physical[name], properties)
