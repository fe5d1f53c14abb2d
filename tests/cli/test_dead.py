"""`penstock dead`: list, show, replay, discard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from penstock.cli.since import since_when
from tests.cli.conftest import call

Make = Callable[[str, dict[str, str]], Path]
ORDERS = 'lake: shop\ntables:\n  orders: {files: "o*.csv"}\n  others: {files: "x*.csv"}\n'
FACTS = {
    *("id", "table", "file", "version", "bytes", "state", "reason", "code", "trace", "line", "row", "column"),
    *("attempts", "processes_lost", "failed_first", "failed_last", "run", "penstock", "declaration", "discarded"),
    "why",
}


@pytest.fixture
def lake(make: Make) -> Path:
    """A lake with two dead letters of different tables, and a good file."""
    folder = make(ORDERS, {"o1.csv": "n,n\n1,2\n", "x1.csv": "", "o2.csv": "n\n1\n"})
    outcome = call("-C", folder, "run")
    assert outcome.code == 3
    assert f"penstock -C {folder} dead list" in outcome.out
    return folder


def test_letters_are_listed_shown_and_chosen(lake: Path) -> None:
    """Each with its number, file, attempts and reason; one of them with all that is known; by table, too."""
    human = call("-C", lake, "dead", "list")
    assert "2 files dead" in human.out
    assert "o1.csv" in human.out
    facts = call("-C", lake, "dead", "list", "--json").json()
    assert [set(letter) for letter in facts] == [FACTS, FACTS]
    (only,) = call("-C", lake, "dead", "list", "--table", "others", "--since", "1h", "--json").json()
    assert (only["file"], only["code"], only["attempts"]) == ("x1.csv", "bad_file", 1)
    shown = call("-C", lake, "dead", "show", str(only["id"]), "--traceback")
    assert "the file is empty" in shown.out
    assert "Traceback" in shown.out
    assert f"dead replay {only['id']}" in shown.out
    program = call("-C", lake, "dead", "show", str(only["id"]), "--json").json()
    assert set(program) == {*FACTS, "traceback"}
    assert "BadFileError" in program["traceback"]


def test_letters_are_replayed_and_discarded(lake: Path) -> None:
    """What waits again says who takes it; what is given up is listed apart; refusals end with 1."""
    letters = call("-C", lake, "dead", "list", "--json").json()
    first, second = (str(letter["id"]) for letter in letters)
    tried = call("-C", lake, "dead", "replay", "--all", "--dry-run")
    assert (tried.code, tried.out.count("would wait again")) == (0, 2)
    replayed = call("-C", lake, "dead", "replay", first)
    assert (replayed.code, "waits again" in replayed.out) == (0, True)
    assert f"penstock -C {lake} run" in replayed.out
    again = call("-C", lake, "dead", "replay", first, "--json")
    assert (again.code, [answer["outcome"] for answer in again.json()]) == (0, ["already"])
    given_up = call("-C", lake, "dead", "discard", "--table", "others", "--why", "a test")
    assert (given_up.code, "is given up" in given_up.out) == (0, True)
    refused = call("-C", lake, "dead", "replay", second)
    assert (refused.code, "it comes back only when the file changes" in refused.out) == (1, True)
    assert "a test" in call("-C", lake, "dead", "list", "--discarded").out
    assert "no file is dead" in call("-C", lake, "dead", "list").out
    assert "no file is dead" in call("-C", lake, "dead", "replay", "--all").out


def test_whom_one_means_must_be_said(lake: Path) -> None:
    """Neither nobody, nor numbers and a choice at once; numbers and moments must be there and make sense."""
    for arguments in (["replay"], ["replay", "1", "--all"], ["discard", "--why", "x"], ["show", "99"]):
        outcome = call("-C", lake, "dead", *arguments)
        assert outcome.code == 1
        assert "dead list" in outcome.err
    assert call("-C", lake, "dead", "list", "--since", "yesterday").code == 2
    assert call("-C", lake, "dead", "discard", "1").code == 2, "the reason is missing"


def test_a_thousand_letters_are_a_few_lines(make: Make) -> None:
    """More than 20 dead letters are shown by cause, the most frequent first; all of a cause are replayed at once."""
    files = {f"o{at}.csv": f"n,n\n{at},2\n" for at in range(40)}
    folder = make(ORDERS, {**files, "x1.csv": ""})
    assert call("-C", folder, "run", "--quiet").code == 3
    human = call("-C", folder, "dead", "list")
    assert len(human.out.splitlines()) < 12
    assert "41 files dead, for 2 causes" in human.out
    assert len(call("-C", folder, "dead", "list", "--each").out.splitlines()) > 41
    (trace,) = {line.split()[2] for line in human.out.splitlines() if " orders " in line}
    assert f"dead replay --trace {trace}" in human.out
    replayed = call("-C", folder, "dead", "replay", "--trace", trace)
    assert replayed.out.count("waits again") == 21
    assert "and 20 more files: waits again" in replayed.out
    assert "1 file dead" in call("-C", folder, "dead", "list").out


def test_moments_as_people_type_them() -> None:
    """How long ago, or a date, with a time zone or in UTC."""
    assert since_when("90m", 10_000) == 4_600
    assert since_when("2 h", 10_000) == 2_800
    assert since_when("1970-01-02", 0) == 86_400
    assert since_when("1970-01-02T01:00:00+01:00", 0) == 86_400
    with pytest.raises(click.BadParameter, match="is no moment"):
        since_when("soon", 0)
