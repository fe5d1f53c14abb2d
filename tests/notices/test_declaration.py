"""What lake.yaml may say of notices, and what is said of mistakes: with their place, and never with a secret."""

from __future__ import annotations

from typing import get_args

import pytest

from penstock.declaration import EMBEDDED, examine, loads
from penstock.declaration.notices import EventOrAll
from penstock.naming import TableName
from penstock.notices import subscriptions_of
from penstock.redaction import redacted

TABLES = "tables:\n  orders: {files: 'o/*'}\n  curated.codes: {files: 'c/*'}\n"
EVENTS = ", ".join(get_args(EventOrAll)[:-1])
ROLE = "a role is called by lower-case letters, digits and _, starting with a letter"
ORDERS, CODES = TableName.parse("orders"), TableName.parse("curated.codes")


def problems(text: str) -> list[str]:
    """What is wrong with a declaration, a line each."""
    return [str(problem) for problem in sorted(examine(f"lake: shop\n{text}\n{TABLES}", environment={}).problems)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "notices: [{when: [ded], to: 'file:'}]",
            f'2:19 notices[0].when[0]: must be one of {EVENTS}, "*"; found the text "ded"; did you mean "dead"?',
        ),
        ("notices: [{when: [], to: 'file:'}]", "2:18 notices[0].when: must not be empty"),
        ("notices: [{when: [dead]}]", '2:11 notices[0]: the key "to" is missing'),
        ("notices: [{when: [dead], to: []}]", "2:30 notices[0].to: must not be empty"),
        (
            "notices: [{when: [dead], to: ops}]",
            '2:30 notices[0].to: no role "ops" is declared; declared below access: none',
        ),
        (
            "access: {finance: {}}\nnotices: [{when: [dead], to: [financ]}]",
            '3:31 notices[0].to[0]: no role "financ" is declared; did you mean "finance"?',
        ),
        (
            "notices: [{when: [dead], to: 'Big Boss'}]",
            '2:30 notices[0].to: must be a role or a URL, like "mailto:ops@example.org", "file:" or "slack://..."',
        ),
        (
            "notices: [{when: [dead], to: 'mailto:Ops <o@example.org>'}]",
            '2:30 notices[0].to: must be one mail address, like "mailto:ops@example.org"',
        ),
        (
            "notices: [{when: [dead], to: 'mailto:a@b?to=c@d'}]",
            '2:30 notices[0].to: must be one mail address, like "mailto:ops@example.org"',
        ),
        (
            "notices: [{when: [dead], to: 'slack:canary'}]",
            '2:30 notices[0].to: must be a URL, like "mailto:ops@example.org", "file:" or "slack://..."',
        ),
        (
            "notices: [{when: [dead], to: 'file:', tables: [ordrs]}]",
            '2:48 notices[0].tables[0]: no table "ordrs"; did you mean "orders"?',
        ),
        (
            "notices: [{when: [dead], to: 'file:', tables: ['x*']}]",
            '2:48 notices[0].tables[0]: no table fits "x*"; declared: orders, curated.codes',
        ),
        (
            "notices: [{when: [dead], to: 'file:', digest: 1y}]",
            '2:47 notices[0].digest: must be written like 1m; found the text "1y"',
        ),
        (
            "notices: [{when: [dead], to: 'file:', at_most: 20/h}]",
            '2:48 notices[0].at_most: must say how many messages in what time, like "20/1h"; found "20/h"',
        ),
        (
            "notices: [{when: [dead], to: 'file:', name: a}, {when: [ok], to: 'file:', name: a}]",
            '2:81 notices[1].name: is the name of notices[0], too: "a"',
        ),
        (
            "access: {Boss: {}}",
            f'2:10 access.Boss: "Boss" cannot name a role; {ROLE}',
        ),
        (
            "notices: [{when: [dead], to: '${OPS}'}]",
            "2:30 notices[0].to: the environment variable OPS is not set; set it, or write $${OPS} for the text itself",
        ),
        ("mail: {server: mail.example.org}", '2:16 mail.server: must be written like "smtp://user:password@host:587"'),
        ("mail: {from: lake}", '2:14 mail.from: must be an address, like "lake@example.org"'),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    """Each mistake is one problem at its place, with the rule and what was meant."""
    assert problems(text) == [f"lake.yaml:{said}"]


def test_what_may_be_said() -> None:
    """Everything that is documented holds."""
    assert (
        problems(
            "mail: {server: 'smtps://u:pw22@mail.example.org', from: 'lake@example.org'}\n"
            "access: {finance: {contacts: ['mailto:f@example.org', 'jsons://hooks.example.org/x']}, ops: {}}\n"
            "notices:\n"
            "  - {name: a, when: ['*'], to: finance, tables: ['orders', 'curated.*'], digest: 0s, at_most: 1/1d}\n"
            "  - {when: [arrived, committed], to: [ops, 'file:out', 'mailto:x@example.org'], template: t.txt}"
        )
        == []
    )


def test_which_events_a_notice_tells() -> None:
    """Events by name or all; tables by name or pattern; what is about no table only where no table is asked for."""
    one, every = loads(
        "lake: l\nnotices:\n  - {when: [dead], to: 'file:', tables: ['curated.*', orders]}\n"
        f"  - {{when: ['*'], to: 'file:'}}\n{TABLES}"
    ).notices or [EMBEDDED, EMBEDDED]
    assert one.is_about("dead", [ORDERS])
    assert one.is_about("dead", [CODES])
    assert one.is_about("dead", [])
    assert not one.is_about("dead", [TableName.parse("other")])
    assert not one.is_about("dead", None)
    assert not one.is_about("alarm", [ORDERS])
    assert every.is_about("workflow", None)


def test_names_of_targets_show_no_secret() -> None:
    """Targets are called by what shows whom they reach; those called the same are numbered."""
    declaration = loads(
        "lake: l\naccess:\n  none: {}\n"
        "  ops: {contacts: ['mailto:o@example.org', 'slack://T1/B1/abc', 'slack://T1/B1/abd']}\n"
        "notices:\n  - {when: [dead], to: [ops, none, 'file:', 'mailtos://u:hunter99@mail.example.org?to=x@example.org',"
        " 'jsons://u:hunter99@example.org:8443/path/tok?x=1', 'json://example.org', 'slack://T1/B1/abc']}"
    )
    (subscription,) = subscriptions_of(declaration)
    assert [target.label for target in subscription.targets] == [
        *("mailto:o@example.org", "slack://***", "slack://*** (2)", "outbox for none", "outbox"),
        *("mailtos://mail.example.org to x@example.org", "jsons://example.org:8443/***", "json://example.org"),
    ]
    assert redacted("hunter99") == "***"
