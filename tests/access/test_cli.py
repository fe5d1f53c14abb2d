"""Roles on the command line, and on the lake of listings that is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from penstock.errors import AccessError
from penstock.lake import Lake
from tests.cli.conftest import call
from tests.templates import lakes

CODE = 1


@pytest.fixture(scope="module")
def listings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake immobilier with its sample data, after one run."""
    folder = lakes.make("immobilier", tmp_path_factory.mktemp("listings"))
    with penstock.open(folder) as lake:
        lake.run()
    return folder


def test_finance_asks_the_listings_and_not_the_files(listings: Path) -> None:
    """Finance gets rows of the curated table; neither raw files nor what was set aside."""
    with penstock.open(listings) as lake:
        sql = "SELECT source, count(*), round(avg(prix_m2)) FROM annonces GROUP BY source ORDER BY source"
        rows = lake.query(sql, role="finance").fetchall()
        assert rows == lake.query(sql).fetchall()
        assert len(rows) > 1
        raw = next(lake.raw.root.glob("*.csv"))
        for refused in (f"FROM '{raw}'", f"FROM read_csv('{raw}')", "FROM quarantine.annonces", "FROM penstock.runs"):
            with pytest.raises(AccessError, match='the role "finance" may not'):
                lake.query(refused, role="finance")
            assert lake.query(refused, role="admin").fetchall()


def test_the_command_asks_for_a_role(listings: Path) -> None:
    """`query --role` answers or refuses, in JSON and as of a moment as well."""
    done = call("-C", listings, "query", "--role", "finance", "--format", "csv", "SELECT count(*) AS n FROM annonces")
    assert (done.code, done.out[:2]) == (0, "n\n")
    with penstock.open(listings) as lake:
        head = lake.catalog.head(lake.catalog.tables()[0])
    assert head is not None
    past = call("-C", listings, "query", "--role", "finance", "--at", str(head.snapshot), "FROM annonces LIMIT 1")
    assert past.code == 0
    refused = call("-C", listings, "query", "--role", "finance", "SELECT * FROM penstock.quarantine")
    assert (refused.code, refused.out) == (CODE, "")
    assert refused.err.splitlines() == [
        'error: the role "finance" may not query "penstock.quarantine"',
        "  it may query: annonces",
    ]
    unknown = call("-C", listings, "query", "--role", "finanse", "SELECT 1")
    assert (unknown.code, 'did you mean "finance"?' in unknown.err) == (CODE, True)


def test_tables_and_show_keep_to_a_role(agency: Lake) -> None:
    """Tables that a role may not query are not listed, and not shown, whether they exist or not."""
    listed = call("-C", agency.folder, "tables", "--role", "finance", "--json").json()
    assert [facts["table"] for facts in listed] == ["annonces", "sales.lines", "sales.orders"]
    assert len(call("-C", agency.folder, "tables", "--role", "admin", "--json").json()) == 5
    assert "may query no table" in call("-C", agency.folder, "tables", "--role", "guest").out
    assert call("-C", agency.folder, "show", "annonces", "--role", "finance").code == 0
    secret, absent = (call("-C", agency.folder, "show", name, "--role", "finance") for name in ("salaries", "nothing"))
    assert (secret.code, secret.out) == (absent.code, absent.out) == (CODE, "")
    assert secret.err.replace("salaries", "nothing") == absent.err


def test_a_limited_answer_counts_only_what_is_granted(agency: Lake) -> None:
    """What is left out of a limited table is counted for the role, too."""
    done = call("-C", agency.folder, "query", "--role", "finance", "--limit", "1", "FROM annonces")
    assert (done.code, "1 more row left out" in done.err) == (0, True)
