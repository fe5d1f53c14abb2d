"""What a declaration may say of secrets and roles on AWS, and how it is read where it is deployed."""

from __future__ import annotations

import pytest

from penstock.declaration import AwsRole, AwsSecret, Hash, examine, examine_deployed, lacks_secrets, wanted_secrets
from penstock.redaction import forget, redacted

ARN = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:clinic/salt-a1B2c3"
KEY = "arn:aws:kms:eu-west-3:123456789012:key/mrk-0a1b2c3d4e5f"
LAKE = """lake: clinic
aws:
  secrets: {SALT: clinic/salt}
  roles: {finance: {who: ["arn:aws:iam::123456789012:role/a"]}}
access: {finance: {query: [visits]}}
tables:
  visits: {files: "v*.csv", steps: [{hash: {columns: [a], salt: "${SALT}"}}, {hash: {columns: [b], salt: "${OTHER}"}}]}
"""
SECRETS = "{SALT: clinic/salt}"
ROLES = '{finance: {who: ["arn:aws:iam::123456789012:role/a"]}}'


def problems(secrets: str = SECRETS, roles: str = ROLES) -> list[str]:
    """What is wrong with a lake that says this."""
    text = LAKE.replace(SECRETS, secrets).replace(ROLES, roles)
    return [str(problem) for problem in examine_deployed(text).problems]


@pytest.mark.parametrize(
    "secrets",
    [
        SECRETS,
        "{SALT: {secret: clinic/salt}}",
        f'{{SALT: {{secret: "{ARN}", key: salt, kms_key: "{KEY}"}}, OTHER: "a_b+c=d.e@f-g/h"}}',
        "{}",
    ],
)
def test_a_secret_is_a_name_an_arn_or_a_part_of_one(secrets: str) -> None:
    """All the ways to write a secret hold."""
    assert problems(secrets) == []


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        (
            '{SALT: "clinic salt"}',
            "3:19 aws.secrets.SALT: must be the name of a secret, of letters, digits and / _ + = .",
        ),
        ("{SALT: {secret: a, kye: b}}", '3:31 aws.secrets.SALT: unknown key "kye"'),
        ("{SALT: {key: b}}", '3:13 aws.secrets.SALT: the key "secret" is missing'),
        ("{SALT: {secret: a, key: ''}}", "3:36 aws.secrets.SALT.key: must not be empty"),
        ("{SALT: 12}", "3:19 aws.secrets.SALT: must be text or a mapping of names to values; found the number 12"),
        (
            f'{{SALT: "{ARN[:-7]}"}}',
            "3:19 aws.secrets.SALT: the ARN of a secret ends with - and the six letters that AWS",
        ),
        ('{SALT: "arn:aws:ssm:eu-west-3:123456789012:x"}', "3:19 aws.secrets.SALT: must be the ARN of a secret"),
        ('{SALT: {secret: a, kms_key: "alias/x"}}', "3:40 aws.secrets.SALT.kms_key: must be the ARN of a key"),
        ("{SLAT: a}", '3:13 aws.secrets.SLAT: no salt takes ${SLAT}; did you mean "SALT"?'),
        ("{UNHEARD: a}", "3:13 aws.secrets.UNHEARD: no salt takes ${UNHEARD}; salts take: OTHER, SALT"),
        ("{1X: a}", '3:13 aws.secrets.1X: "1X" cannot name a variable'),
        ('{SALT: "${WHERE}"}', "3:19 aws.secrets.SALT: functions read this before they know what ${WHERE} is"),
    ],
)
def test_what_is_wrong_with_a_secret_is_said_with_its_place(secrets: str, text: str) -> None:
    """Names, ARNs, keys and variables that cannot be are problems of the declaration."""
    assert any(problem.startswith(f"lake.yaml:{text}") for problem in problems(secrets)), problems(secrets)


@pytest.mark.parametrize(
    ("roles", "text"),
    [
        ("{finanse: {mfa: true}}", '4:11 aws.roles.finanse: no role "finanse" is declared; did you mean "finance"?'),
        ("{finance: {who: []}}", "4:26 aws.roles.finance.who: must not be empty"),
        ("{finance: {who: [analysts]}}", "4:27 aws.roles.finance.who[0]: must be the ARN of an IAM user or role"),
        (
            '{finance: {who: ["arn:aws:sts::123456789012:assumed-role/a/b"]}}',
            "4:27 aws.roles.finance.who[0]: must be the",
        ),
        ('{finance: {who: ["arn:aws:iam::*:role/a"]}}', "4:27 aws.roles.finance.who[0]: must be the ARN"),
        ('{finance: {who: ["arn:aws:iam::123456789012:root"]}}', "4:27 aws.roles.finance.who[0]: must be the ARN"),
        ("{finance: {mfa: 1}}", "4:26 aws.roles.finance.mfa: must be true or false"),
    ],
)
def test_what_is_wrong_with_a_role_is_said_with_its_place(roles: str, text: str) -> None:
    """Roles that are not declared, and people who are not in IAM, are problems of the declaration."""
    assert any(problem.startswith(f"lake.yaml:{text}") for problem in problems(roles=roles)), problems(roles=roles)


def test_who_may_act_as_a_role() -> None:
    """Users and roles, by name or by pattern, with a second factor or without."""
    who = ["arn:aws:iam::123456789012:user/finance/*", "arn:aws-us-gov:iam::999999999999:role/a+b@c"]
    found = examine_deployed(LAKE.replace(ROLES, f"{{finance: {{who: {who}, mfa: true}}}}")).declaration
    assert found is not None
    assert found.aws.roles == {"finance": AwsRole(who=who, mfa=True)}


def test_whoever_deploys_need_not_know_a_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something stands in for it, whatever the environment says; a function gets its value, and nothing else."""
    monkeypatch.setenv("SALT", "of-this-machine")
    monkeypatch.delenv("OTHER", raising=False)
    found = examine_deployed(LAKE)
    assert found.problems == []
    assert "of-this-machine" not in repr(found.declaration)
    assert lacks_secrets(found.document)
    there = examine_deployed(LAKE, values={"SALT": "of-the-secret"})
    assert ["OTHER is not set" in problem.text for problem in there.problems] == [True]
    there = examine_deployed(LAKE, values={"SALT": "of-the-secret", "OTHER": "o-t-h-e-r"})
    assert there.problems == []
    assert there.declaration is not None
    assert [step.hash.salt for step in there.declaration.tables["visits"].steps if isinstance(step.hash, Hash)] == [
        "of-the-secret",
        "o-t-h-e-r",
    ]
    assert not lacks_secrets(there.document)
    assert redacted("it is of-the-secret") == "it is ***"
    forget()


def test_here_a_variable_is_the_environments() -> None:
    """On one machine, secrets of AWS change nothing: what is not set is a problem."""
    found = examine(LAKE, environment={"SALT": "x"})
    assert [problem.path for problem in found.problems] == ["tables.visits.steps[1].hash.salt"]
    assert examine(LAKE, environment={"SALT": "x", "OTHER": "y"}).problems == []


def test_which_secrets_are_wanted_is_known_before_anything_else() -> None:
    """A function knows what to fetch from the text alone; what does not hold is left to the problems."""
    wanted = wanted_secrets(LAKE.replace(SECRETS, "{SALT: clinic/salt, OTHER: {secret: clinic/keys, key: o}, X: 3}"))
    assert wanted == {"SALT": AwsSecret(secret="clinic/salt"), "OTHER": AwsSecret(secret="clinic/keys", key="o")}  # noqa: S106
    assert wanted_secrets("lake: x") == wanted_secrets("") == wanted_secrets("lake: [") == {}


STAYS = """
mail: {server: "${SMTP}", from: "${SENDER}"}
zones: {raw: "${RAW}"}
notices: [{when: [dead], to: "${HOOK}"}, {name: told, when: [dead], to: ["jsons://example.org/${TOKEN}"]}]
workflows: {nightly: {steps: [{exec: ["true"], environment: {TOKEN: "${TOKEN}"}}]}}
"""


def test_what_stays_here_needs_no_variable_where_it_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts about this machine, and those that `here_only` names, are sound without their variables; others are not."""
    for name in ("SMTP", "SENDER", "RAW", "HOOK", "TOKEN"):
        monkeypatch.delenv(name, raising=False)
    stays = "  here_only: [workflows.nightly, notices.notice_1, notices.told]\n"
    text = LAKE.replace("aws:\n", f"aws:\n{stays}") + STAYS
    assert examine_deployed(text).problems == []
    assert examine_deployed(text, values={"SALT": "x", "OTHER": "y"}).problems == []
    moved = examine_deployed(text.replace("notices.told", "workflows.nightly")).problems
    assert [problem.path for problem in moved] == ["notices[1].to[0]"]
    monkeypatch.setenv("TOKEN", "known-here")
    found = examine_deployed(text).declaration
    assert found is not None
    assert "known-here" in repr(found.workflows)
    forget()
