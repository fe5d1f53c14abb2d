"""A declared role on AWS: what it may query, as statements of an IAM policy.

The same grant that judges `penstock query --role` on one machine becomes names of tables here: Athena in a workgroup of
the role's own, the tables in the Glue catalog, their data files in S3, its own place for results, and the key, through
S3 only. A pattern is what it means on the day of the deployment: a table that is declared later is granted by the next
one. What no table stands for is granted to nobody but `query: all`.

Athena reads tables on behalf of whoever asks, with their permissions; so a role can also read the Parquet files of its
tables directly, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.access import arns
from penstock.access.grant import grant_of
from penstock.access.policy import Conditions, Statement
from penstock.declaration import Declaration
from penstock.naming import TableName

ASKING = (
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetWorkGroup",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
LOOKING_UP = ("glue:GetDatabase", "glue:GetTable", "glue:GetTables")
RESULTS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject")
"""What Athena needs at the place for results: it writes large ones in parts."""
READING_STATE = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
CATALOG = (arns.glue("catalog"), arns.glue("database", "default"))
"""What stands above all tables, and the database that Athena looks at whatever is queried."""
OURS: Conditions = {"StringEquals": {"aws:ResourceAccount": "${AWS::AccountId}"}}
"""Buckets are named without an account: a bucket of somebody else that has got the name is none of ours."""


def role_statements(declaration: Declaration, role: str) -> tuple[Statement, ...]:
    """What a declared role may do in the deployed lake; nothing at all where it may query nothing.

    Raises:
        AccessError: No role of that name is declared.
    """
    names = [TableName.parse(name) for name in declaration.tables]
    grant = grant_of(declaration.access, role, names)
    if grant.tables is None:
        found = [*_catalog(declaration.lake, sorted(names), every=True), *_everything()]
    elif grant.tables:
        found = [*_catalog(declaration.lake, sorted(grant.tables), every=False), *_files(sorted(grant.tables))]
    else:
        return ()
    return (*_asking(role), *found, *_key(every=grant.is_all))


def _asking(role: str) -> list[Statement]:
    place, bucket = f"{arns.RESULTS}/{role}/*", arns.bucket(arns.ENRICHED)
    results = arns.objects(arns.ENRICHED, place)
    return [
        Statement(
            "Ask", ASKING, (arns.workgroup(role),), "ask in its own workgroup, which no other role can look into"
        ),
        Statement("Results", RESULTS, (results,), "write and read the results of its own queries", OURS),
        Statement(
            "ResultsPlace", ("s3:GetBucketLocation",), (bucket,), "Athena asks where the bucket for results is", OURS
        ),
        Statement("ListResults", ("s3:ListBucket",), (bucket,), "list its own results", _below(place)),
    ]


def _catalog(lake: str, tables: list[TableName], *, every: bool) -> list[Statement]:
    layers = sorted({table.layer for table in tables})
    shown = [arns.all_tables(lake, layer) for layer in layers]
    if not every:
        shown = [arns.glue_table(lake, table) for table in tables]
    places = (*CATALOG, *(arns.glue_database(lake, layer) for layer in layers), *shown)
    return [Statement("LookUp", LOOKING_UP, places, "look up the tables that it may query")]


def _files(tables: list[TableName]) -> list[Statement]:
    files = tuple(arns.data(table) for table in tables)
    prefixes = tuple(f"{table.layer}/{table.name}/*" for table in tables)
    bucket = arns.bucket(arns.PROCESSED)
    return [
        Statement("Read", ("s3:GetObject",), files, "read the data files of the tables that it may query", OURS),
        Statement("List", ("s3:ListBucket",), (bucket,), "list these data files", _below(*prefixes)),
        Statement("TablesPlace", ("s3:GetBucketLocation",), (bucket,), "Athena asks where the tables' bucket is", OURS),
    ]


def _everything() -> list[Statement]:
    """What `query: all` reads: every table, what was set aside, raw files, and what the product knows."""
    buckets = (arns.PROCESSED, arns.RAW)
    state = {"aws:dynamodb:tableName": "${AWS::StackName}-state"}
    return [
        Statement(
            "Read",
            ("s3:GetObject",),
            tuple(arns.objects(name, "*") for name in buckets),
            "read all tables, quarantined rows and files as delivered: its query is `all`",
            OURS,
        ),
        Statement(
            "List",
            ("s3:GetBucketLocation", "s3:ListBucket"),
            tuple(arns.bucket(name) for name in buckets),
            "list them",
            OURS,
        ),
        Statement(
            "ReadState",
            READING_STATE,
            (arns.state_table(),),
            "ask `penstock.*`, which is read from the state store",
        ),
        Statement("StateKey", ("kms:Decrypt",), (arns.KEY,), "read the state store", key_through("dynamodb", state)),
    ]


def _key(*, every: bool) -> list[Statement]:
    read = [arns.PROCESSED, arns.ENRICHED, *([arns.RAW] if every else [])]
    reading = key_through("s3", {"aws:s3:arn": tuple(arns.bucket(name) for name in read)})
    writing = key_through("s3", {"aws:s3:arn": arns.bucket(arns.ENRICHED)})
    return [
        Statement("ReadKey", ("kms:Decrypt",), (arns.KEY,), "read encrypted objects, through S3 only", reading),
        Statement("WriteKey", ("kms:GenerateDataKey",), (arns.KEY,), "write encrypted results, through S3", writing),
    ]


def _below(*places: str) -> Conditions:
    return {**OURS, "StringLike": {"s3:prefix": places}}


def key_through(service: str, context: Mapping[str, str | tuple[str, ...]]) -> Conditions:
    """Conditions that hold a permission of the key to a service, and to what it encrypts there.

    S3 names a bucket in the encryption context where bucket keys are on, as they are here.
    """
    return {
        "StringEquals": {
            "kms:ViaService": f"{service}.${{AWS::Region}}.amazonaws.com",
            **{f"kms:EncryptionContext:{name}": value for name, value in context.items()},
        }
    }
