"""Secrets are found in every spelling, and nothing else is hidden."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from penstock.declaration import loads
from penstock.errors import DeclarationError, PenstockError
from penstock.redaction import redacted, redacted_value, register, register_address, register_login

SECRET = "p&ss w/ö\"rd+'1"  # noqa: S105 - made up


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        SECRET.replace("'", "''"),
        base64.b64encode(SECRET.encode()).decode(),
        f"x{SECRET}y",
    ],
)
def test_spellings(spelled: str) -> None:
    """A secret is hidden as it is and as URLs, JSON, Python, SQL and mail servers spell it."""
    register(SECRET)
    text = redacted(f"before {spelled} after")
    assert "***" in text
    assert text.startswith("before ")
    assert text.rstrip("=' \"").endswith("after")
    for part in ("p&ss", "rd+", "p%26ss", "cCZzcyB3"):
        assert part not in text


def test_logins_of_protocols() -> None:
    """The login that HTTP and SMTP send, a name and a password in base64, is hidden."""
    register_login("smtp://lake:s3cr%2Ft@h:25")
    for login in ("lake:s3cr/t", "\0lake\0s3cr/t"):
        assert redacted(f"AUTH {base64.b64encode(login.encode()).decode()}").startswith("AUTH ***")
    assert redacted("s3cr%2Ft s3cr/t") == "*** ***"
    assert redacted("smtp://lake@h:25") == "smtp://lake@h:25"


def test_addresses() -> None:
    """Tokens in a service's address are hidden; hosts, users and addresses of people are not."""
    register_address("slack://xoxb-1234567890-abc/T00000000000/B0?to=ops@example.org&token=ab12")
    register_address("https://hooks.example.org/services/T0000000000000")
    register_address("mailtos://lake:pw12@mail.example.org?to=people@example.org")
    text = "xoxb-1234567890-abc T0000000000000 ab12 pw12 hooks.example.org people@example.org ops@example.org"
    assert redacted(text) == "*** *** *** *** hooks.example.org people@example.org ops@example.org"


def test_short_secrets_are_words() -> None:
    """A short secret is hidden where it stands alone, not within other words; the shortest are not hidden."""
    register("prod")
    register("1")
    assert redacted("prod production /prod/ 1") == "*** production /***/ 1"


def test_secrets_of_several_lines() -> None:
    """Each line of a key is hidden, wherever it is cut."""
    register("-----BEGIN KEY-----\nabcdef0123\nxyz987654\n-----END KEY-----\n")
    assert redacted("read xyz987654 of abcdef0123") == "read *** of ***"


def test_values() -> None:
    """Keys and values of any depth are hidden, others are what they were."""
    register(SECRET)
    assert redacted_value({"a": [1, None, {SECRET: (SECRET, True)}]}) == {"a": [1, None, {"***": ["***", True]}]}


def test_nothing_to_hide() -> None:
    """Without secrets, values are given back as they are."""
    value = {"a": ["b"]}
    assert redacted_value(value) is value


def test_values_from_the_environment() -> None:
    """What lake.yaml takes from the environment is a secret, save in names and places."""
    loads(
        "lake: shop\nzones: {raw: '/data/${PLACE}'}\nmail: {server: 'smtp://u:${SMTP}@h:25'}\n"
        "notices: [{when: [dead], to: '${WHOLE}'}]\n"
        "tables: {t: {files: '${GLOB}/*.csv', steps: [{hash: {columns: [a], salt: '${SALT}'}}]}}",
        environment={
            "PLACE": "incoming",
            "SMTP": "hunter2!",
            "WHOLE": "json://u:pw99@h/",
            "GLOB": "landing",
            "SALT": "pepper7",
        },
    )
    assert redacted("incoming landing") == "incoming landing"
    assert redacted("hunter2! pw99 json://u:pw99@h/ pepper7") == "*** *** *** ***"


def test_errors_are_redacted() -> None:
    """No part of an error shows a secret."""
    register(SECRET)
    error = PenstockError(f"cannot use {SECRET}", where=f"x/{SECRET}", hint=f"not {SECRET}")
    assert SECRET not in f"{error}{error.what}{error.where}{error.hint}{error.args}{error!r}"


def test_password_in_the_wrong_place() -> None:
    """A problem of the declaration that quotes what it found does not quote a password."""
    with pytest.raises(DeclarationError) as caught:
        loads("lake: shop\nnotices: 'mailto://u:hunter22@h'")
    assert "hunter22" not in str(caught.value)
    assert "mailto://u:***@h" in str(caught.value)
