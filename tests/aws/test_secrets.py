"""Secrets of AWS Secrets Manager: functions fetch them, rows are as here, and their values are nowhere else.

Moto keeps the secrets, and refuses who may read none of them where a test lets it. What moto does not do: hold anybody
to single secrets, which the evaluator is asked; and encrypt them: what AWS says of a key is played to a real client.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.access.evaluate import Request, evaluate
from penstock.access.policy import document, filled, stack_values
from penstock.clock import HeldClock
from penstock.declaration import AwsSecret, examine_deployed, load_deployed
from penstock.deployment.as_deployed import Judge
from penstock.deployment.bundle.contents import lake_files
from penstock.deployment.permissions import statements
from penstock.deployment.reach import reached
from penstock.deployment.secret_checks import assert_there, look_at_secrets
from penstock.deployment.secret_commands import making, putting, restoring
from penstock.deployment.secret_values import KEPT_SECONDS, SecretValues
from penstock.deployment.survey import new_plan
from penstock.deployment.synth import synthesise
from penstock.errors import AccessError, AwsError, DeploymentError, SecretError
from penstock.lake import Lake
from tests.aws import cloud, rules
from tests.aws.lakes import CloudLake, deploy
from tests.aws.parity import facts_of
from tests.aws.pump import Context, Pump
from tests.aws.test_laptop import put_stack
from tests.aws.test_second_opinion import enforced
from tests.cli.conftest import call
from tests.told import count, say

SALT = "s4lt-that-nobody-may-see"
LAKE = """
lake: visits
retry: {attempts: 1}
mail: {server: "smtp://lake:${SMTP_PASSWORD}@mail.example.org:587"}
notices:
  - {name: hook, when: [dead], to: "${HOOK}"}
workflows:
  nightly: {steps: [{exec: ["true"], environment: {TOKEN: "${API_TOKEN}"}}]}
aws: {secrets: {SALT: NAME}, here_only: [workflows.nightly, notices.hook]}
tables:
  visits:
    files: "visits*.csv"
    steps:
      - parse: {age: integer}
      - require: [age]
      - hash: {columns: [patient], salt: "${SALT}"}
"""
VISITS = b"patient,age\nAnna,31\nBen,old\nZo\xc3\xab,5\n"
NOBODYS = "lakes/nobody/made-this"
CONTEXT = Context()


def create(text: str = SALT, **more: Any) -> str:
    """Make a secret with a name of its own; gives the name."""
    cloud.start()
    name = f"lakes/{uuid.uuid4().hex[:8]}/salt"
    aws.client("secretsmanager").create_secret(Name=name, **(more or {"SecretString": text}))
    return name


def salted(folder: Path, secret: str, declaration: str = LAKE) -> CloudLake:
    """A deployed lake whose salt is a secret."""
    return deploy(folder, declaration.replace("NAME", secret))


def hashed(value: str, salt: str = SALT) -> str:
    """What becomes of a value."""
    return hashlib.sha256((salt + value).encode()).hexdigest()


def drained(lake: CloudLake, clock: HeldClock | None = None) -> Pump:
    """Let a function take what waits."""
    pump = Pump(lake.deployed.intake_queue, lake.runtime(clock).take)
    pump.drain()
    return pump


def test_a_salted_hash_is_the_same_here_and_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The salt comes from the environment here and from the secret there, and makes the same rows and accounts."""
    there = salted(tmp_path / "there", create())
    clock, here = HeldClock(1_780_000_000.0), tmp_path / "here"
    (here / "raw").mkdir(parents=True)
    text = (there.folder / "lake.yaml").read_text()
    (here / "lake.yaml").write_text(text)
    (here / "raw" / "visits.csv").write_bytes(VISITS)
    with monkeypatch.context() as environment:
        for name, value in {"SALT": SALT, "SMTP_PASSWORD": "x", "HOOK": "jsons://h/x", "API_TOKEN": "y"}.items():
            environment.setenv(name, value)
        with Lake(here, clock) as lake:
            lake.run()
            one = facts_of(lake)
    there.land("visits.csv", VISITS)
    assert drained(there, clock).errors == []
    with there.open(clock) as lake:
        other = facts_of(lake)
        rows = lake.query("SELECT patient, age FROM visits ORDER BY age").fetchall()
    assert rows == [(hashed("Zoë"), 5), (hashed("Anna"), 31)]
    assert {what: (fact, other[what]) for what, fact in one.items() if fact != other[what]} == {}
    count("secrets", "parity", len(one), unit="things compared")


def test_the_value_is_nowhere(tmp_path: Path) -> None:
    """What is deployed, kept and written holds no part of it: template, bundle, plan, log, state, files, messages."""
    name = create()
    lake = salted(tmp_path / "lake", name)
    (lake.folder / ".env").write_text(f"SALT={SALT}")
    lake.land("visits.csv", VISITS)
    lake.land("visits_bad.csv", b"patient,patient\n1,2\n")
    assert drained(lake).errors == []
    lake.runtime().tend({"whole": True}, CONTEXT)
    with reached_lake(lake) as there:
        known = repr([there.query(f"SELECT * FROM penstock.{table}").fetchall() for table in ("runs", "dead_letters")])
    examined = examine_deployed((lake.folder / "lake.yaml").read_text())
    assert examined.declaration is not None
    made = synthesise(examined)
    assert rules.broken(made.body) == []
    taken = lake_files(lake.folder, ("raw", "processed", "enriched")).taken
    places = {
        "template": made.json,
        "plan": json.dumps(new_plan(made, examined.declaration, {}).facts()),
        "bundle": "".join(file.read_text("utf-8") for file in taken.values()),
        "log": lake.log.getvalue(),
        "state": repr(items(lake.deployed.state_table)),
        "messages": repr(lake.dead_letters()),
        "variables": repr(lake.deployed.environment),
        "tables": known,
        "objects": repr(objects(lake)),
    }
    control = {"log": "visits_bad.csv", "state": "visits_bad.csv", "objects": hashed("Anna")[:8], "bundle": "${SALT}"}
    assert all(text in places[place] for place, text in control.items() if place != "objects")
    assert "patient" in places["objects"]
    spelled = (SALT, SALT[:12], SALT.encode().hex(), json.dumps(SALT)[1:-1])
    assert {place for place, text in places.items() if any(part in text for part in spelled)} == set()
    assert name in places["template"]
    say("secrets", f"the value is in none of {len(places)} places: {', '.join(places)}")


def items(table: str) -> list[dict[str, Any]]:
    """Everything in the state store, with what is packed unpacked."""
    import zlib

    found = aws.client("dynamodb").scan(TableName=table)["Items"]
    for item in found:
        for value in item.values():
            if "B" in value:
                value["unpacked"] = zlib.decompress(value["B"])
    return list(found)


def objects(lake: CloudLake) -> list[bytes]:
    """All that is in the buckets."""
    s3, found = aws.client("s3"), list[bytes]()
    for bucket in (lake.deployed.raw_bucket, lake.deployed.processed_bucket, lake.deployed.enriched_bucket):
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            found += [one["Key"].encode(), s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()]
    assert len(found) > 8
    return found


def reached_lake(lake: CloudLake, **how: Any) -> Lake:
    """The lake as from a laptop."""
    put_stack(lake)
    return reached(lake.folder, **how)


def test_a_value_that_changes_is_used_after_some_minutes(tmp_path: Path) -> None:
    """A running function goes on with what it fetched for five minutes, and then with the new value; it says so."""
    name, clock = create(json.dumps({"salt": SALT, "other": "x"})), HeldClock(1_780_000_000.0)
    lake = salted(tmp_path / "lake", f"{{secret: {name}, key: salt}}")
    runtime = lake.runtime(clock)
    pump = Pump(lake.deployed.intake_queue, runtime.take)
    lake.land("visits_1.csv", b"patient,age\nAnna,1\n")
    pump.drain()
    aws.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps({"salt": "another-salt"}))
    clock.sleep(KEPT_SECONDS - 1)
    lake.land("visits_2.csv", b"patient,age\nAnna,2\n")
    pump.drain()
    clock.sleep(2)
    lake.land("visits_3.csv", b"patient,age\nAnna,3\n")
    pump.drain()
    runtime.tend({}, CONTEXT)
    assert pump.errors == []
    with lake.open(clock) as there:
        rows = there.query("SELECT age, patient FROM visits ORDER BY age").fetchall()
    assert rows == [(1, hashed("Anna")), (2, hashed("Anna")), (3, hashed("Anna", "another-salt"))]
    assert len(lake.events("secret_changed")) == 1
    assert "another-salt" not in lake.log.getvalue()


def _delete(name: str) -> None:
    aws.client("secretsmanager").delete_secret(SecretId=name)


WRONG: dict[str, tuple[Callable[[], str], str, str]] = {
    "missing": (
        lambda: NOBODYS,
        "is not there",
        "make it: " + making("SALT", AwsSecret(secret=NOBODYS), "eu-west-3"),
    ),
    "deleted": (lambda: _then(create(), _delete), "is to be deleted", "keep it: aws secretsmanager restore-secret"),
    "binary": (lambda: create(SecretBinary=b"\x00\x01"), "is binary, and no text", "put a text: read -rs SALT"),
    "empty": (lambda: create('{"salt": ""}'), 'has no text as its key "salt"', "not empty"),
    "line": (lambda: create(f"{SALT}\n"), "ends with a line break", "give it again, without one: read -rs SALT"),
    "number": (lambda: create('{"salt": 12}'), 'has no text as its key "salt"', "write the value in quotes"),
    "other key": (lambda: create('{"peper": "x", "y": "z"}'), 'has no key "salt"', "aws.secrets.SALT.key; it has 2"),
    "text": (
        lambda: create("just text"),
        'is no JSON object, and so has no key "salt"',
        "leave out aws.secrets.SALT.key",
    ),
    "list": (lambda: create('["salt"]'), "is no JSON object", "leave out aws.secrets.SALT.key"),
}
KEYED = ("empty", "number", "other key", "text", "list")


def _then(name: str, change: Callable[[str], None]) -> str:
    change(name)
    return name


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_secret_is_said(wrong: str) -> None:
    """The error names the variable and the secret, says what is wrong and what to do, and holds no part of it."""
    made, found, fix = WRONG[wrong]
    name = made()
    secret = AwsSecret(secret=name, key="salt" if wrong in KEYED else None)
    with pytest.raises(SecretError) as caught:
        SecretValues({"SALT": secret}, cloud.REGION, HeldClock()).current()
    error = caught.value
    assert (error.where, error.code) == ("aws.secrets.SALT", "secret")
    assert error.what.startswith(f'the secret "{name}" {found}')
    assert fix in error.hint
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for part in (SALT, "peper", "just text"):
        assert part not in str(error)


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed", "is encrypted with a key that may not be used"),
        ("AccessDeniedException", "User x is not authorized to perform: kms:Decrypt on it", "with a key that may not"),
        ("DecryptionFailure", "the key is disabled", "cannot be decrypted"),
        (
            "ResourceNotFoundException",
            "can't find the specified secret value for staging label: AWSCURRENT",
            "no value",
        ),
        ("AccessDeniedException", "no identity-based policy allows secretsmanager:GetSecretValue", "may not be read"),
    ],
)
def test_what_only_aws_says_is_understood(code: str, text: str, found: str) -> None:
    """Answers in AWS's own words, which moto never gives, are played to a real client."""
    name = create()
    client = aws.client("secretsmanager", cloud.REGION)

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]]:
        from botocore.awsrequest import AWSResponse

        answer = AWSResponse("http://x", 400, {}, None)
        return answer, {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {}}

    event = "before-call.secrets-manager.GetSecretValue"
    client.meta.events.register_first(event, refuse)
    try:
        with pytest.raises(SecretError, match=found):
            SecretValues({"SALT": AwsSecret(secret=name)}, cloud.REGION, HeldClock()).current()
    finally:
        client.meta.events.unregister(event, refuse)


def test_a_secret_that_is_gone_loses_no_file(tmp_path: Path) -> None:
    """A function whose secret was deleted fails, with the reason; the files wait, and are taken once it is restored."""
    name, clock = create(), HeldClock(1_780_000_000.0)
    lake = salted(tmp_path / "lake", name)
    runtime = lake.runtime(clock)
    pump = Pump(lake.deployed.intake_queue, runtime.take)
    _delete(name)
    clock.sleep(KEPT_SECONDS + 1)
    lake.land("visits.csv", VISITS)
    pump.once()
    assert [type(error) for error in pump.errors] == [SecretError]
    with pytest.raises(SecretError, match="is to be deleted"):
        runtime.tend({}, CONTEXT)
    with pytest.raises(SecretError, match="is to be deleted"):
        lake.runtime(clock, "another")
    with lake.open(clock) as there:
        assert there.tables == []
    aws.client("secretsmanager").restore_secret(SecretId=name)
    pump.pass_time()
    pump.drain()
    with lake.open(clock) as there:
        assert there.query("SELECT count(*) FROM visits").fetchall() == [(2,)]
    assert lake.dead_letters() == []


@pytest.fixture
def allowed() -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Lets this process act as a user who has a policy, whom moto judges."""
    before = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    def become(who: str, policy: dict[str, Any]) -> None:
        iam = aws.client("iam")
        iam.create_user(UserName=who)
        iam.put_user_policy(UserName=who, PolicyName="lake", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=who)["AccessKey"]
        os.environ.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
        aws.forget_clients()

    yield become
    os.environ.update(before)
    aws.forget_clients()


GRANTED = (
    *(("intake", [True, False]), ("upkeep", [True, False]), ("readmitter", [True, False])),
    *(("operator", [False, False]), ("schedule", [False, False])),
)
"""Who may read the salt, and a secret whose name begins like it."""


def test_a_function_may_read_its_own_secret_and_no_other(tmp_path: Path) -> None:
    """The policy of a function names its secret with the six letters that AWS adds, so no name that begins like it."""
    name = create()
    longer = f"{name}-abcdef"
    aws.client("secretsmanager").create_secret(Name=longer, SecretString=SALT)
    lake = salted(tmp_path / "lake", name)
    declaration, values = load_deployed((lake.folder / "lake.yaml").read_text()), stack_values(lake.deployed)
    arns = [aws.client("secretsmanager").describe_secret(SecretId=each)["ARN"] for each in (name, longer)]
    for who, expected in GRANTED:
        policy = document(statements(declaration, who), lambda text: filled(text, values))
        asked = [evaluate([policy], Request("secretsmanager:GetSecretValue", arn, {})).allowed for arn in arns]
        assert asked == expected, who


def test_what_would_be_refused_on_aws_is_refused_here(tmp_path: Path) -> None:
    """`run --as-deployed` puts the fetching of each secret to the policies of both functions."""
    (tmp_path / "lake.yaml").write_text(LAKE.replace("NAME", "clinic/salt"))
    declaration = load_deployed((tmp_path / "lake.yaml").read_text())
    Judge(declaration).assert_fetches(declaration)
    judge = Judge(declaration, {name: {"Version": "2012-10-17", "Statement": []} for name in ("intake", "upkeep")})
    with pytest.raises(
        AccessError, match=r"the function intake may not secretsmanager:GetSecretValue on .*clinic/salt"
    ):
        judge.assert_fetches(declaration)


def test_a_secret_that_may_not_be_read_is_said_to_be_so(allowed: Callable[[str, dict[str, Any]], None]) -> None:
    """Refused by AWS, the error says which secret, and who grants it; whoever may not look at it can still deploy."""
    name = create()
    wanted = {"SALT": AwsSecret(secret=name)}
    nothing = {"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": "*"}
    allowed(f"nobody-{uuid.uuid4().hex[:6]}", {"Version": "2012-10-17", "Statement": [nothing]})
    with enforced():
        with pytest.raises(SecretError) as caught:
            SecretValues(wanted, cloud.REGION, HeldClock()).current()
        found = look_at_secrets(wanted, cloud.REGION)
    assert str(caught.value) == (
        f'aws.secrets.SALT: the secret "{name}" may not be read\n'
        "  functions may read what aws.secrets named at the last penstock deploy; people need the permission\n"
        "secretsmanager:GetSecretValue of their own; the secret's own policy can refuse it, too"
    )
    assert [(finding.stops, "was not looked at" in finding.text) for finding in found] == [(False, True)]
    assert_there(found)


KEY = f"arn:aws:kms:{cloud.REGION}:{cloud.ACCOUNT}:key/0a1b2c3d-1111-2222-3333-444455556666"


def test_what_stands_in_the_way_is_said_before_anything_is_deployed() -> None:
    """Each secret is looked at, not read: missing, to be deleted, without a value, and with a key that is not named."""
    cloud.start()
    manager = aws.client("secretsmanager")
    gone, keyed, mine, empty = _then(create(), _delete), create(), create(), create()
    manager.update_secret(SecretId=keyed, KmsKeyId=KEY)
    manager.update_secret(SecretId=mine, KmsKeyId=KEY)
    wanted = {
        "FINE": AwsSecret(secret=create()),
        "GONE": AwsSecret(secret=gone),
        "KEYED": AwsSecret(secret=keyed),
        "MINE": AwsSecret(secret=mine, kms_key=KEY),
        "OTHER": AwsSecret(secret=mine, kms_key=KEY.replace("0a1b", "ffff")),
        "NONE": AwsSecret(secret=NOBODYS),
        "PLAIN": AwsSecret(secret=empty, kms_key=KEY),
    }
    found = look_at_secrets(wanted, cloud.REGION)
    assert [(finding.name, finding.stops) for finding in found] == [
        ("GONE", True),
        ("KEYED", True),
        ("NONE", True),
        ("OTHER", True),
        ("PLAIN", False),
    ]
    with pytest.raises(DeploymentError) as caught:
        assert_there(found)
    assert f'aws.secrets.GONE: the secret "{gone}" is to be deleted' in caught.value.what
    assert f'aws.secrets.NONE: the secret "{NOBODYS}" is not there in eu-west-3' in caught.value.what
    assert f"is encrypted with the key {KEY}; name it by its ARN as aws.secrets.KEYED.kms_key" in caught.value.what
    assert caught.value.hint.splitlines() == [
        restoring(wanted["GONE"], cloud.REGION),
        making("NONE", wanted["NONE"], cloud.REGION),
    ]
    assert_there(finding for finding in found if finding.name == "PLAIN")


@pytest.mark.parametrize("key", [None, 'sa\'lt "x"'])
def test_commands_pass_a_value_on_as_it_is_and_show_it_to_nobody(tmp_path: Path, key: str | None) -> None:
    """The command that is advised takes a typed value, whatever is in it, and gives it to AWS's tool through a pipe."""
    tool, value = tmp_path / "aws", "p'e p\"p\\er$x%s"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat /dev/stdin > {tmp_path}/value\n')
    tool.chmod(0o755)
    secret = AwsSecret(secret=NOBODYS, key=key, kms_key=KEY)
    for command in (making("SALT", secret, "eu-west-3"), putting("SALT", secret, "eu-west-3")):
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        subprocess.run(["bash", "-c", command], input=f"{value}\n".encode(), env=environment, check=True)
        written = (tmp_path / "value").read_text()
        assert (written if key is None else json.loads(written)[key]) == value
        arguments = (tmp_path / "arguments").read_text()
        assert arguments.endswith("--secret-string file:///dev/stdin\n")
        assert value not in arguments + command
    assert f"--kms-key-id {KEY}" in making("SALT", secret, "eu-west-3")


def test_plan_and_deploy_name_missing_secrets(tmp_path: Path) -> None:
    """`plan` shows what is missing with the command that makes it; `deploy` does nothing until it is there."""
    cloud.start()
    text = LAKE.replace("NAME", NOBODYS).replace("lake: visits", f"lake: p{uuid.uuid4().hex[:6]}")
    (tmp_path / "lake.yaml").write_text(text)
    told = call("-C", tmp_path, "plan").out
    assert 'aws.secrets.SALT: the secret "lakes/nobody/made-this" is not there' in " ".join(told.split())
    command = making("SALT", AwsSecret(secret=NOBODYS), cloud.REGION)
    assert f"\n  {command}\n" in told
    found = json.loads(call("-C", tmp_path, "plan", "--json").out)["secrets"]
    assert [(one["name"], one["stops"], one["command"]) for one in found] == [("SALT", True, command)]
    refused = call("-C", tmp_path, "deploy", "--yes")
    assert refused.code == 1
    assert command in refused.err
    assert aws.client("cloudformation").list_stacks()["StackSummaries"] is not None


REFUSED = [
    (
        "salt: '${SALT}'",
        "salt: '${PEPPER}'",
        "no environment variable PEPPER; keep its value as a secret of AWS Secrets",
    ),
    ("visits*.csv", "${SALT}*.csv", "${SALT} is a secret on AWS, and here it would be shown to many"),
    ("visits*.csv", "${PLACE}*.csv", "no environment variable PLACE; write the value itself"),
]


@pytest.mark.parametrize(("before", "after", "text"), REFUSED)
def test_a_variable_that_functions_cannot_have_is_refused_with_its_place(
    before: str, after: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no secret, or stands where many would see it, refuses a lake; what stays here does not."""
    from penstock.deployment.deployable import refusals

    monkeypatch.setenv("PLACE", "x")
    monkeypatch.setenv("SALT", "x")
    lake = LAKE.replace('"', "'").replace("NAME", "a/b")
    assert refusals(examine_deployed(lake)) == []
    assert before in lake
    line = lake.splitlines().index(next(line for line in lake.splitlines() if before in line)) + 1
    found = refusals(examine_deployed(lake.replace(before, after)))
    assert [(problem.line, text in problem.text) for problem in found] == [(line, True)]


def test_a_laptop_looks_without_the_salt_and_makes_no_rows_without_it(tmp_path: Path) -> None:
    """Queries need no secret; what makes rows fetches it with the credentials of whoever asks, or is refused."""
    lake = salted(tmp_path / "lake", create())
    lake.land("visits.csv", b"patient,age\nAnna,31\nBen,old\n")
    assert drained(lake).errors == []
    with reached_lake(lake) as there:
        assert there.query("SELECT patient FROM visits").fetchall() == [(hashed("Anna"),)]
        for work in (there.worker, there.discover):
            with pytest.raises(SecretError, match="a salt of this lake is a secret, which was not fetched"):
                work()
        rows = there.query("SELECT id FROM penstock.quarantine").fetchall()
    corrected = tmp_path / "fix.csv"
    corrected.write_text(f"_id,patient,age\n{rows[0][0]},Ben,40\n")
    with reached(lake.folder, makes_rows=True) as there:
        assert there.readmit("visits", corrected).readmitted == 1
        assert there.query("SELECT patient FROM visits WHERE age = 40").fetchall() == [(hashed("Ben"),)]


def test_a_lake_without_secrets_asks_for_none(tmp_path: Path) -> None:
    """Nothing is granted, fetched or looked at where nothing is declared."""
    lake = deploy(tmp_path / "lake", "lake: plain\ntables:\n  t: {files: 't*.csv'}\n")
    declaration = load_deployed((lake.folder / "lake.yaml").read_text())
    assert look_at_secrets(declaration.aws.wanted_secrets, cloud.REGION) == ()
    for who, _ in GRANTED:
        actions = {action for statement in statements(declaration, who) for action in statement.actions}
        assert not any(action.startswith("secretsmanager:") for action in actions)
    lake.land("t.csv", b"a\n1\n")
    assert drained(lake).errors == []
    with pytest.raises(AwsError):
        reached(lake.folder)
