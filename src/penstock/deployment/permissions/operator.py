"""What people need who look after a deployed lake from a laptop: suggested policies, given to whom the owner wants.

The operator asks, looks and repairs: queries, logs, the state, dead letters, what is in quarantine. It neither deploys
nor destroys, changes no table, and can change no file as delivered. Whoever brings rows back from quarantine commits
them from the laptop, as a function would do it, and needs the second policy besides.
"""

from __future__ import annotations

from penstock.access import arns
from penstock.access.aws import ASKING, CATALOG, LOOKING_UP, OURS, RESULTS, key_through
from penstock.access.policy import Statement
from penstock.declaration import Declaration
from penstock.deployed import FUNCTIONS
from penstock.deployment.confirmations import ACTIONS as CONFIRMED
from penstock.deployment.permissions import calls
from penstock.deployment.permissions.functions import fetching, notices
from penstock.naming import TableName
from penstock.queries.saved import key_of

WATCHING = ("cloudformation:DescribeStacks", "cloudformation:ListStackResources")
DEPTHS = ("sqs:GetQueueAttributes",)
ALARMS = ("cloudwatch:DescribeAlarms",)
READ_ANYWAY = ("s3:GetObject",)
COMMITS = ("glue:UpdateTable",)


def operator(declaration: Declaration) -> tuple[Statement, ...]:
    """The suggested policy."""
    stack = f"arn:${{AWS::Partition}}:cloudformation:{arns.HERE}:stack/${{AWS::StackName}}/*"
    return (
        Statement("FindParts", WATCHING, (stack,), "find the parts of the lake"),
        *_asking(declaration),
        *_files(),
        *_queues(),
        Statement(
            "State",
            calls.STATE,
            (arns.state_table(),),
            "status, runs, dead letters; replay and discard them",
        ),
        Statement(
            "ReadLogs",
            calls.LOGS,
            tuple(f"{arns.log_group(name)}:*" for name in FUNCTIONS),
            "read the functions' logs",
        ),
        *_watching(declaration),
        *_key(),
    )


def _watching(declaration: Declaration) -> list[Statement]:
    """What `status` asks AWS of alarms and of people; AWS judges a listing of alarms as one of all in the region."""
    alarms = f"arn:${{AWS::Partition}}:cloudwatch:{arns.HERE}:alarm:*"
    topics = (arns.of_stack("sns", "", "alarms"), *notices(declaration))
    return [
        Statement("Alarms", ALARMS, (alarms,), "which alarms are on"),
        Statement("Confirmed", CONFIRMED, topics, "who has not confirmed to be told"),
    ]


def _asking(declaration: Declaration) -> list[Statement]:
    layers = sorted({TableName.parse(name).layer for name in declaration.tables})
    places = (
        *CATALOG,
        *(arns.glue_database(declaration.lake, layer) for layer in layers),
        *(arns.all_tables(declaration.lake, layer) for layer in layers),
    )
    results = arns.objects(arns.ENRICHED, f"{arns.RESULTS}/{arns.OPERATOR}/*")
    return [
        Statement("Ask", ASKING, (arns.workgroup(),), "ask in the lake's workgroup"),
        Statement("LookUp", tuple(sorted({*LOOKING_UP, *calls.READING})), places, "tables and their schemas"),
        Statement("Results", RESULTS, (results,), "write and read results of queries", OURS),
        *_keeping(declaration),
    ]


def _keeping(declaration: Declaration) -> list[Statement]:
    """Keep what saved queries found, each under its own key; nobody else writes beside the results of Athena."""
    kept = tuple(arns.objects(arns.ENRICHED, key_of(name)) for name in declaration.queries)
    return [Statement("Keep", calls.KEEPING, kept, "keep the rows of saved queries", OURS)] if kept else []


def _files() -> list[Statement]:
    buckets = (arns.RAW, arns.PROCESSED, arns.ENRICHED)
    read = tuple(arns.objects(name, "*") for name in (arns.RAW, arns.PROCESSED))
    everywhere = tuple(map(arns.bucket, buckets))
    return [
        Statement(
            "Read",
            ("s3:GetObject", "s3:GetObjectVersion"),
            read,
            "read tables, quarantined rows and files as delivered",
            OURS,
        ),
        Statement("List", ("s3:GetBucketLocation", *calls.LISTS), everywhere, "list them", OURS),
    ]


def _queues() -> list[Statement]:
    waiting, dead = arns.queue("intake"), arns.queue("dead-letters")
    return [
        Statement("Depths", DEPTHS, (waiting, dead), "how much waits, and how much is dead"),
        Statement("Wake", calls.WAKING_ACTIONS, (waiting,), "have a replayed file looked at"),
        Statement("Forget", calls.FORGETTING_ACTIONS, (dead,), "take out the messages of replayed dead letters"),
    ]


def _key() -> list[Statement]:
    s3 = tuple(arns.bucket(name) for name in (arns.RAW, arns.PROCESSED, arns.ENRICHED))
    sqs = {"aws:sqs:arn": (arns.queue("intake"), arns.queue("dead-letters"))}
    state = {"aws:dynamodb:tableName": "${AWS::StackName}-state"}
    written = {"aws:s3:arn": arns.bucket(arns.ENRICHED)}
    both = ("kms:Decrypt", "kms:GenerateDataKey")
    return [
        Statement("ReadKey", ("kms:Decrypt",), (arns.KEY,), "read them", key_through("s3", {"aws:s3:arn": s3})),
        Statement("WriteKey", ("kms:GenerateDataKey",), (arns.KEY,), "write results", key_through("s3", written)),
        Statement("StateKey", ("kms:Decrypt",), (arns.KEY,), "use the state store", key_through("dynamodb", state)),
        Statement("QueueKey", both, (arns.KEY,), "use the queues", key_through("sqs", sqs)),
    ]


def readmitter(declaration: Declaration) -> tuple[Statement, ...]:
    """The suggested policy for `quarantine readmit` and `quarantine purge`, besides the operator's."""
    tables = sorted({TableName.parse(name) for name in declaration.tables})
    if not tables:
        return ()
    files = (*map(arns.data, tables), *map(arns.quarantined, tables))
    layers = sorted({table.layer for table in tables})
    databases = (arns.glue_database(declaration.lake, layer) for layer in layers)
    places = (arns.glue("catalog"), *databases, *(arns.glue_table(declaration.lake, table) for table in tables))
    writing = calls.without(calls.TABLES, (*calls.LISTS, *READ_ANYWAY))
    processed = key_through("s3", {"aws:s3:arn": arns.bucket(arns.PROCESSED)})
    return (
        Statement(
            "Tables", writing, files, "write the rows that are brought back, and remove those kept long enough", OURS
        ),
        Statement("Commit", COMMITS, places, "commit them to their tables"),
        Statement("WriteKey", ("kms:GenerateDataKey",), (arns.KEY,), "write encrypted objects", processed),
        *fetching(declaration),
    )
