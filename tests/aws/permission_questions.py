"""What each principal of a deployed lake may do and what not: the table that is reviewed, row by row.

Resources are written short: `raw/KEY` is an object of the zone raw's bucket and `raw` the bucket, `table:main.orders` a
table of the Glue catalog and `database:main` its database, `queue:intake` a queue, `topic:failures` a notice's topic,
`state` the DynamoDB table, `workgroup:finance` a role's workgroup and `workgroup` the lake's, `key` the stack's key.
Of the others, what begins with `arn:` stands as it is. `{file}` is a file that the lake's first table takes, `{layer}`
and `{table}` say which table that is.

Rows of `EVERY` are asked of every lake; `AGENCY` has five tables in three layers and four roles, `IMMOBILIER` is the
template.
"""

# ruff: noqa: E501 - a row is a line, so that the table can be read as one
# fmt: off
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Context = Mapping[str, str]


class Question(NamedTuple):
    """One row: a principal asks something under some circumstances, and may or may not, with the reason."""

    principal: str
    action: str
    resource: str
    context: Context
    allowed: bool
    why: str


def _rows(principal: str, why: str, actions: str, resources: str, context: Context, *, allowed: bool) -> list[Question]:
    return [
        Question(principal, action, resource, context, allowed, why)
        for action in actions.split()
        for resource in resources.split()
    ]


def _yes(principal: str, why: str, actions: str, resources: str, context: Context | None = None) -> list[Question]:
    return _rows(principal, why, actions, resources, context or {}, allowed=True)


def _no(principal: str, why: str, actions: str, resources: str, context: Context | None = None) -> list[Question]:
    return _rows(principal, why, actions, resources, context or {}, allowed=False)


def _each(principals: str, rows: Sequence[Question]) -> list[Question]:
    """The same rows for several principals."""
    return [row._replace(principal=principal) for principal in principals.split() for row in rows]


# --- Circumstances ----------------------------------------------------------------------------


def below(prefix: str) -> Context:
    """A listing of keys that begin so."""
    return {"s3:prefix": prefix}


def through(service: str, what: str, region: str = "{region}") -> Context:
    """The key is used by a service, for something that it encrypts."""
    names = {"s3": "aws:s3:arn", "sqs": "aws:sqs:arn", "sns": "aws:sns:topicArn", "dynamodb": "aws:dynamodb:tableName", "scheduler": "aws:scheduler:schedule:arn", "secretsmanager": "SecretARN"}
    return {
        "kms:ViaService": f"{service}.{region}.amazonaws.com",
        f"kms:EncryptionContext:{names.get(service, service)}": what,
    }


STATE_TABLE = "{stack}-state"
STRANGER = "999999999999"
THEIRS = {"aws:ResourceAccount": STRANGER}
"""The bucket of that name is another account's."""
READ_STATE = "dynamodb:GetItem dynamodb:Query dynamodb:BatchGetItem"
ASK = (
    "athena:StartQueryExecution athena:GetQueryExecution athena:GetQueryResults athena:StopQueryExecution "
    "athena:GetWorkGroup"
)
SCHEDULED = "arn:aws:scheduler:{region}:{account}:schedule/{stack}/{stack}-upkeep"
OTHER_QUEUE = "arn:aws:sqs:{region}:{account}:somebody-elses"
OF_SECRETS = "arn:aws:secretsmanager:{region}:{account}:secret:"
SALT, PEPPER = f"{OF_SECRETS}agency/salt-a1B2c3", "arn:aws:secretsmanager:us-east-1:999999999999:secret:pepper-Xy12zZ"
PEPPERS_KEY = "arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = "arn:aws:kms:{region}:{account}:key/ffffffff-0000-0000-0000-000000000000"

# --- Every lake -------------------------------------------------------------------------------

FUNCTIONS = _each(
    "intake upkeep",
    [
        *_yes("", "files that a table names are read, in any version", "s3:GetObject s3:GetObjectVersion", "raw/{file}"),
        *_no("", "a file that no table names is not the lake's business", "s3:GetObject", "raw/secret.pdf"),
        *_no("", "raw is sacred: nothing of ours ever writes it", "s3:PutObject s3:PutObjectAcl", "raw/{file}"),
        *_no("", "raw is sacred: nothing of ours ever deletes it", "s3:DeleteObject s3:DeleteObjectVersion", "raw/{file}"),
        *_no("", "nor lets go of its versions or its protection", "s3:PutBucketVersioning s3:PutBucketPolicy", "raw"),
        *_no("", "another account has a bucket of the same name", "s3:GetObject", "raw/{file}", THEIRS),
        *_yes("", "a missing file answers 404 only to who may list", "s3:ListBucket", "raw processed"),
        *_no("", "the tables' files have one version", "s3:ListBucketVersions", "processed"),
        *_no("", "results of queries are not the functions' business", "s3:ListBucket", "enriched"),
        *_no("", "another account has a bucket of the same name", "s3:ListBucket", "raw processed", THEIRS),
        *_yes("", "the tables' files are its work", "s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", "processed/{layer}/{table}/data/a.parquet processed/{layer}/{table}/metadata/v1.json"),
        *_yes("", "and what is set aside", "s3:GetObject s3:PutObject s3:DeleteObject", "processed/_quarantine/{layer}/{table}/a.parquet"),
        *_yes("", "and upkeep's notes", "s3:GetObject s3:PutObject", "processed/_upkeep/{layer}.{table}.json"),
        *_no("", "another table's files", "s3:GetObject s3:PutObject s3:DeleteObject", "processed/{layer}/{table}_of_others/data/a.parquet"),
        *_no("", "a table that is not declared", "s3:GetObject s3:PutObject", "processed/nobody/knows/a.parquet processed/a.parquet"),
        *_no("", "what is set aside of a table that is not declared", "s3:GetObject", "processed/_quarantine/nobody/knows/a.parquet"),
        *_no("", "the tables' versions are for lifecycle rules", "s3:DeleteObjectVersion", "processed/{layer}/{table}/data/a.parquet"),
        *_no("", "results of queries are people's", "s3:GetObject s3:PutObject", "enriched/results/finance/a.csv"),
        *_no("", "another account has a bucket of the same name", "s3:PutObject", "processed/{layer}/{table}/data/a.parquet", THEIRS),
        *_yes("", "its own tables are looked up and committed to", "glue:GetTable glue:UpdateTable glue:CreateTable", "table:{layer}.{table}"),
        *_yes("", "all of which needs its database and the catalog", "glue:GetTable glue:UpdateTable", "database:{layer} catalog"),
        *_no("", "a table that is not declared", "glue:GetTable glue:UpdateTable glue:CreateTable", "table:{layer}.{table}_of_others"),
        *_no("", "another lake's tables", "glue:GetTables", "arn:aws:glue:{region}:{account}:table/other_main/{table} arn:aws:glue:{region}:{account}:database/other_main"),
        *_no("", "another lake's table and database", "glue:GetTable", "arn:aws:glue:{region}:{account}:table/other_main/{table} arn:aws:glue:{region}:{account}:database/other_main"),
        *_no("", "tables go with the stack, not with a function", "glue:DeleteTable glue:BatchDeleteTable", "table:{layer}.{table}"),
        *_no("", "databases are the stack's", "glue:CreateDatabase glue:DeleteDatabase", "database:{layer} catalog"),
        *_yes("", "the state store is its own", "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:ConditionCheckItem", "state"),
        *_no("", "it has no index", "dynamodb:Query", "state/index/by_state"),
        *_no("", "another state table", "dynamodb:GetItem dynamodb:PutItem", "arn:aws:dynamodb:{region}:{account}:table/other-state"),
        *_no("", "the table itself is the stack's; a scan is nobody's", "dynamodb:Scan dynamodb:DeleteTable dynamodb:UpdateTable dynamodb:CreateTable", "state"),
        *_yes("", "what failed for good is said", "sqs:SendMessage", "queue:dead-letters"),
        *_no("", "but not read or emptied", "sqs:ReceiveMessage sqs:DeleteMessage sqs:PurgeQueue", "queue:dead-letters"),
        *_no("", "other queues", "sqs:SendMessage sqs:ReceiveMessage", OTHER_QUEUE),
        *_no("", "queues are the stack's", "sqs:SetQueueAttributes sqs:DeleteQueue", "queue:intake queue:dead-letters"),
        *_no("", "no function starts functions", "lambda:InvokeFunction lambda:UpdateFunctionCode", "function:intake function:upkeep"),
        *_no("", "no function asks Athena", "athena:StartQueryExecution", "workgroup"),
        *_no("", "no function gives permissions", "iam:PassRole iam:PutRolePolicy sts:AssumeRole", "arn:aws:iam::{account}:role/{stack}-intake arn:aws:iam::{account}:role/admin"),
        *_no("", "the topic of alarms is CloudWatch's", "sns:Publish", "arn:aws:sns:{region}:{account}:{stack}-alarms"),
        *_no("", "another stack's topic", "sns:Publish", "arn:aws:sns:{region}:{account}:other-notice-failures"),
        *_no("", "texts to telephones", "sns:Publish", "*"),
        *_no("", "who is told is the stack's business", "sns:Subscribe", "topic:failures"),
        *_yes("", "traces have no resource", "xray:PutTraceSegments xray:PutTelemetryRecords", "*"),
        *_no("", "traces are written, not read", "xray:GetTraceSummaries", "*"),
        *_yes("", "encrypted objects are read", "kms:Decrypt", "key", through("s3", "{raw}")),
        *_yes("", "encrypted objects are read and written", "kms:Decrypt kms:GenerateDataKey", "key", through("s3", "{processed}")),
        *_no("", "nothing is written to raw", "kms:GenerateDataKey", "key", through("s3", "{raw}")),
        *_no("", "results of queries are people's", "kms:Decrypt kms:GenerateDataKey", "key", through("s3", "{enriched}")),
        *_no("", "another bucket that has the same key", "kms:Decrypt", "key", through("s3", "arn:aws:s3:::other")),
        *_yes("", "the state store is encrypted", "kms:Decrypt", "key", through("dynamodb", STATE_TABLE)),
        *_no("", "another table with the same key", "kms:Decrypt", "key", through("dynamodb", "other")),
        *_no("", "the state's key is for reading it", "kms:GenerateDataKey", "key", through("dynamodb", STATE_TABLE)),
        *_yes("", "dead letters are encrypted", "kms:GenerateDataKey kms:Decrypt", "key", through("sqs", "{queue}-dead-letters")),
        *_no("", "another queue with the same key", "kms:GenerateDataKey kms:Decrypt", "key", through("sqs", OTHER_QUEUE)),
        *_no("", "the key without a service: nobody decrypts by hand", "kms:Decrypt kms:Encrypt", "key"),
        *_no("", "the key through another service", "kms:Decrypt", "key", through("secretsmanager", "x")),
        *_no("", "the key through another service, with an object's context", "kms:Decrypt kms:GenerateDataKey", "key", {**through("s3", "{processed}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no("", "the key through another service, with a table's context", "kms:Decrypt", "key", {**through("dynamodb", STATE_TABLE), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no("", "the key through another service, with a queue's context", "kms:Decrypt", "key", {**through("sqs", "{queue}-dead-letters"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no("", "the key in another region", "kms:Decrypt", "key", through("s3", "{processed}", "us-east-1")),
        *_no("", "another key", "kms:Decrypt kms:GenerateDataKey", OTHER_KEY, through("s3", "{processed}")),
        *_no("", "another key, for the state", "kms:Decrypt", OTHER_KEY, through("dynamodb", STATE_TABLE)),
        *_no("", "another key, for queues", "kms:Decrypt", OTHER_KEY, through("sqs", "{queue}-dead-letters")),
        *_no("", "the key is the owner's", "kms:ScheduleKeyDeletion kms:PutKeyPolicy kms:CreateGrant", "key"),
        *_no("", "the key is the owner's, through a service as well", "kms:CreateGrant", "key", through("s3", "{processed}")),
        *_no("", "the key is the owner's, through the state store as well", "kms:CreateGrant", "key", through("dynamodb", STATE_TABLE)),
        *_no("", "the key is the owner's, through a queue as well", "kms:CreateGrant", "key", through("sqs", "{queue}-dead-letters")),
        *_no("", "secrets that are not declared", "secretsmanager:GetSecretValue", f"{OF_SECRETS}other-a1B2c3"),
        *_no("", "nobody looks which secrets there are", "secretsmanager:ListSecrets", "*"),
        *_no("", "reading raw takes the key for no more than that", "kms:ReEncryptFrom", "key", through("s3", "{raw}")),
    ],
)

INTAKE = [
    *_no("intake", "it works on what it is told of, and looks for nothing", "s3:ListBucketVersions", "raw"),
    *_no("intake", "it works on declared tables, and looks for none", "glue:GetTables glue:GetDatabases", "database:{layer} catalog table:{layer}.gone"),
    *_yes("intake", "messages are taken, prolonged and done with", "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes", "queue:intake"),
    *_no("intake", "it tells itself nothing", "sqs:SendMessage", "queue:intake"),
    *_no("intake", "upkeep's failures are upkeep's", "sqs:SendMessage", "queue:upkeep-dead-letters"),
    *_yes("intake", "the queue is encrypted", "kms:Decrypt kms:GenerateDataKey", "key", through("sqs", "{queue}-intake")),
    *_yes("intake", "it writes its own log", "logs:CreateLogStream logs:PutLogEvents", "log:intake"),
    *_no("intake", "it writes no other's", "logs:PutLogEvents", "log:upkeep arn:aws:logs:{region}:{account}:log-group:/aws/lambda/other:log-stream:x"),
    *_no("intake", "log groups are the stack's", "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteLogStream", "log:intake"),
]
UPKEEP = [
    *_yes("upkeep", "files that nobody told of are found in the versions that they have", "s3:ListBucketVersions", "raw"),
    *_no("upkeep", "another account has a bucket of the same name", "s3:ListBucketVersions", "raw", THEIRS),
    *_yes("upkeep", "the database is the lake's own: what is there is listed", "glue:GetTables glue:GetDatabases", "database:{layer} catalog table:{layer}.gone"),
    *_no("upkeep", "messages are intake's to take", "sqs:ReceiveMessage sqs:DeleteMessage", "queue:intake"),
    *_yes("upkeep", "an upkeep that failed leaves its event", "sqs:SendMessage", "queue:upkeep-dead-letters"),
    *_no("upkeep", "and does not read it", "sqs:ReceiveMessage", "queue:upkeep-dead-letters"),
    *_yes("upkeep", "that queue is encrypted", "kms:Decrypt kms:GenerateDataKey", "key", through("sqs", "{queue}-upkeep-dead-letters")),
    *_no("upkeep", "the intake queue is not its own", "kms:Decrypt", "key", through("sqs", "{queue}-intake")),
    *_yes("upkeep", "it writes its own log", "logs:CreateLogStream logs:PutLogEvents", "log:upkeep"),
    *_no("upkeep", "it writes no other's", "logs:PutLogEvents", "log:intake"),
    *_no("upkeep", "log groups are the stack's", "logs:CreateLogGroup logs:DeleteLogGroup", "log:upkeep"),
]
SCHEDULE = [
    *_yes("schedule", "it starts upkeep", "lambda:InvokeFunction", "function:upkeep"),
    *_no("schedule", "it starts nothing else", "lambda:InvokeFunction", "function:intake arn:aws:lambda:{region}:{account}:function:other"),
    *_no("schedule", "nor another version of upkeep", "lambda:InvokeFunction", "arn:aws:lambda:{region}:{account}:function:{stack}-upkeep:7"),
    *_no("schedule", "it starts it and does no more", "lambda:UpdateFunctionCode lambda:GetFunction", "function:upkeep"),
    *_yes("schedule", "what could not be started is kept", "sqs:SendMessage", "queue:upkeep-dead-letters"),
    *_no("schedule", "in that queue only", "sqs:SendMessage", "queue:intake queue:dead-letters"),
    *_no("schedule", "and not read", "sqs:ReceiveMessage", "queue:upkeep-dead-letters"),
    *_yes("schedule", "the queue is encrypted", "kms:GenerateDataKey kms:Decrypt", "key", through("sqs", "{queue}-upkeep-dead-letters")),
    *_no("schedule", "another queue", "kms:GenerateDataKey", "key", through("sqs", "{queue}-intake")),
    *_no("schedule", "the key through another service", "kms:Decrypt", "key", {**through("sqs", "{queue}-upkeep-dead-letters"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("schedule", "another key", "kms:Decrypt", OTHER_KEY, through("sqs", "{queue}-upkeep-dead-letters")),
    *_no("schedule", "the key is the owner's", "kms:CreateGrant", "key", through("sqs", "{queue}-upkeep-dead-letters")),
    *_yes("schedule", "its event is encrypted", "kms:Decrypt", "key", through("scheduler", SCHEDULED)),
    *_no("schedule", "another schedule's", "kms:Decrypt", "key", through("scheduler", "arn:aws:scheduler:{region}:{account}:schedule/default/other")),
    *_no("schedule", "it reads its event, and writes none", "kms:GenerateDataKey", "key", through("scheduler", SCHEDULED)),
    *_no("schedule", "another key", "kms:Decrypt", OTHER_KEY, through("scheduler", SCHEDULED)),
    *_no("schedule", "the key through another service", "kms:Decrypt", "key", {**through("scheduler", SCHEDULED), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("schedule", "data is none of its business", "s3:GetObject dynamodb:GetItem", "raw/{file} state"),
]
OPERATOR = [
    *_yes("operator", "where the parts are stands in the stack", "cloudformation:DescribeStacks", "arn:aws:cloudformation:{region}:{account}:stack/{stack}/0a1b"),
    *_yes("operator", "and so do its topics", "cloudformation:ListStackResources", "arn:aws:cloudformation:{region}:{account}:stack/{stack}/0a1b"),
    *_yes("operator", "alarms are looked at", "cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:{region}:{account}:alarm:*"),
    *_no("operator", "and neither silenced nor removed", "cloudwatch:SetAlarmState cloudwatch:DisableAlarmActions cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:{region}:{account}:alarm:{stack}-dead_letters"),
    *_no("operator", "alarms are what is looked at", "cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:{region}:{account}:dashboard/x"),
    *_yes("operator", "who is told of alarms is looked at", "sns:ListSubscriptionsByTopic", "arn:aws:sns:{region}:{account}:{stack}-alarms"),
    *_no("operator", "who is told is the stack's, and nobody writes in the lake's name", "sns:Subscribe sns:Unsubscribe sns:Publish sns:DeleteTopic", "arn:aws:sns:{region}:{account}:{stack}-alarms"),
    *_no("operator", "other topics", "sns:ListSubscriptionsByTopic", "arn:aws:sns:{region}:{account}:other-alarms"),
    *_no("operator", "other stacks", "cloudformation:DescribeStacks cloudformation:ListStackResources", "arn:aws:cloudformation:{region}:{account}:stack/other/0a1b"),
    *_no("operator", "to look is not to deploy", "cloudformation:CreateChangeSet cloudformation:DeleteStack", "arn:aws:cloudformation:{region}:{account}:stack/{stack}/0a1b"),
    *_yes("operator", "questions go to the lake's workgroup", ASK, "workgroup"),
    *_no("operator", "not to a role's", ASK, "workgroup:finance workgroup:any"),
    *_no("operator", "limits of the workgroup are the stack's", "athena:UpdateWorkGroup athena:DeleteWorkGroup", "workgroup"),
    *_yes("operator", "all tables are looked up", "glue:GetTable glue:GetTables glue:GetDatabase glue:GetDatabases", "table:{layer}.{table} table:{layer}.gone database:{layer} catalog"),
    *_no("operator", "tables are committed to by functions", "glue:UpdateTable glue:DeleteTable", "table:{layer}.{table} database:{layer} catalog"),
    *_yes("operator", "Athena looks at the account's default database", "glue:GetDatabase", "arn:aws:glue:{region}:{account}:database/default"),
    *_no("operator", "none of its tables are queried", "glue:GetTable glue:GetTables", "arn:aws:glue:{region}:{account}:table/default/x"),
    *_no("operator", "another lake's database", "glue:GetDatabase", "arn:aws:glue:{region}:{account}:database/other_main"),
    *_no("operator", "another lake's tables", "glue:GetTable", "arn:aws:glue:{region}:{account}:table/other_main/x arn:aws:glue:{region}:{account}:database/other_main"),
    *_yes("operator", "everything is read", "s3:GetObject", "raw/any.pdf processed/{layer}/{table}/data/a.parquet processed/_quarantine/{layer}/{table}/a.parquet enriched/results/_operator/0a1b.csv"),
    *_yes("operator", "in any version", "s3:GetObjectVersion", "raw/any.pdf processed/main/x/a.parquet"),
    *_yes("operator", "and listed", "s3:ListBucket s3:ListBucketVersions s3:GetBucketLocation", "raw processed enriched"),
    *_no("operator", "buckets are the stack's", "s3:DeleteBucket s3:PutBucketPolicy", "raw processed enriched"),
    *_no("operator", "raw is sacred; files are delivered by those who deliver", "s3:PutObject s3:DeleteObject s3:DeleteObjectVersion", "raw/{file}"),
    *_no("operator", "tables are written by functions", "s3:PutObject s3:DeleteObject", "processed/{layer}/{table}/data/a.parquet"),
    *_yes("operator", "results of queries are written", "s3:PutObject s3:AbortMultipartUpload s3:ListMultipartUploadParts", "enriched/results/_operator/0a1b.csv"),
    *_no("operator", "results, and nothing beside them", "s3:PutObject s3:GetObject", "enriched/reports/a.csv enriched/results/finance/a.csv"),
    *_no("operator", "results are removed by the lifecycle rule", "s3:DeleteObject", "enriched/results/_operator/0a1b.csv"),
    *_no("operator", "another account's buckets", "s3:GetObject s3:PutObject", "raw/{file} enriched/results/_operator/a.csv", THEIRS),
    *_no("operator", "another account's buckets", "s3:ListBucket", "raw", THEIRS),
    *_no("operator", "other buckets", "s3:ListBucket", "arn:aws:s3:::other"),
    *_no("operator", "other buckets", "s3:GetObject", "arn:aws:s3:::other/a arn:aws:s3:::{stack}-raw-2/a"),
    *_yes("operator", "queues are looked at", "sqs:GetQueueAttributes", "queue:intake queue:dead-letters"),
    *_yes("operator", "a replayed file is looked at again", "sqs:SendMessage", "queue:intake"),
    *_yes("operator", "dead letters that were seen to go", "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility", "queue:dead-letters"),
    *_no("operator", "nothing that landed is taken away", "sqs:ReceiveMessage sqs:DeleteMessage", "queue:intake"),
    *_no("operator", "no dead letter is made up", "sqs:SendMessage", "queue:dead-letters"),
    *_no("operator", "no queue is emptied at once", "sqs:PurgeQueue sqs:DeleteQueue", "queue:intake queue:dead-letters"),
    *_no("operator", "other queues", "sqs:GetQueueAttributes sqs:SendMessage sqs:ReceiveMessage", OTHER_QUEUE),
    *_yes("operator", "the state tells how it stands, and is mended", "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:ConditionCheckItem", "state"),
    *_no("operator", "the table itself is the stack's; a scan is nobody's", "dynamodb:Scan dynamodb:DeleteTable", "state"),
    *_no("operator", "another table", "dynamodb:GetItem", "arn:aws:dynamodb:{region}:{account}:table/other"),
    *_yes("operator", "logs are read", "logs:FilterLogEvents", "log:intake log:upkeep"),
    *_no("operator", "and kept", "logs:DeleteLogGroup logs:PutLogEvents", "log:intake log:upkeep"),
    *_no("operator", "other logs", "logs:FilterLogEvents", "arn:aws:logs:{region}:{account}:log-group:/aws/lambda/other:log-stream:x"),
    *_no("operator", "functions are started by what happened", "lambda:InvokeFunction", "function:intake function:upkeep"),
    *_no("operator", "roles are taken on by those who have them", "sts:AssumeRole iam:PassRole", "arn:aws:iam::{account}:role/{stack}-intake"),
    *_yes("operator", "encrypted objects are read", "kms:Decrypt", "key", through("s3", "{raw}")),
    *_yes("operator", "encrypted objects are read", "kms:Decrypt", "key", through("s3", "{processed}")),
    *_yes("operator", "results are read and written", "kms:Decrypt kms:GenerateDataKey", "key", through("s3", "{enriched}")),
    *_no("operator", "nothing else is written", "kms:GenerateDataKey", "key", through("s3", "{raw}")),
    *_no("operator", "nothing else is written", "kms:GenerateDataKey", "key", through("s3", "{processed}")),
    *_no("operator", "another bucket with the same key", "kms:Decrypt", "key", through("s3", "arn:aws:s3:::other")),
    *_yes("operator", "the state store is encrypted", "kms:Decrypt", "key", through("dynamodb", STATE_TABLE)),
    *_no("operator", "another table with the same key", "kms:Decrypt", "key", through("dynamodb", "other")),
    *_yes("operator", "queues are encrypted", "kms:Decrypt kms:GenerateDataKey", "key", through("sqs", "{queue}-intake")),
    *_yes("operator", "queues are encrypted", "kms:Decrypt kms:GenerateDataKey", "key", through("sqs", "{queue}-dead-letters")),
    *_no("operator", "another queue with the same key", "kms:Decrypt", "key", through("sqs", OTHER_QUEUE)),
    *_no("operator", "the key without a service", "kms:Decrypt", "key"),
    *_no("operator", "the key is the owner's", "kms:CreateGrant kms:ScheduleKeyDeletion", "key", through("s3", "{raw}")),
    *_no("operator", "the key is the owner's", "kms:CreateGrant", "key", through("s3", "{enriched}")),
    *_no("operator", "the key is the owner's", "kms:CreateGrant", "key", through("dynamodb", STATE_TABLE)),
    *_no("operator", "the key is the owner's", "kms:CreateGrant", "key", through("sqs", "{queue}-intake")),
    *_no("operator", "another key", "kms:Decrypt", OTHER_KEY, through("s3", "{raw}")),
    *_no("operator", "another key", "kms:GenerateDataKey", OTHER_KEY, through("s3", "{enriched}")),
    *_no("operator", "another key", "kms:Decrypt", OTHER_KEY, through("dynamodb", STATE_TABLE)),
    *_no("operator", "another key", "kms:Decrypt", OTHER_KEY, through("sqs", "{queue}-intake")),
    *_no("operator", "the key through another service", "kms:Decrypt", "key", {**through("s3", "{raw}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("operator", "the key through another service", "kms:GenerateDataKey", "key", {**through("s3", "{enriched}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("operator", "the key through another service", "kms:Decrypt", "key", {**through("dynamodb", STATE_TABLE), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("operator", "the key through another service", "kms:Decrypt", "key", {**through("sqs", "{queue}-intake"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
]
READMITTER = [
    *_yes("readmitter", "rows that are brought back are committed to their table", "glue:UpdateTable", "table:{layer}.{table} database:{layer} catalog"),
    *_no("readmitter", "tables are made by functions, and removed with the stack", "glue:CreateTable glue:DeleteTable", "table:{layer}.{table} database:{layer} catalog"),
    *_no("readmitter", "a table that is not declared", "glue:UpdateTable", "table:{layer}.gone table:{layer}.{table}_of_others"),
    *_no("readmitter", "another lake's tables", "glue:UpdateTable", "arn:aws:glue:{region}:{account}:table/other_main/x arn:aws:glue:{region}:{account}:database/other_main"),
    *_yes("readmitter", "rows are brought back from quarantine", "s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", "processed/{layer}/{table}/data/a.parquet processed/_quarantine/{layer}/{table}/a.parquet"),
    *_no("readmitter", "old versions are for lifecycle rules", "s3:DeleteObjectVersion s3:PutObjectAcl", "processed/{layer}/{table}/data/a.parquet"),
    *_no("readmitter", "tables that are not declared", "s3:PutObject s3:DeleteObject", "processed/nobody/knows/a.parquet processed/_quarantine/nobody/knows/a.parquet processed/{layer}/{table}_of_others/data/a.parquet"),
    *_no("readmitter", "upkeep's notes are upkeep's", "s3:PutObject", "processed/_upkeep/{layer}.{table}.json"),
    *_no("readmitter", "raw is sacred", "s3:PutObject s3:DeleteObject", "raw/{file}"),
    *_no("readmitter", "to read is the operator's", "s3:GetObject", "processed/{layer}/{table}/data/a.parquet raw/{file}"),
    *_no("readmitter", "and so is to list", "s3:ListBucket", "processed raw"),
    *_no("readmitter", "another account has a bucket of the same name", "s3:PutObject", "processed/{layer}/{table}/data/a.parquet", THEIRS),
    *_no("readmitter", "and so is the state", "dynamodb:PutItem dynamodb:GetItem", "state"),
    *_no("readmitter", "no function is started, no role taken on", "lambda:InvokeFunction sts:AssumeRole iam:PassRole", "function:intake arn:aws:iam::{account}:role/{stack}-intake"),
    *_no("readmitter", "secrets that are not declared", "secretsmanager:GetSecretValue", f"{OF_SECRETS}other-a1B2c3"),
    *_yes("readmitter", "what is written is encrypted", "kms:GenerateDataKey", "key", through("s3", "{processed}")),
    *_no("readmitter", "nothing else is written", "kms:GenerateDataKey", "key", through("s3", "{raw}")),
    *_no("readmitter", "results are the operator's", "kms:GenerateDataKey", "key", through("s3", "{enriched}")),
    *_no("readmitter", "nothing is read with it", "kms:Decrypt kms:CreateGrant", "key", through("s3", "{processed}")),
    *_no("readmitter", "nor by hand", "kms:GenerateDataKey", "key"),
    *_no("readmitter", "nor through another service", "kms:GenerateDataKey", "key", {**through("s3", "{processed}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("readmitter", "another key", "kms:GenerateDataKey", OTHER_KEY, through("s3", "{processed}")),
]
EVERY = [*FUNCTIONS, *INTAKE, *UPKEEP, *SCHEDULE, *OPERATOR, *READMITTER]

# --- Notices: lakes that declare `failures` ---------------------------------------------------

NOTICES = [
    *_yes("operator", "who has confirmed a notice", "sns:ListSubscriptionsByTopic", "topic:failures"),
    *_no("operator", "a notice that is not declared", "sns:ListSubscriptionsByTopic", "topic:other"),
    *_each(
    "intake upkeep",
    [
        *_yes("", "people are told as notices declare", "sns:Publish", "topic:failures"),
        *_no("", "a notice that is not declared", "sns:Publish", "topic:other"),
        *_no("", "topics are the stack's", "sns:DeleteTopic sns:SetTopicAttributes", "topic:failures"),
        *_yes("", "topics are encrypted", "kms:GenerateDataKey kms:Decrypt", "key", through("sns", "{topic}-failures")),
        *_no("", "another topic with the same key", "kms:GenerateDataKey", "key", through("sns", "{topic}-other")),
        *_no("", "another key", "kms:GenerateDataKey", OTHER_KEY, through("sns", "{topic}-failures")),
        *_no("", "the key through another service", "kms:Decrypt", "key", {**through("sns", "{topic}-failures"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no("", "the key is the owner's", "kms:CreateGrant", "key", through("sns", "{topic}-failures")),
    ],
),
]

# --- Roles ------------------------------------------------------------------------------------


def _asker(role: str) -> list[Question]:
    """What a role may that may query anything at all."""
    me = f"role:{role}"
    own, place = f"enriched/results/{role}/0a1b.csv", f"results/{role}/"
    return [
        *_yes(me, "it asks in its own workgroup", ASK, f"workgroup:{role}"),
        *_no(me, "not in the lake's, nor in another role's", ASK, "workgroup workgroup:other"),
        *_no(me, "nor in AWS's own, which has no limits", "athena:StartQueryExecution", "arn:aws:athena:{region}:{account}:workgroup/primary"),
        *_no(me, "limits of the workgroup are the stack's", "athena:UpdateWorkGroup", f"workgroup:{role}"),
        *_yes(me, "its results are its own", "s3:GetObject s3:PutObject s3:AbortMultipartUpload s3:ListMultipartUploadParts", own),
        *_yes(me, "its results are listed", "s3:ListBucket", "enriched", below(place)),
        *_yes(me, "Athena asks where the bucket is", "s3:GetBucketLocation", "enriched processed"),
        *_no(me, "results of another role", "s3:GetObject s3:PutObject", f"enriched/results/{role}2/a.csv enriched/results/other/a.csv enriched/results/a.csv"),
        *_no(me, "results of others are not listed", "s3:ListBucket", "enriched", below("results/")),
        *_no(me, "results of others are not listed", "s3:ListBucket", "enriched", below("results/other/")),
        *_no(me, "the whole bucket is not listed", "s3:ListBucket", "enriched"),
        *_no(me, "results are removed by the lifecycle rule", "s3:DeleteObject", own),
        *_no(me, "buckets are the stack's", "s3:PutBucketPolicy s3:DeleteBucket", "enriched processed raw"),
        *_no(me, "another account has a bucket of the same name", "s3:PutObject s3:GetObject", own, THEIRS),
        *_no(me, "another account has a bucket of the same name", "s3:ListBucket", "enriched", {**THEIRS, **below(place)}),
        *_no(me, "another account has a bucket of the same name", "s3:GetBucketLocation", "enriched processed", THEIRS),
        *_no(me, "other buckets", "s3:GetBucketLocation s3:ListBucket", "arn:aws:s3:::other"),
        *_no(me, "other buckets", "s3:ListBucket", "arn:aws:s3:::other", below(place)),
        *_no(me, "old versions are for lifecycle rules", "s3:ListBucketVersions", "enriched", below(place)),
        *_yes(me, "results are written and read with the key", "kms:GenerateDataKey kms:Decrypt", "key", through("s3", "{enriched}")),
        *_yes(me, "tables are read with the key", "kms:Decrypt", "key", through("s3", "{processed}")),
        *_no(me, "tables are not written", "kms:GenerateDataKey", "key", through("s3", "{processed}")),
        *_no(me, "another bucket with the same key", "kms:Decrypt kms:GenerateDataKey", "key", through("s3", "arn:aws:s3:::other")),
        *_no(me, "the key without a service: nobody decrypts by hand", "kms:Decrypt kms:GenerateDataKey", "key"),
        *_no(me, "the key through another service", "kms:Decrypt", "key", {**through("s3", "{processed}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no(me, "the key through another service", "kms:GenerateDataKey", "key", {**through("s3", "{enriched}"), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
        *_no(me, "another key", "kms:Decrypt", OTHER_KEY, through("s3", "{processed}")),
        *_no(me, "another key", "kms:GenerateDataKey", OTHER_KEY, through("s3", "{enriched}")),
        *_no(me, "the key is the owner's", "kms:CreateGrant", "key", through("s3", "{processed}")),
        *_no(me, "the key is the owner's", "kms:CreateGrant", "key", through("s3", "{enriched}")),
        *_no(me, "whoever queries writes no table", "s3:PutObject s3:DeleteObject", "processed/main/annonces/data/a.parquet"),
        *_no(me, "whoever queries commits to none", "glue:UpdateTable glue:DeleteTable glue:CreateTable", "table:main.annonces database:main catalog"),
        *_no(me, "raw is sacred", "s3:PutObject s3:DeleteObject", "raw/annonces.csv"),
        *_yes(me, "Athena looks at the account's default database", "glue:GetDatabase", "arn:aws:glue:{region}:{account}:database/default"),
        *_no(me, "none of its tables are queried", "glue:GetTable glue:GetTables", "arn:aws:glue:{region}:{account}:table/default/x"),
        *_no(me, "another lake's database", "glue:GetDatabase", "arn:aws:glue:{region}:{account}:database/other_main"),
        *_no(me, "queues are the functions'", "sqs:ReceiveMessage sqs:SendMessage", "queue:intake queue:dead-letters"),
        *_no(me, "state is not written", "dynamodb:PutItem dynamodb:DeleteItem", "state"),
        *_no(me, "no role takes on another", "sts:AssumeRole", "arn:aws:iam::{account}:role/{stack}-role-other"),
        *_no(me, "no role starts functions", "lambda:InvokeFunction", "function:intake function:upkeep"),
        *_no(me, "logs may show rows", "logs:FilterLogEvents", "log:intake"),
    ]


def _held(role: str) -> list[Question]:
    """What is refused to a role that may not query everything."""
    me = f"role:{role}"
    return [
        *_no(me, "raw is not a table", "s3:GetObject", "raw/annonces.csv raw/{file}"),
        *_no(me, "raw is not listed", "s3:ListBucket", "raw"),
        *_no(me, "raw is not decrypted", "kms:Decrypt", "key", through("s3", "{raw}")),
        *_no(me, "quarantined rows are raw rows", "s3:GetObject", "processed/_quarantine/main/annonces/a.parquet"),
        *_no(me, "quarantined rows are not listed", "s3:ListBucket", "processed", below("_quarantine/main/annonces/")),
        *_no(me, "upkeep's notes", "s3:GetObject", "processed/_upkeep/main.annonces.json"),
        *_no(me, "the state tells of all tables", READ_STATE, "state"),
        *_no(me, "the state is not decrypted", "kms:Decrypt", "key", through("dynamodb", STATE_TABLE)),
        *_no(me, "the whole of processed is not listed", "s3:ListBucket", "processed"),
        *_no(me, "a layer is not listed", "s3:ListBucket", "processed", below("main/")),
        *_no(me, "a table whose name begins alike", "s3:GetObject", "processed/main/annonces_2/data/a.parquet"),
        *_no(me, "a table whose name begins alike", "s3:ListBucket", "processed", below("main/annonces_2/")),
        *_no(me, "a table that appears later is granted by the next deployment", "glue:GetTable", "table:main.annonces_2 table:main.new"),
        *_no(me, "another lake's tables", "glue:GetTable", "arn:aws:glue:{region}:{account}:table/other_main/annonces arn:aws:glue:{region}:{account}:database/other_main"),
    ]


def _reads(role: str, *tables: str) -> list[Question]:
    me = f"role:{role}"
    databases = " ".join(sorted({f"database:{table.partition('.')[0]}" for table in tables}))
    found = _yes(me, "which needs databases and the catalog", "glue:GetDatabase glue:GetTable glue:GetTables", f"{databases} catalog")
    for table in tables:
        layer, _, name = table.partition(".")
        place = f"{layer}/{name}/"
        found += [
            *_yes(me, "a granted table is looked up", "glue:GetTable glue:GetTables", f"table:{table}"),
            *_yes(me, "its data files are read", "s3:GetObject", f"processed/{place}data/a.parquet processed/{place}metadata/v1.json"),
            *_yes(me, "its data files are listed", "s3:ListBucket", "processed", below(place)),
            *_no(me, "old versions are for lifecycle rules", "s3:ListBucketVersions", "processed", below(place)),
            *_no(me, "another bucket with a table of that name", "s3:ListBucket", "arn:aws:s3:::other", below(place)),
            *_no(me, "another account has a bucket of the same name", "s3:GetObject", f"processed/{place}data/a.parquet", THEIRS),
            *_no(me, "another account has a bucket of the same name", "s3:ListBucket", "processed", {**THEIRS, **below(place)}),
        ]
    return found


def _lacks(role: str, *tables: str) -> list[Question]:
    me = f"role:{role}"
    found: list[Question] = []
    for table in tables:
        layer, _, name = table.partition(".")
        found += [
            *_no(me, "a table that is not granted", "glue:GetTable", f"table:{table}"),
            *_no(me, "its data files", "s3:GetObject", f"processed/{layer}/{name}/data/a.parquet"),
            *_no(me, "nor a list of them", "s3:ListBucket", "processed", below(f"{layer}/{name}/")),
        ]
    return found


EVERYTHING = [
    *_yes("role:admin", "`all` is tables, quarantined rows and raw files", "s3:GetObject", "processed/main/gone/a.parquet processed/_quarantine/main/annonces/a.parquet raw/any.pdf"),
    *_yes("role:admin", "all of it is listed", "s3:ListBucket", "processed raw"),
    *_yes("role:admin", "Athena asks where the bucket is", "s3:GetBucketLocation", "raw"),
    *_yes("role:admin", "tables that are not declared any more are tables", "glue:GetTable glue:GetTables", "table:main.gone"),
    *_no("role:admin", "another lake's tables", "glue:GetTable", "arn:aws:glue:{region}:{account}:table/other_main/annonces arn:aws:glue:{region}:{account}:database/other_main"),
    *_no("role:admin", "another account has buckets of the same names", "s3:GetObject", "raw/a.csv processed/main/gone/a.parquet", THEIRS),
    *_no("role:admin", "another account has buckets of the same names", "s3:ListBucket", "raw", THEIRS),
    *_no("role:admin", "other buckets", "s3:GetObject", "arn:aws:s3:::other/a.csv"),
    *_yes("role:admin", "raw files are decrypted", "kms:Decrypt", "key", through("s3", "{raw}")),
    *_no("role:admin", "raw is sacred", "kms:GenerateDataKey", "key", through("s3", "{raw}")),
    *_yes("role:admin", "`penstock.*` is read from the state", READ_STATE, "state"),
    *_no("role:admin", "another table", "dynamodb:GetItem", "arn:aws:dynamodb:{region}:{account}:table/other"),
    *_yes("role:admin", "the state is decrypted", "kms:Decrypt", "key", through("dynamodb", STATE_TABLE)),
    *_no("role:admin", "another table with the same key", "kms:Decrypt", "key", through("dynamodb", "other")),
    *_no("role:admin", "another key", "kms:Decrypt", OTHER_KEY, through("dynamodb", STATE_TABLE)),
    *_no("role:admin", "the key through another service", "kms:Decrypt", "key", {**through("dynamodb", STATE_TABLE), "kms:ViaService": "ebs.{region}.amazonaws.com"}),
    *_no("role:admin", "the key is the owner's", "kms:CreateGrant", "key", through("dynamodb", STATE_TABLE)),
]



def _works(**files: str) -> list[Question]:
    """What the functions may do to tables besides a lake's first."""
    found: list[Question] = []
    for table, file in files.items():
        layer, _, name = table.partition("__")
        place = f"{layer}/{name}/a.parquet"
        found += [
            *_yes("", "files of each table are read", "s3:GetObject", f"raw/{file}"),
            *_yes("", "each table is written", "s3:PutObject", f"processed/{place} processed/_quarantine/{place}"),
            *_yes("", "each table is committed to", "glue:UpdateTable", f"table:{layer}.{name}"),
        ]
    return [*_each("intake upkeep", found), *_each("readmitter", [row for row in found if not row.resource.startswith("raw/")])]


KEPT = "enriched/sales_per_month/sales_per_month.parquet enriched/sales_by_region/sales_by_region.parquet enriched/top_customers/top_customers.parquet"
ORDERS = [
    *_works(main__customers="customers_1.csv"),
    *_yes("operator", "saved queries are kept by whoever looks after the lake", "s3:PutObject s3:GetObject s3:AbortMultipartUpload", KEPT),
    *_no("operator", "a result is replaced, never removed; the version before can be brought back", "s3:DeleteObject s3:DeleteObjectVersion", KEPT),
    *_no("operator", "under their own keys, and nothing beside them", "s3:PutObject", "enriched/sales_per_month/other.parquet enriched/other/other.parquet enriched/sales_per_month.parquet"),
    *_no("operator", "another account's buckets", "s3:PutObject s3:GetObject", KEPT, THEIRS),
    *_each("intake upkeep readmitter schedule", _no("", "functions keep no results", "s3:PutObject s3:GetObject", KEPT)),
]
IMMOBILIER = [
    *NOTICES,
    *_yes("operator", "who has confirmed the notice of uploads", "sns:ListSubscriptionsByTopic", "topic:uploads"),
    *_yes("intake", "the notice of uploads", "sns:Publish", "topic:uploads"),
    *_yes("intake", "the notice of uploads", "kms:GenerateDataKey", "key", through("sns", "{topic}-uploads")),
    *_yes("upkeep", "the notice of uploads", "sns:Publish", "topic:uploads"),
    *_yes("upkeep", "the notice of uploads", "kms:GenerateDataKey", "key", through("sns", "{topic}-uploads")),
    *_asker("finance"),
    *_held("finance"),
    *_reads("finance", "main.annonces"),
    *_asker("admin"),
    *_reads("admin", "main.annonces"),
    *EVERYTHING,
]
SECRETS = [
    *_each(
        "intake upkeep readmitter",
        [
            *_yes("", "the salts that tables take", "secretsmanager:GetSecretValue", f"{SALT} {PEPPER}"),
            *_no("", "secrets are their owner's", "secretsmanager:PutSecretValue secretsmanager:DeleteSecret secretsmanager:DescribeSecret", f"{SALT} {PEPPER}"),
            *_no("", "a secret whose name begins like a salt's", "secretsmanager:GetSecretValue", f"{OF_SECRETS}agency/salt-old-a1B2c3 {OF_SECRETS}agency/salt"),
            *_no("", "the same name elsewhere", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:{account}:secret:agency/salt-a1B2c3 arn:aws:secretsmanager:{region}:999999999999:secret:agency/salt-a1B2c3"),
            *_no("", "the same name, made anew, is not the secret that an ARN names", "secretsmanager:GetSecretValue", f"{PEPPER[:-6]}aaaaaa"),
            *_yes("", "a salt is decrypted with its own key", "kms:Decrypt", PEPPERS_KEY, through("secretsmanager", PEPPER, "us-east-1")),
            *_no("", "that key decrypts nothing else", "kms:Decrypt", PEPPERS_KEY, through("secretsmanager", SALT, "us-east-1")),
            *_no("", "nor by hand", "kms:Decrypt", PEPPERS_KEY),
            *_no("", "nor in another region", "kms:Decrypt", PEPPERS_KEY, through("secretsmanager", PEPPER)),
            *_no("", "nor through another service", "kms:Decrypt", PEPPERS_KEY, {**through("secretsmanager", PEPPER), "kms:ViaService": "ssm.us-east-1.amazonaws.com"}),
            *_no("", "and encrypts nothing", "kms:GenerateDataKey kms:CreateGrant", PEPPERS_KEY, through("secretsmanager", PEPPER, "us-east-1")),
            *_no("", "another key", "kms:Decrypt", f"{OTHER_KEY} {PEPPERS_KEY[:-1]}6", through("secretsmanager", PEPPER, "us-east-1")),
        ],
    ),
    *_each("schedule operator role:finance role:admin", _no("", "salts are the functions'", "secretsmanager:GetSecretValue", f"{SALT} {PEPPER}")),
    *_each("operator role:admin", _no("", "and so are their keys", "kms:Decrypt", PEPPERS_KEY, through("secretsmanager", PEPPER, "us-east-1"))),
]
AGENCY = [
    *_no("role:finance", "saved queries are asked, not kept, by a role", "s3:PutObject s3:DeleteObject", "enriched/sales/sales.parquet"),
    *_yes("operator", "the lake's saved query is kept", "s3:PutObject s3:GetObject s3:AbortMultipartUpload", "enriched/sales/sales.parquet"),
    *_no("operator", "and never removed", "s3:DeleteObject", "enriched/sales/sales.parquet"),
    *_no("operator", "nor is anything beside it", "s3:PutObject", "enriched/sales/other.parquet"),
    *_no("operator", "nor is another account's", "s3:PutObject s3:GetObject", "enriched/sales/sales.parquet", THEIRS),
    *NOTICES,
    *SECRETS,
    *_works(sales__orders="orders.csv", sales__lines="sales/2024/lines_1.csv", main__salaries="pay_1.csv", hr__people="people/a.csv"),
    *_no("intake", "`[12]` is one letter of the name", "s3:GetObject", "raw/pay_12.csv"),
    *_each("intake upkeep readmitter", _yes("", "each layer is a database", "glue:UpdateTable", "database:hr database:sales")),
    *_each("upkeep operator", _yes("", "what is there is listed", "glue:GetTables", "table:hr.x table:sales.x database:hr database:sales")),
    *_asker("finance"),
    *_held("finance"),
    *_reads("finance", "main.annonces", "sales.orders", "sales.lines"),
    *_lacks("finance", "main.salaries", "hr.people", "sales.returns"),
    *_no("role:finance", "a database of which it may query nothing", "glue:GetDatabase", "database:hr"),
    *_asker("curated"),
    *_held("curated"),
    *_reads("curated", "main.annonces", "sales.orders", "sales.lines", "main.salaries", "hr.people"),
    *_lacks("curated", "penstock.arrivals", "quarantine.annonces"),
    *_asker("admin"),
    *_reads("admin", "main.annonces", "sales.orders", "hr.people"),
    *EVERYTHING,
    *_no("role:guest", "a role that may query nothing can do nothing", ASK, "workgroup workgroup:guest"),
    *_no("role:guest", "a role that may query nothing can do nothing", "s3:GetObject s3:PutObject", "processed/main/annonces/data/a.parquet raw/annonces.csv enriched/results/guest/a.csv"),
    *_no("role:guest", "a role that may query nothing can do nothing", "glue:GetTable", "table:main.annonces catalog"),
    *_no("role:guest", "a role that may query nothing can do nothing", "kms:Decrypt", "key", through("s3", "{enriched}")),
]
