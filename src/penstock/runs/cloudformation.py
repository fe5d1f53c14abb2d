"""The log on AWS: a group per function, encrypted, and kept as long as the declaration says."""

from __future__ import annotations

from troposphere import GetAtt, logs

from penstock.cloudformation import STACK, Stack, sub
from penstock.declaration import LOG_DAYS, Declaration, days_of
from penstock.deployed import FUNCTIONS


def render(stack: Stack, declaration: Declaration) -> None:
    """Add the functions' log groups."""
    kept = stack.parameter(
        "LogDays", days_of(declaration.aws.log_keep), "Days that logs are kept", AllowedValues=list(LOG_DAYS)
    )
    for name in FUNCTIONS:
        group = logs.LogGroup(
            f"{name.capitalize()}LogGroup",
            LogGroupName=sub(f"/aws/lambda/{STACK}-{name}"),
            RetentionInDays=kept,
            KmsKeyId=GetAtt("Key", "Arn"),
        )
        stack.add(group)
