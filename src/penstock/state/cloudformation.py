"""The state store on AWS: one DynamoDB table, paid by request, which can be brought back to any second of a month."""

from __future__ import annotations

from troposphere import GetAtt, dynamodb

from penstock.cloudformation import STACK, Stack, sub
from penstock.state.aws.layout import EXPIRES, definition


def render(stack: Stack) -> None:
    """Add the table, laid out as the state store says."""
    laid_out = definition("")
    table = dynamodb.Table(
        "StateTable",
        TableName=sub(f"{STACK}-state"),
        BillingMode=laid_out["BillingMode"],
        AttributeDefinitions=[dynamodb.AttributeDefinition(**one) for one in laid_out["AttributeDefinitions"]],
        KeySchema=[dynamodb.KeySchema(**one) for one in laid_out["KeySchema"]],
        PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
        SSESpecification=dynamodb.SSESpecification(SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=GetAtt("Key", "Arn")),
        TimeToLiveSpecification=dynamodb.TimeToLiveSpecification(AttributeName=EXPIRES, Enabled=True),
    )
    stack.add(table, kept=True)
