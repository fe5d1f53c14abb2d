"""What the functions of a deployed lake may do, and the schedule that starts one of them.

A function may work on the lake's own tables, state and queues. It reads files as delivered, of which it may neither
change nor remove any: no statement of anybody's allows that.
"""

from __future__ import annotations

from penstock.access import arns
from penstock.access.aws import OURS, key_through
from penstock.access.policy import Conditions, Statement
from penstock.declaration import Declaration
from penstock.deployment.permissions import calls
from penstock.naming import TableName
from penstock.notices.targets import deployed_notices

WITHOUT_RESOURCE = {
    "xray:PutTraceSegments": "X-Ray knows no resource that traces are put to",
    "xray:PutTelemetryRecords": "X-Ray knows no resource that records are put to",
}
"""Actions that no policy can hold to a resource, each with its reason: the only ones that stand with `*`."""
SERVICE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
"""What Lambda does as the function; no code of ours calls it."""
UPKEEP_NOTES = "_upkeep/*"
"""Where upkeep keeps its notes in the zone processed."""


def intake(declaration: Declaration) -> tuple[Statement, ...]:
    """The function that turns files into rows."""
    queue, dead = arns.queue("intake"), arns.queue("dead-letters")
    return (
        Statement("TakeMessages", calls.INTAKE_ACTIONS, (queue,), "be told of files that landed"),
        Statement("BuryMessages", calls.DEAD_ACTIONS, (dead,), "say what failed for good"),
        *_lake(declaration, looks=False),
        *_key(("intake", "dead-letters"), declaration),
        *fetching(declaration),
        *_telling("intake"),
    )


def upkeep(declaration: Declaration) -> tuple[Statement, ...]:
    """The function that looks after tables, and settles what was left lying."""
    dead, own = arns.queue("dead-letters"), arns.queue("upkeep-dead-letters")
    return (
        Statement("BuryMessages", calls.DEAD_ACTIONS, (dead,), "say what failed for good"),
        Statement("BuryEvents", ("sqs:SendMessage",), (own,), "Lambda keeps the event of an upkeep that failed"),
        *_lake(declaration, looks=True),
        *_key(("dead-letters", "upkeep-dead-letters"), declaration),
        *fetching(declaration),
        *_telling("upkeep"),
    )


def schedule() -> tuple[Statement, ...]:
    """The schedule that starts upkeep, and nothing else."""
    own = arns.queue("upkeep-dead-letters")
    return (
        Statement("Start", ("lambda:InvokeFunction",), (arns.function("upkeep"),), "start upkeep"),
        Statement("BuryEvents", ("sqs:SendMessage",), (own,), "keep what could not be started"),
        _queue_key(("upkeep-dead-letters",)),
        Statement(
            "ScheduleKey",
            ("kms:Decrypt",),
            (arns.KEY,),
            "read the event that the schedule gives",
            key_through("scheduler", {"aws:scheduler:schedule:arn": arns.schedule("upkeep")}),
        ),
    )


def _lake(declaration: Declaration, *, looks: bool) -> list[Statement]:
    """What both functions do; one of them also looks for what nobody told it of."""
    tables = sorted({TableName.parse(name) for name in declaration.tables})
    if not tables:
        return []
    files = sorted({arns.raw_objects(table.files) for table in declaration.tables.values()})
    kept = [*map(arns.data, tables), *map(arns.quarantined, tables), arns.objects(arns.PROCESSED, UPKEEP_NOTES)]
    raw, processed = arns.bucket(arns.RAW), arns.bucket(arns.PROCESSED)
    listing = calls.among(calls.TABLES, calls.LISTS)
    listing_raw = calls.among(calls.RAW, calls.LISTS) if looks else listing
    missing = "look for files, and tell a missing one from a forbidden one"
    return [
        Statement("ReadRaw", calls.without(calls.RAW, calls.LISTS), tuple(files), "read what tables name", OURS),
        Statement("ListRaw", listing_raw, (raw,), missing, OURS),
        Statement("Tables", calls.without(calls.TABLES, calls.LISTS), tuple(kept), "write the tables' files", OURS),
        Statement("List", listing, (processed,), missing, OURS),
        *_catalog(declaration.lake, tables, looks=looks),
        Statement("State", calls.STATE, (arns.state_table(),), "arrivals, runs, leases and the outbox"),
        *_notices(declaration),
    ]


def _catalog(lake: str, tables: list[TableName], *, looks: bool) -> list[Statement]:
    layers = sorted({table.layer for table in tables})
    places = (arns.glue("catalog"), *(arns.glue_database(lake, layer) for layer in layers))
    listed = (*places, *(arns.all_tables(lake, layer) for layer in layers))
    named = (*places, *(arns.glue_table(lake, table) for table in tables))
    seeing, committing = "see which tables there are", "commit to the tables"
    found = [Statement("Catalog", calls.without(calls.CATALOG, calls.LISTS_OF_TABLES), named, committing)]
    if looks:
        found.append(Statement("ListTables", calls.among(calls.CATALOG, calls.LISTS_OF_TABLES), listed, seeing))
    return found


def notices(declaration: Declaration) -> tuple[str, ...]:
    """The topics of the declared notices that are deployed."""
    return tuple(arns.topic(name) for name, _ in deployed_notices(declaration))


def _notices(declaration: Declaration) -> list[Statement]:
    topics = notices(declaration)
    return [Statement("Tell", calls.NOTICES, topics, "tell people, as notices declare")] if topics else []


def fetching(declaration: Declaration) -> list[Statement]:
    """Fetch the secrets that are declared, and have those decrypted that are encrypted with a key of the user's."""
    wanted = declaration.aws.wanted_secrets.values()
    if not wanted:
        return []
    places = tuple(dict.fromkeys(arns.secret(one.secret) for one in wanted))
    found = [Statement("Secrets", calls.SECRETS, places, "fetch the secrets that lake.yaml takes")]
    keyed = [(one.kms_key, arns.secret(one.secret)) for one in wanted if one.kms_key is not None]
    for at, key in enumerate(dict.fromkeys(key for key, _ in keyed), start=1):
        encrypted = tuple(dict.fromkeys(place for known, place in keyed if known == key))
        conditions: Conditions = {
            "StringEquals": {"kms:ViaService": f"secretsmanager.{key.split(':')[3]}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:SecretARN": encrypted},
        }
        place, why = arns.in_partition(key), "have these secrets decrypted with a key of their own"
        found.append(Statement(f"SecretKey{at}", calls.SECRET_KEYS, (place,), why, conditions))
    return found


def _key(queues: tuple[str, ...], declaration: Declaration) -> list[Statement]:
    """The key, through each service that encrypts with it, and for the lake's own things only."""
    read = tuple(arns.bucket(name) for name in (arns.RAW, arns.PROCESSED))
    write = arns.bucket(arns.PROCESSED)
    state = {"aws:dynamodb:tableName": "${AWS::StackName}-state"}
    found = [
        Statement("ReadKey", ("kms:Decrypt",), (arns.KEY,), "read encrypted objects", key_through("s3", _s3(read))),
        Statement(
            "WriteKey", ("kms:GenerateDataKey",), (arns.KEY,), "write encrypted objects", key_through("s3", _s3(write))
        ),
        Statement("StateKey", ("kms:Decrypt",), (arns.KEY,), "use the state store", key_through("dynamodb", state)),
        _queue_key(queues),
    ]
    if topics := notices(declaration):
        found.append(
            Statement(
                "TopicKey",
                ("kms:Decrypt", "kms:GenerateDataKey"),
                (arns.KEY,),
                "publish to encrypted topics",
                key_through("sns", {"aws:sns:topicArn": topics}),
            )
        )
    return found


def _queue_key(queues: tuple[str, ...]) -> Statement:
    context = {"aws:sqs:arn": tuple(arns.queue(name) for name in queues)}
    actions = ("kms:Decrypt", "kms:GenerateDataKey")
    return Statement("QueueKey", actions, (arns.KEY,), "use encrypted queues", key_through("sqs", context))


def _s3(buckets: str | tuple[str, ...]) -> dict[str, str | tuple[str, ...]]:
    return {"aws:s3:arn": buckets}


def _telling(function: str) -> tuple[Statement, ...]:
    streams = f"{arns.log_group(function)}:*"
    return (
        Statement("Log", SERVICE_LOGS, (streams,), "write its log"),
        Statement("Trace", tuple(WITHOUT_RESOURCE), ("*",), "; ".join(WITHOUT_RESOURCE.values())),
    )
