"""What moto's CloudFormation leaves out of types that it makes and that no call can put there afterwards, mended.

- Lambda: a function has the processor, the disk and the tracing that its template says.
- Lambda: a version has a physical id.
- S3: a bucket keeps versions, tells EventBridge what lands, and is closed to the public, as its template says.
- DynamoDB: a table is encrypted with the key that its template says; CloudFormation has another word.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def mend() -> None:
    """Mend it, once in a process."""
    _versions()
    _functions()
    _tables()
    _buckets()


def _buckets() -> None:
    from moto.s3.models import FakeBucket

    from penstock import aws

    kind: Any = FakeBucket
    original = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, /, name: str, facts: Mapping[str, Any], *where: str, **more: Any) -> Any:
        made, properties, s3 = original(cls, name, facts, *where, **more), facts["Properties"], aws.client("s3")
        if status := properties.get("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=status)
        if blocked := properties.get("PublicAccessBlockConfiguration"):
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked)
        if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
            s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        return made

    kind.create_from_cloudformation_json = classmethod(create)


def _versions() -> None:
    from moto.awslambda.models import LambdaVersion

    kind: Any = LambdaVersion
    original = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, /, name: str, facts: Mapping[str, Any], account: str, region: str, **more: Any) -> Any:
        made = original(cls, name, facts, account, region, **more)
        function = facts["Properties"]["FunctionName"]
        made.physical = f"arn:aws:lambda:{region}:{account}:function:{function}:{made.version}"
        return made

    kind.create_from_cloudformation_json = classmethod(create)
    kind.physical_resource_id = property(lambda self: self.physical)


def _functions() -> None:
    from moto.awslambda.models import LambdaFunction

    kind: Any = LambdaFunction
    original = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, /, name: str, facts: Mapping[str, Any], account: str, region: str, **more: Any) -> Any:
        made, properties = original(cls, name, facts, account, region, **more), facts["Properties"]
        made.architectures = properties.get("Architectures", made.architectures)
        made.ephemeral_storage = properties.get("EphemeralStorage", {}).get("Size", made.ephemeral_storage)
        made.tracing_config = properties.get("TracingConfig", made.tracing_config)
        return made

    kind.create_from_cloudformation_json = classmethod(create)


def _tables() -> None:
    from moto.dynamodb.models.table import Table

    kind: Any = Table
    original = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, /, name: str, facts: Mapping[str, Any], *where: str, **more: Any) -> Any:
        said = dict(facts["Properties"].get("SSESpecification", {}))
        said |= {"Enabled": said.pop("SSEEnabled")} if "SSEEnabled" in said else {}
        properties = {**facts["Properties"], "SSESpecification": said}
        return original(cls, name, {**facts, "Properties": properties}, *where, **more)

    kind.create_from_cloudformation_json = classmethod(create)
