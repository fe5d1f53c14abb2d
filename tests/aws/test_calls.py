"""The calls that are really made, against what is granted: each call is allowed, and nothing is granted for nothing.

The functions run in this process over moto, which grants everything; what they ask for is recorded and judged here.
Calls that AWS makes as a function (the event source mapping, logs, traces) are made by no code of ours and stand in
`BY_AWS`, those around Athena in `THROUGH_ATHENA`, and what this lake has no occasion for in `SELDOM`, each with its
reason. What moto cannot do here: refuse anything, encrypt, run Athena.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from penstock import aws
from penstock.access.evaluate import evaluate
from penstock.access.policy import document, filled, stack_values
from penstock.clock import HeldClock
from penstock.declaration import Declaration, load_deployed
from penstock.deployed import Deployed
from penstock.deployment.outlook import look_out
from penstock.deployment.permissions import statements
from penstock.deployment.reach import reached
from penstock.deployment.secret_values import KEPT_SECONDS
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Context, Pump
from tests.aws.recorded import Call, Recorder, needed, recorded
from tests.told import say

DECLARATION = """
lake: calls
retry: {attempts: 2, wait: 1m, backoff: 1, jitter: 0}
upkeep: {max_snapshots: 2}
notices:
  - {name: failures, when: [dead], to: "mailto:ops@example.org", digest: 0s}
tables:
  orders:
    files: "orders*.csv"
    steps: [{parse: {amount: integer}}]
    checks: [{between: {amount: [0, 100]}, on_breach: quarantine}]
  sales.lines: {files: "sales/*.csv", steps: [{hash: {columns: [id], salt: "${SALT}"}}]}
aws: {secrets: {SALT: calls/salt}}
"""
Granted = tuple[str, str, str]
BY_AWS: dict[Granted, str] = {
    **dict.fromkeys(
        [
            ("intake", "TakeMessages", "sqs:ReceiveMessage"),
            ("intake", "TakeMessages", "sqs:DeleteMessage"),
            ("intake", "TakeMessages", "sqs:GetQueueAttributes"),
        ],
        "the event source mapping of Lambda, as the function",
    ),
    **dict.fromkeys(
        [
            (function, "Log", action)
            for function in ("intake", "upkeep")
            for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        ],
        "Lambda writes what the function prints",
    ),
    **dict.fromkeys(
        [
            (function, "Trace", action)
            for function in ("intake", "upkeep")
            for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
        ],
        "Lambda sends traces",
    ),
    ("upkeep", "BuryEvents", "sqs:SendMessage"): "Lambda keeps the event of an upkeep that failed",
}
THROUGH_ATHENA: dict[Granted, str] = {
    **dict.fromkeys(
        [
            *(("operator", "Ask", f"athena:{action}") for action in ("GetWorkGroup", "StopQueryExecution")),
            *(("operator", "Ask", f"athena:{action}") for action in ("StartQueryExecution", "GetQueryExecution")),
            ("operator", "Ask", "athena:GetQueryResults"),
        ],
        "queries through Athena, which moto does not run",
    ),
    **dict.fromkeys(
        [
            *(("operator", "Results", f"s3:{action}") for action in ("GetObject", "PutObject", "AbortMultipartUpload")),
            ("operator", "Results", "s3:ListMultipartUploadParts"),
            ("operator", "List", "s3:GetBucketLocation"),
            ("operator", "List", "s3:ListBucket"),
            ("operator", "LookUp", "glue:GetDatabase"),
            ("operator", "WriteKey", "kms:GenerateDataKey"),
        ],
        "Athena itself, as whoever asks",
    ),
}
SELDOM: dict[Granted, str] = {
    ("readmitter", "Tables", "s3:AbortMultipartUpload"): "a file of more than 64 MB whose upload fails on the way",
    ("operator", "List", "s3:ListBucketVersions"): "files in raw that no state store knows of",
    ("operator", "Read", "s3:GetObjectVersion"): "a look at a file that was written over since",
    (
        "operator",
        "State",
        "dynamodb:ConditionCheckItem",
    ): "what must stay as it was read while something else is written",
    ("intake", "ListRaw", "s3:ListBucket"): "never called: it makes S3 say 404 of a missing file, and not 403",
    ("upkeep", "ListRaw", "s3:ListBucket"): "never called: it makes S3 say 404 of a missing file, and not 403",
    ("intake", "Tables", "s3:DeleteObject"): "files of a commit that another writer was faster than; old metadata",
    ("intake", "Tables", "s3:AbortMultipartUpload"): "a file of more than 64 MB whose upload fails on the way",
    ("upkeep", "Tables", "s3:AbortMultipartUpload"): "a file of more than 64 MB whose upload fails on the way",
    ("intake", "State", "dynamodb:ConditionCheckItem"): "what must stay as it was read while something else is written",
}
SALT = "pepper"
MADE = ("intake", "upkeep", "operator", "readmitter")
"""Whose calls are recorded."""
BESIDE = {"readmitter": ("operator",)}
"""Policies that somebody has besides their own."""
UNREADABLE = b"id,id\n1,2\n"
"""Two columns are called the same."""


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CloudLake, list[Call]]]:
    """A lake whose functions did all that they do, and their calls."""
    with recorded() as recorder:
        lake = deploy(tmp_path_factory.mktemp("calls"), DECLARATION)
        _work(lake, recorder)
        yield lake, recorder.calls


def _work(lake: CloudLake, recorder: Recorder) -> None:
    """Files land, again, broken and gone; rows are set aside; upkeep finds what nobody told of, and tidies."""
    for layer in ("main", "sales"):
        aws.client("glue").create_database(DatabaseInput={"Name": lake.deployed.database(layer)})
    aws.client("sns").create_topic(Name=lake.deployed.topic("failures").rpartition(":")[2])
    aws.client("secretsmanager").create_secret(Name="calls/salt", SecretString=SALT)
    clock = HeldClock(1_780_000_000.0)
    runtime = lake.runtime(clock)
    pump = Pump(lake.deployed.intake_queue, recorder.of("intake", runtime.take))
    upkeep = recorder.of("upkeep", runtime.tend)
    lake.land("sales/untold.csv", b"id\n1\n")
    lake.land("orders_untold.csv", UNREADABLE)
    aws.client("sqs").purge_queue(QueueUrl=lake.deployed.intake_queue)
    upkeep({"whole": True}, Context())
    for at in range(2):
        lake.land(f"orders_{at}.csv", b"id,amount\n1,5\n2,700\n")
        lake.land(f"sales/{at}.csv", b"id\n1\n")
        clock.sleep(KEPT_SECONDS)  # secrets are asked for again
        pump.drain(lambda: clock.sleep(61.0))
    lake.land("orders_0.csv", b"id,amount\n1,6\n")
    lake.land("orders_broken.csv", UNREADABLE)
    lake.land("notes.txt", b"nobody's")
    pump.drain(lambda: clock.sleep(61.0))
    lake.land("orders_broken_too.csv", UNREADABLE)
    with lake.open(clock, SALT=SALT) as killed:  # by whom nobody is told
        killed.run()
    upkeep({}, Context())
    aws.client("s3").delete_object(Bucket=lake.deployed.raw_bucket, Key="orders_1.csv")
    for _ in range(2):  # what is to go is noted first, and goes when nobody can have it open any more
        clock.sleep(400 * 86_400.0)
        upkeep({}, Context())
    runtime.close()
    _stack(lake)
    recorder.of("operator", _look)(lake, clock)
    recorder.of("readmitter", _readmit)(lake, clock)


def _look(lake: CloudLake, clock: HeldClock) -> None:
    """What people do from a laptop: tables, a query, the state, the log, dead letters."""
    with reached(lake.folder, clock) as here:
        assert here.query("SELECT count(*) FROM sales.lines").fetchall() == [(3,)]
        assert here.tables == ["orders", "sales.lines"]
        dead = here.dead.find()
        assert {letter.key for letter in dead} == {"orders_untold.csv", "orders_broken.csv", "orders_broken_too.csv"}
        assert len(list(here.dead.replay(dead[:1]))) == 1
        assert len(list(here.dead.discard(dead[1:2], "not needed"))) == 1
        here.journal.tail(10)
    with reached(lake.folder, clock) as here:
        here.query("SELECT * FROM penstock.quarantine").fetchall()
    seen = look_out(lake.deployed)
    assert [address for address, _ in seen.unconfirmed] == []


def _readmit(lake: CloudLake, clock: HeldClock) -> None:
    """Rows come back from quarantine, from a laptop that gets the salts."""
    with reached(lake.folder, clock, makes_rows=True) as here:
        ((row,), *_) = here.query("SELECT id FROM penstock.quarantine WHERE table_name = 'orders'").fetchall()
        corrected = lake.work / "corrected.csv"
        corrected.write_text(f"_id,id,amount\n{row},2,70\n")
        assert here.readmit("orders", corrected).readmitted == 1


def _stack(lake: CloudLake) -> None:
    """The lake's stack, as far as people look at it: where its parts are, and its topics."""
    topics = {"AlarmTopic": "alarms", "NoticeFailures": "notice-failures"}
    resources = {
        title: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{lake.deployed.stack}-{name}"}}
        for title, name in topics.items()
    }
    outputs = {name: {"Value": value} for name, value in lake.deployed.outputs.items()}
    body = json.dumps({"Resources": resources, "Outputs": outputs})
    aws.client("cloudformation").create_stack(StackName=lake.deployed.stack, TemplateBody=body)


def declared(lake: CloudLake) -> Declaration:
    """The lake's declaration, with the name that it has on AWS."""
    return load_deployed((lake.folder / "lake.yaml").read_text("utf-8"))


def judged(lake: CloudLake, calls: list[Call]) -> tuple[list[str], set[Granted]]:
    """What is refused of calls, and the statements and actions by which the others are allowed."""
    declaration = declared(lake)
    policies = {
        who: [policy_of(declaration, lake.deployed, each) for each in (who, *BESIDE.get(who, ()))]
        for who in {call.principal for call in calls}
    }
    refused, used = list[str](), set[Granted]()
    for call in calls:
        for request in needed(call, lake.deployed):
            decision = evaluate(policies[call.principal], request)
            if decision.allowed:
                used.add((call.principal, decision.sid, request.action))
            else:
                refused.append(f"{call.principal}: {call.operation} needs {request.action} on {request.resource}")
    return refused, used


def policy_of(declaration: Declaration, deployed: Deployed, principal: str) -> dict[str, Any]:
    """What a principal may do there."""
    values = stack_values(deployed)
    return document(statements(declaration, principal), lambda text: filled(text, values))


def test_every_call_is_allowed(worked: tuple[CloudLake, list[Call]]) -> None:
    """What the functions ask of AWS, their policies allow."""
    lake, calls = worked
    refused, _ = judged(lake, calls)
    assert sorted(set(refused)) == []
    for function in MADE:
        made = {f"{call.service}:{call.operation}" for call in calls if call.principal == function}
        assert len(made) > 5, function
        total = sum(call.principal == function for call in calls)
        say("permissions", f"{function}: {total} calls judged, {len(made)} operations: {', '.join(sorted(made))}")


def test_a_call_that_is_not_granted_is_found(worked: tuple[CloudLake, list[Call]]) -> None:
    """The same calls, made by somebody else, are refused: the judgement is not of what is asked alone."""
    lake, calls = worked
    strangers = [replace(call, principal="schedule") for call in calls]
    refused, used = judged(lake, strangers)
    assert used <= {("schedule", "QueueKey", f"kms:{action}") for action in ("Decrypt", "GenerateDataKey")}
    assert len(set(refused)) > 30


def test_nothing_is_granted_for_nothing(worked: tuple[CloudLake, list[Call]]) -> None:
    """Each action of each statement was needed by a call, or stands in a reviewed list with its reason."""
    lake, calls = worked
    _, used = judged(lake, calls)
    granted = {
        (who, statement.sid, action)
        for who in MADE
        for statement in statements(declared(lake), who)
        for action in statement.actions
    }
    excused = BY_AWS.keys() | THROUGH_ATHENA.keys() | SELDOM.keys()
    assert sorted(granted - used - excused) == [], sorted(granted - used - excused)
    assert sorted(excused - granted) == [], "reviewed, but not granted any more"
