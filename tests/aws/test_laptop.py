"""A deployed lake, asked from a laptop: the commands of a lake on one machine, with `--aws`, and the same answers.

The lake is on moto; its stack is made of what it says of itself. The commands are real processes.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.parsers import ResponseParserError
from moto.sns.models import sns_backends

import penstock
from penstock import aws
from penstock.errors import AwsCredentialsError, AwsError
from tests.aws import cloud
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump
from tests.cli.conftest import call, line_of, started
from tests.told import count

DECLARATION = """
lake: orders
access:
  finance: {query: [orders]}
tables:
  orders:
    files: "orders/*.csv"
    steps:
      - parse: {ordered: date}
      - require: [customer]
    checks:
      - {between: {amount: [0, 1000]}, on_breach: quarantine}
  curated.codes: {files: "codes/*.csv"}
"""
FILES = {
    "orders/a.csv": b"id,customer,amount,ordered\n1,Zo\xc3\xab,5,2024-01-05\n2,,7,2024-01-06\n3,Max,5000,2024-01-07\n",
    "orders/b.csv": b"id,customer,amount,ordered\n4,Eve,6,2024-02-05\n",
    "codes/c.csv": b"id,code\n1,x\n",
    "orders/bad.csv": b"",
}


def put_stack(lake: CloudLake) -> None:
    """Make a stack that says where the lake's parts are, and stands for the rest."""
    outputs = {name: {"Value": value} for name, value in lake.deployed.outputs.items()}
    resources = {
        "AlarmTopic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{lake.deployed.stack}-alarms"}}
    }
    template = {"Resources": resources, "Outputs": outputs}
    aws.client("cloudformation").create_stack(StackName=lake.deployed.stack, TemplateBody=json.dumps(template))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> CloudLake:
    """A deployed lake with files in it, one of which is dead."""
    lake = deploy(tmp_path_factory.mktemp("cloud") / "lake", DECLARATION)
    put_stack(lake)
    runtime = lake.runtime()
    for key, content in FILES.items():
        lake.land(key, content)
    Pump(lake.deployed.intake_queue, runtime.take).drain()
    return lake


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, deployed: CloudLake) -> Path:
    """The same lake on this machine, which had the same files."""
    folder = tmp_path_factory.mktemp("here") / "lake"
    folder.mkdir()
    (folder / "lake.yaml").write_text((deployed.folder / "lake.yaml").read_text())
    for key, content in FILES.items():
        (folder / "raw" / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / "raw" / key).write_bytes(content)
    with penstock.open(folder) as lake:
        lake.run()
    return folder


VOLATILE = {
    *("committed", "snapshot", "pointer", "path", "recorded_at", "finished_at", "run", "duration_ms", "started"),
    *("bytes", "size", "failed_first", "failed_last", "trace", "version", "at", "last_commit", "id", "arrival"),
    *("decided", "since", "until", "traceback", "waited_ms", "time", "bytes_out"),
    *("location", "folder", "mark", "modified"),
}
"""What is different each time, wherever it happens."""


def steady(value: Any) -> Any:
    """What two lakes that had the same files have to say alike."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in VOLATILE}
    return sorted(map(steady, value), key=repr) if isinstance(value, list) else value


@pytest.mark.parametrize(
    "command",
    [
        ["tables", "--json"],
        ["dead", "list", "--json"],
        ["quarantine", "list", "--json"],
        ["runs", "--json"],
        ["query", "SELECT file, state, rows_out FROM penstock.arrivals ORDER BY file", "--format", "json"],
        ["query", "SELECT file, line, column_name, rule, raw FROM penstock.quarantine", "--format", "json"],
        ["query", "SELECT * FROM orders ORDER BY id", "--format", "json"],
        ["why", "orders.amount", "--json"],
        ["quarantine", "show", "orders", "--json"],
        ["snapshots", "list", "--json"],
    ],
    ids=lambda command: " ".join(command)[:40],
)
def test_a_command_answers_as_here(deployed: CloudLake, here: Path, command: list[str]) -> None:
    """What is asked of the deployed lake is answered as by the same lake on this machine."""
    there = [*command, "--aws"]
    if "SELECT * FROM orders" in " ".join(command):
        there += ["--engine", "duckdb"]
    far, near = call("-C", deployed.folder, *there), call("-C", here, *command)
    assert (far.code, near.code) == (0, 0), far.err + near.err
    assert steady(json.loads(far.out)) == steady(json.loads(near.out))
    assert json.loads(far.out)
    count("laptop", command[0], unit="commands asked of a deployed lake")


def test_show_tells_the_same_of_a_table(deployed: CloudLake, here: Path) -> None:
    """Columns, types, rows and steps are those of the lake on this machine."""
    far, near = (call("-C", folder, "show", "orders", "--json", *more) for folder, more in _both(deployed, here))
    facts, there = json.loads(far.out), json.loads(near.out)
    assert facts["rows"] == there["rows"] == 2
    assert steady(facts["columns"]) == steady(there["columns"])


def _both(deployed: CloudLake, here: Path) -> list[tuple[Path, list[str]]]:
    return [(deployed.folder, ["--aws"]), (here, [])]


def test_status_says_how_the_lake_does_on_aws(deployed: CloudLake) -> None:
    """Counts as here, and what AWS says: its alarms, its queues, its stack; the dead letter is a message, too."""
    told = json.loads(call("-C", deployed.folder, "status", "--aws", "--json").out)
    (orders,) = [table for table in told["tables"] if table["table"] == "orders"]
    assert (orders["finished"], orders["dead"], orders["rows"]) == (2, 1, 2)
    assert told["aws"]["stack"] == deployed.deployed.stack
    assert (told["aws"]["dead_letters"], told["aws"]["queued"]) == (1, 0)
    page = call("-C", deployed.folder, "--aws", "status").out
    assert f"on AWS: stack {deployed.deployed.stack}, eu-west-3" in page
    assert "dead-letter queue: 1 message" in page
    assert f"penstock -C {deployed.folder} --aws dead list" in page


def test_status_tells_of_alarms_that_are_on_and_of_who_has_not_confirmed(tmp_path: Path) -> None:
    """What waits for somebody is in the page and in the JSON: an alarm with its reason, an address with its topic.

    Moto judges no alarm and confirms every address at once: the one is switched on here, the other turned back.
    """
    lake = deploy(tmp_path / "lake", DECLARATION)
    put_stack(lake)
    stack, watch, sns = lake.deployed.stack, aws.client("cloudwatch"), aws.client("sns")
    watch.put_metric_alarm(
        AlarmName=f"{stack}-dead-letters",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        EvaluationPeriods=1,
        Threshold=1,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Period=60,
        Statistic="Maximum",
    )
    watch.set_alarm_state(AlarmName=f"{stack}-dead-letters", StateValue="ALARM", StateReason="1 message waits")
    topic = f"arn:aws:sns:{cloud.REGION}:{cloud.ACCOUNT}:{stack}-alarms"
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.org")
    for subscription in sns_backends[cloud.ACCOUNT][cloud.REGION].subscriptions.values():
        if subscription.topic.arn == topic:
            subscription.arn = "PendingConfirmation"
    told = call("-C", lake.folder, "status", "--aws", "--json").json()
    assert [(alarm["alarm"], alarm["reason"]) for alarm in told["alarms"]] == [("dead-letters", "1 message waits")]
    assert told["aws"]["unconfirmed"] == [{"address": "ops@example.org", "topic": f"{stack}-alarms"}]
    page = call("-C", lake.folder, "status", "--aws").out
    assert "dead-letters" in page
    assert "ops@example.org" in page


def test_a_dead_letter_is_replayed_from_the_laptop(tmp_path: Path) -> None:
    """Its file is worked on at once by a function, its message is gone, and the rows are in once."""
    lake = deploy(tmp_path / "lake", DECLARATION)
    put_stack(lake)
    lake.land("orders/bad.csv", b"")
    pump = Pump(lake.deployed.intake_queue, lake.runtime().take)
    pump.drain()
    (letter,) = json.loads(call("-C", lake.folder, "dead", "list", "--aws", "--json").out)
    assert letter["file"] == "orders/bad.csv"
    again = call("-C", lake.folder, "dead", "replay", str(letter["id"]), "--aws")
    assert again.code == 0, again.err
    assert lake.dead_letters() == []
    assert pump.once(), "a function was woken"
    (same,) = json.loads(call("-C", lake.folder, "dead", "list", "--aws", "--json").out)
    assert same["attempts"] == 1
    call("-C", lake.folder, "dead", "discard", str(same["id"]), "--why", "a test", "--aws")
    assert json.loads(call("-C", lake.folder, "dead", "list", "--aws", "--json").out) == []


def test_a_dead_letter_is_told_as_here(deployed: CloudLake, here: Path) -> None:
    """All about one letter: reason, code, attempts and file are those of the lake on this machine."""
    told = []
    for folder, more in _both(deployed, here):
        (letter,) = json.loads(call("-C", folder, "dead", "list", "--json", *more).out)
        told.append(json.loads(call("-C", folder, "dead", "show", str(letter["id"]), "--json", *more).out))
        assert f"dead replay {letter['id']}" in call("-C", folder, "dead", "show", str(letter["id"]), *more).out
    assert steady(told[0]) == steady(told[1])
    assert told[0]["reason"].startswith("the file is empty")


def test_what_was_set_aside_comes_back_from_the_laptop(tmp_path: Path) -> None:
    """Rows in quarantine are written to a file, corrected, and are in the table once, whoever is asked for them."""
    lake = deploy(tmp_path / "lake", DECLARATION)
    put_stack(lake)
    lake.land("orders/a.csv", FILES["orders/a.csv"])
    Pump(lake.deployed.intake_queue, lake.runtime().take).drain()
    corrected = tmp_path / "corrected.csv"
    assert call("-C", lake.folder, "quarantine", "export", "orders", "--aws", "--to", corrected).code == 0
    corrected.write_text(corrected.read_text("utf-8").replace("5000", "50"), encoding="utf-8")
    for came in (1, 0):
        again = call("-C", lake.folder, "quarantine", "readmit", "orders", corrected, "--aws", "--json")
        assert again.json()["readmitted"] == came, again.out + again.err
    with lake.open() as opened:
        assert opened.query("SELECT id, amount FROM orders ORDER BY id").fetchall() == [(1, 5), (3, 50)]


def test_the_log_is_followed(tmp_path: Path) -> None:
    """`logs --aws --follow` shows the last lines, then each line as a function writes it, until Ctrl-C."""
    lake = deploy(tmp_path / "lake", DECLARATION)
    put_stack(lake)
    logs, group = aws.client("logs"), lake.deployed.log_group("intake")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    pump, written = Pump(lake.deployed.intake_queue, lake.runtime().take), 0

    def write(key: str) -> None:
        nonlocal written
        lake.land(key, FILES["orders/a.csv"])
        pump.drain()
        lines = [line for line in lake.log.getvalue().splitlines() if '"event"' in line]
        now = round(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines[written:]]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
        written = len(lines)

    write("orders/a.csv")
    with started("-C", lake.folder, "logs", "--aws", "--follow") as following:
        _next_with(following, "orders/a.csv", "1 dropped")
        write("orders/b.csv")
        _next_with(following, "orders/b.csv", "1 dropped")
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=60) == 0


def _next_with(process: Any, *words: str) -> None:
    """Read what a process shows, until a line has all the words."""
    for line in iter(lambda: line_of(process), ""):
        if all(word in line for word in words):
            return
    raise AssertionError(f"it ended before a line with {words}")


def test_the_log_of_the_functions_is_the_lakes(deployed: CloudLake) -> None:
    """What functions wrote to CloudWatch reads as the log of a lake on this machine."""
    logs, group = aws.client("logs"), deployed.deployed.log_group("intake")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    lines = [line for line in deployed.log.getvalue().splitlines() if '"event"' in line]
    now = round(time.time() * 1000)
    logs.put_log_events(
        logGroupName=group, logStreamName="one", logEvents=[{"timestamp": now, "message": line} for line in lines]
    )
    told = [json.loads(line) for line in call("-C", deployed.folder, "logs", "--aws", "--json").out.splitlines()]
    (bad,) = [event for event in told if event["event"] == "dead"]
    assert bad["file"] == "orders/bad.csv"
    done = {event["file"]: event["rows_out"] for event in told if event["event"] == "finished"}
    assert done == {"orders/a.csv": 1, "orders/b.csv": 1, "codes/c.csv": 1}
    page = call("-C", deployed.folder, "logs", "--aws", "--failed").out
    assert "orders/bad.csv" in page
    assert "orders/a.csv" not in page


def test_hints_can_be_called_as_they_stand(deployed: CloudLake) -> None:
    """An error that says what to call says it with the lake's folder, and with --aws where that is asked of AWS."""
    unsaid = call("-C", deployed.folder, "dead", "replay", "--aws")
    assert unsaid.code == 1
    (hint,) = [line for line in unsaid.err.splitlines() if "see their numbers" in line]
    assert hint == f"  see their numbers with: penstock -C {deployed.folder} --aws dead list"
    _, _, words = hint.partition("penstock ")
    assert call(*words.split()).code == 0
    here = call("-C", deployed.folder, "dead", "replay")
    assert here.err.splitlines()[1] == f"  see their numbers with: penstock -C {deployed.folder} dead list"


def test_a_role_asks_what_it_was_granted(deployed: CloudLake) -> None:
    """The grants of the declaration hold from a laptop, too; what was refused was not read."""
    asked = ["query", "SELECT count(*) FROM orders", "--role", "finance", "--aws", "--engine", "duckdb"]
    assert next(csv.reader(io.StringIO(call("-C", deployed.folder, *asked, "--format", "csv").out))) == ["count_star()"]
    refused = call("-C", deployed.folder, "query", "FROM curated.codes", "--role", "finance", "--aws")
    assert refused.code == 1
    assert "finance" in refused.err


def test_who_is_not_deployed_is_told_so(tmp_path: Path) -> None:
    """A lake without a stack says what to do; a command that is about this machine takes no --aws."""
    cloud.start()
    (tmp_path / "lake.yaml").write_text("lake: nowhere\n")
    missing = call("-C", tmp_path, "tables", "--aws")
    assert missing.code == 1
    assert missing.err.splitlines() == [
        f"error: penstock-nowhere: the lake is not deployed in {cloud.REGION}",
        f"  bring it to AWS with: penstock -C {tmp_path} deploy",
    ]
    wrong = call("-C", tmp_path, "--aws", "run")
    assert wrong.code == 2
    assert "penstock run is about the lake in this folder; leave --aws out" in wrong.err
    lone = call("-C", tmp_path, "query", "SELECT 1", "--engine", "athena")
    assert lone.code == 2
    assert "it goes with --aws" in lone.err


def test_next_steps_are_those_of_a_deployed_lake(tmp_path: Path) -> None:
    """Where nothing has landed yet, it is said how a file lands there, and never to call what takes no --aws."""
    lake = deploy(tmp_path / "empty", "lake: empty_one\ntables:\n  orders: {files: '*.csv'}\n")
    put_stack(lake)
    aws.client("logs").create_log_group(logGroupName=lake.deployed.log_group("intake"))
    landing = f"aws s3 cp FILE s3://{lake.deployed.raw_bucket}/"
    for asked in ("tables", "show orders", "why orders", "why orders.id", "runs", "snapshots list", "logs"):
        told = call("-C", lake.folder, *asked.split(), "--aws")
        assert landing in told.out + told.err, asked
        assert "--aws run" not in told.out + told.err


def test_settings_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not there, a region that is none, a page of a proxy: errors of whoever calls, not defects."""
    cloud.start()
    with pytest.raises(AwsCredentialsError, match="eu_west"):
        aws.client("sts", "eu_west")
    with monkeypatch.context() as patched:
        patched.setenv("AWS_PROFILE", "nobody")
        patched.setattr("boto3.DEFAULT_SESSION", None)  # as in a process that has asked nothing yet
        patched.setattr(aws, "_clients", {})
        with pytest.raises(AwsCredentialsError, match="nobody"):
            aws.client("sts", cloud.REGION)
    with pytest.raises(AwsError, match="what answered is not AWS, when it was asked to look"), aws.asking("look"):
        raise ResponseParserError("Unable to parse response\n<html>")
