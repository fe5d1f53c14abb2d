"""Row accounting: every row is somewhere, or the run fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engines import Rejected, Rule, Written
from penstock.errors import AccountingError
from penstock.quality.accounting import account
from penstock.state import Accounting

RULES = (
    Rule("require a", "dropped"),
    Rule("parse b", "quarantined"),
    Rule("require a", "dropped"),
    Rule("c", "dropped"),
)
COUNTS = st.integers(0, 10**12)


@given(COUNTS, st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), st.integers(0, 3))
def test_figures_that_add_up(rows_out: int, by_rule: tuple[int, ...], refused: int) -> None:
    """Rules of one name are one figure, rules without rows are none, refused records are quarantined."""
    rejected = tuple(Rejected(at, "kind", "reason", "raw") for at in range(refused))
    written = Written(rows_out + sum(by_rule) + refused, rows_out, by_rule, rejected, 7)
    figures = account(written, RULES, 5)
    dropped = {"require a": by_rule[0] + by_rule[2], "c": by_rule[3]}
    assert figures.dropped == {rule: count for rule, count in dropped.items() if count}
    assert (figures.quarantined, figures.rows_out) == (by_rule[1] + refused, rows_out)
    assert (figures.bytes_in, figures.bytes_out) == (5, 7)
    assert figures.adds_up


@given(COUNTS, st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), st.integers(-5, 5).filter(bool))
def test_figures_that_do_not_add_up(rows_out: int, by_rule: tuple[int, ...], off: int) -> None:
    """One row too many or too few, wherever, is an error."""
    written = Written(rows_out + sum(by_rule), rows_out, by_rule, (), 7)
    with pytest.raises(AccountingError, match="rows came in, but"):
        account(replace(written, rows_in=written.rows_in + off), RULES, 5)
    with pytest.raises(AccountingError):
        account(replace(written, rows_out=written.rows_out + off), RULES, 5)


def test_the_error_shows_the_figures() -> None:
    """The text has every figure, and what became of the table."""
    with pytest.raises(AccountingError) as caught:
        account(Written(10, 5, (1, 2, 0, 0), (), 0), RULES, 0)
    assert str(caught.value) == (
        "10 rows came in, but 5 went out, 1 were dropped and 2 quarantined\n"
        "  nothing was committed; please report this with the file, it is a defect"
    )


def test_counts_belong_to_rules() -> None:
    """Counts without a rule, or rules without a count, are no account."""
    with pytest.raises(ValueError, match="zip"):
        account(Written(1, 1, (0,), (), 0), RULES, 0)


def test_accounts_are_added_rule_by_rule() -> None:
    """The account of a run is the sum of its files'."""
    total = Accounting(5, 2, {"a": 1, "b": 1}, 1, 10, 1) + Accounting(4, 1, {"b": 2}, 1, 20, 2)
    assert total == Accounting(9, 3, {"a": 1, "b": 3}, 2, 30, 3)
    assert total.adds_up
