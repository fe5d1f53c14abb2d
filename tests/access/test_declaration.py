"""What a declaration may say of roles, and what is granted by it."""

from __future__ import annotations

import pytest

from penstock.access import grant_of
from penstock.declaration import loads
from penstock.errors import AccessError, DeclarationError
from penstock.naming import TableName

TABLES = "tables:\n  annonces: {files: a}\n  sales.orders: {files: b}\n  sales.lines: {files: c}\n"
KNOWN = [TableName.parse(name) for name in ("annonces", "sales.orders", "sales.lines", "main.old", "quarantine.x")]


def problems(access: str) -> str:
    """What is said of a declaration with such roles."""
    with pytest.raises(DeclarationError) as caught:
        loads(f"lake: x\naccess:\n  {access}\n{TABLES}")
    return str(caught.value)


@pytest.mark.parametrize(
    ("access", "text"),
    [
        ("f: {query: [anonces]}", 'lake.yaml:3:15 access.f.query[0]: no table "anonces"; did you mean "annonces"?'),
        (
            'f: {query: [annonces, "hr.*"]}',
            'lake.yaml:3:25 access.f.query[1]: no table fits "hr.*"; declared: annonces, sales.orders, sales.lines',
        ),
        ("f: {query: [penstock.runs]}", 'no table "penstock.runs"'),
        ("f: {query: annonces}", "must be all, or a list of tables such as [annonces]"),
        ("f: {query: [all]}", 'access.f.query[0]: stands in a list, where it names a table; "query: all"'),
        ("f: {querry: all}", 'lake.yaml:3:7 access.f: unknown key "querry"; did you mean "query"?'),
        ("f: {query: [3]}", "access.f.query[0]: must be text, found the number 3"),
        ("F: {query: all}", '"F" cannot name a role'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(access: str, text: str) -> None:
    """Unknown tables, patterns that fit none and misspelt keys are problems of the declaration."""
    assert text in problems(access)


@pytest.mark.parametrize(
    ("query", "granted"),
    [
        ("[annonces]", {"annonces"}),
        ("[main.annonces]", {"annonces"}),
        ('["sales.*"]', {"sales.orders", "sales.lines"}),
        ('["*"]', {"annonces", "sales.orders", "sales.lines", "old"}),
        ("[]", set()),
    ],
)
def test_patterns_become_tables_that_are_there(query: str, granted: set[str]) -> None:
    """A grant is a set of tables of the lake; the layers of the product itself are in none of them."""
    declared = loads(f"lake: x\naccess: {{f: {{query: {query}}}}}\n{TABLES}")
    grant = grant_of(declared.access, "f", KNOWN)
    assert grant.tables is not None
    assert {str(table) for table in grant.tables} == granted


def test_all_is_everything_and_nothing_is_the_default() -> None:
    """`all` limits nothing; a role of which nothing is said may query nothing."""
    declared = loads(f"lake: x\naccess: {{boss: {{query: all}}, guest: {{}}}}\n{TABLES}")
    boss, guest = (grant_of(declared.access, role, KNOWN) for role in ("boss", "guest"))
    assert boss.is_all
    assert boss.covers(TableName("penstock", "runs"))
    boss.assert_allows("DROP TABLE x; no SQL")  # whether it may be asked at all is not a question of roles
    assert guest.tables == frozenset()
    assert guest.words == "it may query nothing; access.guest.query in lake.yaml grants tables"


def test_a_mistyped_role_gets_a_suggestion() -> None:
    """The closest role is named, and all of them are listed."""
    declared = loads(f"lake: x\naccess: {{finance: {{}}, admin: {{query: all}}}}\n{TABLES}")
    with pytest.raises(AccessError) as caught:
        grant_of(declared.access, "finanse", KNOWN)
    assert str(caught.value) == (
        'no role "finanse" is declared; did you mean "finance"?\n  declared below access: finance, admin'
    )
