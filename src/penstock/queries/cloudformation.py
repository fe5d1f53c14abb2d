"""Queries on AWS: a workgroup of Athena for the lake, and one for each role; and the saved queries, for its console.

A workgroup that enforces its settings has one place for results. Each role has a workgroup and a place of its own, so
that nobody reads what somebody else's query found. Results are in the zone enriched, where no table is.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from troposphere import GetAtt, Ref, athena

from penstock.cloudformation import ACCOUNT, STACK, Stack, camel, sub
from penstock.declaration import Declaration, SavedQuery, bytes_of, sql_of
from penstock.errors import QueryError
from penstock.naming import TableName
from penstock.queries.athena import tables_of
from penstock.queries.named import compiled_unseen

ENGINE = "Athena engine version 3"
OPERATOR = "_operator"
RESULTS = "results"


def render(stack: Stack, declaration: Declaration, folder: Path) -> None:
    """Add the workgroups, and the saved queries of the lake in `folder` that are deployed."""
    cutoff = stack.parameter(
        "QueryCutoff", bytes_of(declaration.aws.query_cutoff), "Bytes that one query may read", MinValue=10_000_000
    )
    _workgroup(stack, "Workgroup", STACK, OPERATOR, cutoff)
    for role in sorted(declaration.access):
        _workgroup(stack, f"Workgroup{camel(role)}", f"{STACK}-role-{role}", role, cutoff)
    for name, query in sorted(deployed_queries(declaration).items()):
        with suppress(QueryError):  # whoever deploys was told; what is removed need not be compiled
            _named_query(stack, name, query.description, sql_of(query, folder), declaration)


def deployed_queries(declaration: Declaration) -> dict[str, SavedQuery]:
    """The saved queries that do not stay on this machine."""
    here = declaration.aws.here_only
    return {name: query for name, query in declaration.saved_queries.items() if f"queries.{name}" not in here}


def _named_query(stack: Stack, name: str, description: str | None, sql: str, declaration: Declaration) -> None:
    tables = [TableName.parse(table) for table in declaration.tables]
    layer = min((table.layer for table in tables_of(sql) or tables), default=None)
    query = athena.NamedQuery(
        f"SavedQuery{camel(name)}",
        Name=name,
        Description=description or f"A saved query of the lake {stack.lake}",
        Database="default" if layer is None else Ref(f"Database{camel(layer)}"),
        QueryString=compiled_unseen(sql, stack.lake, tables),
        WorkGroup=Ref("Workgroup"),
    )
    stack.add(query)


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
