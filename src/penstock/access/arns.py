"""What the parts of a deployed lake are called in policies: ARNs, with what only the stack knows as `${...}`."""

from __future__ import annotations

import re

from penstock.deployed import database_name
from penstock.naming import TableName

HERE = "${AWS::Region}:${AWS::AccountId}"
KEY = "${Key.Arn}"
RAW, PROCESSED, ENRICHED = "${RawBucket}", "${ProcessedBucket}", "${EnrichedBucket}"
ACCOUNT_ROOT = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
QUARANTINE = "_quarantine"
"""Where quarantined rows are in the zone processed, before layer and table."""
RESULTS = "results"
"""Where results of queries are in the zone enriched, below it those of each role."""
OPERATOR = "_operator"
"""Where results of those are who look after the lake; no role can be called so."""
_CLASS = re.compile(r"\[!?\]?[^\]]*\]")


def bucket(name: str) -> str:
    """A bucket, by the text that names it."""
    return f"arn:${{AWS::Partition}}:s3:::{name}"


def objects(name: str, key: str) -> str:
    """Objects of a bucket, by the pattern of their keys."""
    return f"{bucket(name)}/{key}"


def raw_objects(files: str) -> str:
    """The objects that a table's `files` can mean.

    A policy knows `*`, which crosses folders, and `?`: what is granted may be more than what is meant, never less.
    """
    literal = _CLASS.sub("?", files).replace("$", "${!$}")
    return objects(RAW, re.sub(r"\*\*/|\*+", "*", literal))


def data(table: TableName) -> str:
    """A table's data files and metadata."""
    return objects(PROCESSED, f"{table.layer}/{table.name}/*")


def quarantined(table: TableName) -> str:
    """The rows of a table's files that were set aside."""
    return objects(PROCESSED, f"{QUARANTINE}/{table.layer}/{table.name}/*")


def all_tables(lake: str, layer: str) -> str:
    """All tables of a layer's database, which is the lake's own."""
    return glue("table", f"{database_name(lake, layer)}/*")


def glue(kind: str, name: str = "") -> str:
    """Something of the Glue catalog: `catalog`, `database` or `table` and its name."""
    return f"arn:${{AWS::Partition}}:glue:{HERE}:{kind}" + (f"/{name}" if name else "")


def glue_database(lake: str, layer: str) -> str:
    """A layer's database."""
    return glue("database", database_name(lake, layer))


def glue_table(lake: str, table: TableName) -> str:
    """A table as the Glue catalog knows it."""
    return glue("table", f"{database_name(lake, table.layer)}/{table.name}")


def of_stack(service: str, kind: str, name: str = "") -> str:
    """What is named after the stack: `sqs`, `intake` is the queue `${AWS::StackName}-intake`."""
    before = f"{kind}/" if service in {"dynamodb", "athena", "scheduler"} else f"{kind}:" if kind else ""
    return f"arn:${{AWS::Partition}}:{service}:{HERE}:{before}${{AWS::StackName}}{f'-{name}' if name else ''}"


def state_table() -> str:
    """The DynamoDB table of the state store."""
    return of_stack("dynamodb", "table", "state")


def queue(name: str) -> str:
    """A queue: `intake`, `dead-letters`."""
    return of_stack("sqs", "", name)


def topic(notice: str) -> str:
    """The topic of a notice."""
    return of_stack("sns", "", f"notice-{notice}")


def function(name: str) -> str:
    """A function, by the alias that everybody calls."""
    return f"{of_stack('lambda', 'function', name)}:live"


def schedule(name: str) -> str:
    """A schedule of the stack's own group of schedules."""
    return f"{of_stack('scheduler', 'schedule')}/${{AWS::StackName}}-{name}"


def secret(name: str) -> str:
    """A secret by its name, to which AWS adds six letters, or by its ARN."""
    if name.startswith("arn:"):
        return in_partition(name)
    return f"arn:${{AWS::Partition}}:secretsmanager:{HERE}:secret:{name}-??????"


def in_partition(arn: str) -> str:
    """An ARN that somebody gave, in the partition that the stack is in: there is no other that it could reach."""
    return f"arn:${{AWS::Partition}}:{arn.split(':', 2)[2]}"


def root_of(arn: str) -> str:
    """The account of somebody, as those are trusted who are in it."""
    return f"arn:${{AWS::Partition}}:iam::{arn.split(':')[4]}:root"


def workgroup(role: str = "") -> str:
    """The Athena workgroup of a role; that of the lake itself, without one."""
    return of_stack("athena", "workgroup", f"role-{role}" if role else "")


def log_group(name: str) -> str:
    """A function's log group."""
    return f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:/aws/lambda/${{AWS::StackName}}-{name}"
