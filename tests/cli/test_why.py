"""`penstock why` and `penstock show --history`: which file, line and value decided."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.formats import is_type
from tests.cli.conftest import call

Make = Callable[[str, dict[str, str]], Path]
DECLARATION = """
lake: why
tables:
  t:
    files: "*.csv"
    steps:
      - parse: {day: date}
      - derive: {year: year(day), double: price * 2}
      - trim: [name]
      - rename: {price: cost}
      - drop: [note]
"""
FIRST = 'id,price,day,name,none,note\n1,12,2024-01-05,x,,"a\nb"\n2,85.5,2024-01-06,y,,c\n'


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two files, the second of which widens a column."""
    folder = tmp_path_factory.mktemp("why")
    (folder / "raw").mkdir()
    (folder / "lake.yaml").write_text(DECLARATION)
    (folder / "raw" / "a.csv").write_text(FIRST)
    assert call("-C", folder, "run").code == 0
    (folder / "raw" / "b.csv").write_text("id,price,day,name,none,note\n3,1,2024-01-07,z,,d\n4.5,1,2024-01-07,z,,d\n")
    assert call("-C", folder, "run").code == 0
    return folder


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("cost", ["t.cost: DOUBLE", 'because a.csv line 4 holds "85.5", which is no integer', 'called "price"']),
        ("price", ["t.cost: DOUBLE", 'renamed from "price" by tables.t.steps[3].rename']),
        ("ID", ["t.id: DOUBLE", 'because b.csv line 3 holds "4.5", which is no integer', "it was BIGINT until 20"]),
        ("day", ["t.day: DATE", "because declared by tables.t.steps[0].parse.day: date"]),
        ("year", ["t.year: BIGINT", "because computed by tables.t.steps[1].derive.year: year(day)"]),
        ("none", ["t.none: VARCHAR", "because no file has had a value yet; the first one decides"]),
        ("note", ["note: a column of the files, read as VARCHAR", "no column of t shows it as it is"]),
    ],
)
def test_why_names_file_line_and_value(lake: Path, column: str, said: list[str]) -> None:
    """The column may be named as in the table or in the files; steps that have to do with it are named."""
    outcome = call("-C", lake, "why", f"t.{column}")
    assert outcome.code == 0
    assert [text for text in said if text not in outcome.out] == [], outcome.out


def test_why_of_a_table_tells_the_dialect(lake: Path) -> None:
    """Every choice about the files stands there with its reason, then every column with its own."""
    outcome = call("-C", lake, "why", "t")
    assert outcome.code == 0
    for text in ("was decided with a.csv", "delimiter", "encoding", 'a.csv line 4 holds "85.5"', "(note)"):
        assert text in outcome.out
    facts = call("-C", lake, "why", "t", "--json").json()
    assert {"delimiter", "encoding"} <= {choice["what"] for choice in facts["dialect"]}
    assert facts["first_file"] == "a.csv"
    assert [column["column"] for column in facts["columns"]][:3] == ["id", "cost", "day"]


def test_why_as_json(lake: Path) -> None:
    """A program reads the same facts, one by one."""
    facts = call("-C", lake, "why", "t.id", "--json").json()
    assert (facts["file"], facts["line"], facts["value"], facts["was"]) == ("b.csv", 3, "4.5", "BIGINT")
    assert (facts["type"], facts["read_as"], facts["file_column"]) == ("DOUBLE", "DOUBLE", "id")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.cots", 'no column "cots" in t; did you mean "cost"?'),
        ("s.cost", 'no table "s"'),
        ("nothing", 'no table "nothing"'),
    ],
)
def test_why_of_what_is_not_there(lake: Path, name: str, said: str) -> None:
    """A misspelt table or column gets the closest name."""
    outcome = call("-C", lake, "why", name)
    assert outcome.code == 1
    assert said in outcome.err


def test_the_history_is_shown(lake: Path) -> None:
    """What became of the columns, newest first, with the value that decided."""
    outcome = call("-C", lake, "show", "t", "--history")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    widened = next(at for at, line in enumerate(lines) if "widened: BIGINT to DOUBLE" in line)
    assert 'b.csv line 3 holds "4.5", which is no integer' in lines[widened]
    assert widened < next(at for at, line in enumerate(lines) if "created: " in line)
    history = call("-C", lake, "show", "t", "--history", "--json").json()["history"]
    assert (history[-1]["column"], history[-1]["change"], history[-1]["line"]) == ("id", "widened", 3)


def test_a_table_without_files_has_no_reasons(make: Make) -> None:
    """Before the first file there is nothing to tell but the next step."""
    folder = make(DECLARATION, {})
    outcome = call("-C", folder, "why", "t")
    assert (outcome.code, "no file has filled it yet" in outcome.out) == (0, True)
    assert call("-C", folder, "why", "t.cost").code == 1


@pytest.mark.parametrize("seed", range(2))
def test_the_evidence_is_right(make: Make, seed: int) -> None:
    """In any file the value that is named stands on that line, is of the type, and none before it asked for it."""
    chance = random.Random(seed)
    kinds = [["1", "2"], ["1.5"], ["2024-01-01"], ["x"], ["true"], [""]]
    columns = [[chance.choice(chance.choice(kinds[: 1 + chance.randrange(6)])) for _ in range(40)] for _ in range(6)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["pad", *(f"c{at}" for at in range(6))])
    pads = [chance.choice(["p", "two\nlines", "q"]) for _ in range(40)]
    writer.writerows([pad, *row] for pad, row in zip(pads, zip(*columns, strict=True), strict=True))
    folder = make('lake: e\ntables:\n  t: {files: "*.csv"}\n', {"a.csv": text.getvalue()})
    assert call("-C", folder, "run").code == 0
    lines = [2 + at + sum("\n" in pad for pad in pads[:at]) for at in range(40)]
    facts = call("-C", folder, "why", "t", "--json").json()
    for column in facts["columns"][1:]:
        values = columns[int(column["column"][1:])]
        if not any(values):
            assert column["value"] is None
            continue
        at = lines.index(column["line"])
        assert values[at] == column["value"]
        assert is_type(column["type"], column["value"])
        narrower = [kind for kind in ("BIGINT", "DOUBLE", "DATE") if all(is_type(kind, v) for v in values[:at] if v)]
        assert not any(values[:at]) or any(not is_type(kind, values[at]) for kind in [*narrower, "BOOLEAN"])
