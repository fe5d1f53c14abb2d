"""Queries on AWS: a workgroup of Athena for the lake, and one for each role.

A workgroup that enforces its settings has one place for results. Each role has a workgroup and a place of its own, so
that nobody reads what somebody else's query found. Results are in the zone enriched, where no table is.
"""

from __future__ import annotations

from troposphere import GetAtt, Ref, athena

from penstock.declaration import Declaration, bytes_of
from penstock.template import ACCOUNT, STACK, Stack, camel, sub

ENGINE = "Athena engine version 3"
OPERATOR = "_operator"
RESULTS = "results"


def render(stack: Stack, declaration: Declaration) -> None:
    """Add the workgroups."""
    cutoff = stack.parameter(
        "QueryCutoff", bytes_of(declaration.aws.query_cutoff), "Bytes that one query may read", MinValue=10_000_000
    )
    _workgroup(stack, "Workgroup", STACK, OPERATOR, cutoff)
    for role in sorted(declaration.access):
        _workgroup(stack, f"Workgroup{camel(role)}", f"{STACK}-role-{role}", role, cutoff)


def _workgroup(stack: Stack, title: str, name: str, who: str, cutoff: Ref) -> None:
    encrypted = athena.EncryptionConfiguration(EncryptionOption="SSE_KMS", KmsKey=GetAtt("Key", "Arn"))
    results = athena.ResultConfiguration(
        OutputLocation=sub(f"s3://${{EnrichedBucket}}/{RESULTS}/{who}/"),
        EncryptionConfiguration=encrypted,
        ExpectedBucketOwner=sub(ACCOUNT),
    )
    configuration = athena.WorkGroupConfiguration(
        EnforceWorkGroupConfiguration=True,
        PublishCloudWatchMetricsEnabled=True,
        RequesterPaysEnabled=False,
        BytesScannedCutoffPerQuery=cutoff,
        EngineVersion=athena.EngineVersion(SelectedEngineVersion=ENGINE),
        ResultConfiguration=results,
    )
    group = athena.WorkGroup(
        title,
        Name=sub(name),
        Description=f"Queries of {who.strip('_')} in the lake {stack.lake}",
        State="ENABLED",
        RecursiveDeleteOption=True,
        WorkGroupConfiguration=configuration,
    )
    stack.add(group)
