"""What `make bench` runs, end to end at tiny sizes: figures, tables, charts and the page; and who may not take part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import FOLDER, Load

pytestmark = pytest.mark.timeout(300)  # whole processes, one after the other
MEASURED = ("road", "large", "small", "commits", "live", "query", "startup")
"""All but `install`, which needs packages that are not the product's."""
ONLY = ("penstock run", "penstock query", "penstock --help", "DuckDB COPY")


class Tree:
    """A tree whose page is written; what a test asks for is measured once, at tiny sizes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "docs").mkdir(parents=True)

    def measured(self, *names: str) -> dict[str, Any]:
        """What is kept, with these measurements among it."""
        for name in names:
            if name not in self._kept():
                self._measure(name)
        return {name: kept for name, kept in self._kept().items() if name in names}

    def _kept(self) -> dict[str, Any]:
        file = self.root / "benchmarks" / "figures.json"
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return kept

    def _measure(self, name: str) -> None:
        options = ["--quick", "--rows", "2000", "--data", str(self.root / "data"), "--root", str(self.root)]
        only = [f"--only={part}" for part in ONLY]
        command = [sys.executable, str(FOLDER / "bench.py"), name, "--write-docs", *options, *only]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """One tree for all tests."""
    return Tree(tmp_path_factory.mktemp("measured") / "tree")


@pytest.mark.parametrize("name", MEASURED)
def test_measurement_runs_end_to_end(tree: Tree, name: str) -> None:
    """Day, machine and versions are kept; each row has a figure for each column; the product's rows were right."""
    (kept,) = tree.measured(name).values()
    assert len(kept["date"]) == len("2026-01-01")
    assert not [word for word in ("cores of", "GB of memory", "duckdb 1.", "penstock ") if word not in kept["machine"]]
    (table,) = kept["tables"]
    assert table["right"]
    assert table["rows"]
    for row in table["rows"]:
        assert len(row["figures"]) == len(table["columns"])
        found = [figure for figure in row["figures"] if figure is not None]
        assert found, row
        assert min(found) >= 0
        assert not row["outcome"].startswith(("failed", "refused"))


@pytest.mark.parametrize("name", ["road", "large", "small"])
def test_rows_of_everyone_were_compared(tree: Tree, name: str) -> None:
    """The product gives exactly the rows that it should, and ratios refer to the bare copy."""
    rows = {row["name"]: row for row in tree.measured(name)[name]["tables"][0]["rows"]}
    assert rows["penstock run"]["outcome"] == "same"
    bare = next(row for row in rows if row.startswith("DuckDB COPY"))
    assert rows[bare]["outcome"].startswith("same")
    assert rows[bare]["figures"][1] == rows[bare]["figures"][3] == 1


def test_queries_are_compared_with_bare_reading(tree: Tree) -> None:
    """Every statement gave the same rows both ways, over what 400 records became."""
    (table,) = tree.measured("query")["query"]["tables"]
    assert [row["outcome"] for row in table["rows"]] == ["same"] * 5
    assert table["title"].startswith("Queries: 39")


def test_commits_are_timed_at_their_marks(tree: Tree) -> None:
    """The first mark is what ratios refer to, and a commit is a part of its run."""
    (table,) = tree.measured("commits")["commits"]["tables"]
    first, *_ = rows = table["rows"]
    assert [row["name"] for row in rows] == ["2nd commit", "4th commit", "8th commit", "mean of all"]
    assert first["figures"][1] == first["figures"][3] == 1
    for row in rows:
        commit, _, run, _ = row["figures"]
        assert 0 < commit < run


def test_page_shows_every_table_and_chart(tree: Tree) -> None:
    """The page is made of what is kept: all titles, all rows, and a chart with a text in its place."""
    figures = tree.measured("road", "commits")
    page = (tree.root / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name, kept in figures.items():
        (table,) = kept["tables"]
        assert f"\n## {table['title']}\n" in page
        assert f"](assets/benchmarks/{name}.svg)" in page
        assert (tree.root / "docs" / "assets" / "benchmarks" / f"{name}.svg").exists()
        for row in table["rows"]:
            assert f"\n| {row['name']} | " in page


def test_single_measurement_replaces_its_own_section_only(tree: Tree, tmp_path: Path, load: Load) -> None:
    """Keeping one measurement anew leaves the others as they were."""
    page = load("page")
    figures = tree.measured("road", "commits")
    page.keep({name: page.Kept.from_dict(kept) for name, kept in figures.items()}, list(MEASURED), tmp_path)
    again = page.Kept(page.read_figures(tmp_path)["commits"].tables, "2001-02-03", "another machine")
    merged = page.keep({"commits": again}, list(MEASURED), tmp_path)
    told = json.loads(json.dumps({name: one.as_dict() for name, one in merged.items()}))
    assert told["road"] == figures["road"]
    assert told["commits"]["tables"] == figures["commits"]["tables"]
    assert told["commits"]["date"] == "2001-02-03"
    assert page.read_figures(tmp_path) == merged
    text = page.page_text(merged)
    assert "- commits: 2001-02-03, another machine." in text
    assert f"- road: {figures['road']['date']}, " in text


def test_contender_with_wrong_rows_has_no_times(tmp_path: Path, load: Load) -> None:
    """One whose rows differ from the truth is refused; one whose rows are right is not."""
    road, samples, measuring, table = load("road"), load("samples"), load("measuring"), load("table")
    lake = samples.sample(tmp_path / "data", 2000)
    right = samples.truth(lake)
    program = tmp_path / "loses_a_row.py"
    source = (FOLDER / "road_copy.py").read_text(encoding="utf-8")
    program.write_text(source.replace("COPY ({select})", "COPY ({select} OFFSET 1)"), encoding="utf-8")
    contenders = [
        road.bare_copy(lake, tmp_path / "place", right),
        road.other("loses a row", [str(program)], lake, tmp_path / "place", right, wanted=(samples.SAME,), note=""),
    ]
    measuring.take_turns(contenders, 2)
    assert [len(one.usages) for one in contenders] == [2, 0]
    assert contenders[1].outcome == "refused: differ by 5"
    shown = table.of_processes("title", contenders, "DuckDB COPY", 2, own="loses a row")
    assert shown.rows[1].figures == (None,) * 5
    assert not shown.right


def test_contender_that_fails_later_loses_its_earlier_times(load: Load) -> None:
    """A contender counts only if every one of its runs was right."""
    measuring = load("measuring")
    outcomes = iter(["same", "differ"])
    one = measuring.Contender("one", [sys.executable, "-c", ""], after=lambda _: next(outcomes), wanted=("same",))
    failing = measuring.Contender("failing", [sys.executable, "-c", "import no_such_module"])
    measuring.take_turns([one, failing], 3)
    assert (one.outcome, one.usages) == ("refused: differ", [])
    assert (failing.outcome, failing.usages) == ("failed", [])
    assert one.is_out
    assert failing.is_out


def test_charts_are_the_same_every_time(tree: Tree, load: Load) -> None:
    """Same figures, same bytes; colours follow light and dark, and text is text."""
    tree.measured("road", "commits")
    charts, kept = load("charts"), load("page").read_figures(tree.root)
    for one in kept.values():
        drawn = charts.draw(one.tables[0])
        assert drawn == charts.draw(one.tables[0])
        assert "prefers-color-scheme: dark" in drawn
        assert not [colour for colour in charts.VARIABLES if colour in drawn.split("</style>", 1)[1]]
    assert "penstock run</text>" in charts.draw(kept["road"].tables[0])


def test_answers_of_the_install_race_are_compared(tmp_path: Path, load: Load) -> None:
    """The answer is told from the file's own rows, apart from any tool."""
    install, measuring = load("install"), load("measuring")
    sales, right = install._sales(tmp_path, 300)
    lines = sales.read_text(encoding="utf-8").splitlines()[1:]
    assert {city: sum(line.split(",")[1] == city for line in lines) for city in right} == right
    wrong = {**right, "Paris": right["Paris"] + 1}
    said = [measuring.Usage(0, 0, 0, f"words\n{json.dumps(answer)}\n") for answer in (right, wrong)]
    assert [install._judge(right, usage) for usage in said] == ["same", "differ"]


def test_page_of_the_documentation_is_that_of_the_figures(load: Load) -> None:
    """docs/benchmarks.md was not edited by hand, and has its charts."""
    page = load("page")
    kept = page.read_figures()
    assert page.page_in(page.ROOT).read_text(encoding="utf-8") == page.page_text(kept)
    there = {file.name for file in page.pictures_in(page.ROOT).glob("*.svg")}
    assert there == {f"{name}.svg" for name, one in kept.items() if one.tables[0].charts}


def test_profile_names_what_it_measures(tmp_path: Path) -> None:
    """The developer's aid runs, and what it wraps is there and is called."""
    command = [sys.executable, str(FOLDER / "bench.py"), "profile", "--rows", "2000", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("hashing", "opening and proving", "write pass", "commit", "everything else"):
        assert f"  {part} " in done.stdout
