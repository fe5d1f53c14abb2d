from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

import penstock
from penstock.declaration import Step
from penstock.naming import TableName
from tests.docs.pages import ROOT, Example, examples

PAGE = ROOT / "docs" / "steps.md"
PARTS = ("step", "steps.py", "arrives", "becomes", "set aside")


EXAMPLES = examples(PAGE, "step", PARTS)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[penstock.Lake]:
    """One lake with a table for every example, run once."""
    folder = tmp_path_factory.mktemp("steps")
    declaration = "lake: examples\ntables:\n"
    for example in EXAMPLES:
        step = "".join(f"          {line}\n" for line in example.parts["step"].splitlines())
        declaration += f"  {example.table}:\n    files: {example.table}.csv\n    steps:\n      -\n{step}"
        (folder / "raw").mkdir(exist_ok=True)
        if "steps.py" in example.parts:
            (folder / "steps.py").write_text(example.parts["steps.py"], encoding="utf-8")
        (folder / "raw" / f"{example.table}.csv").write_text(example.parts["arrives"], encoding="utf-8")
    (folder / "lake.yaml").write_text(declaration, encoding="utf-8")
    with penstock.open(folder) as lake:
        lake.run()
        yield lake


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.table)
def test_an_example_of_a_step_is_what_the_engine_does(example: Example, played: penstock.Lake) -> None:
    """The file of the example, taken in with its step, becomes the rows shown and sets aside what is shown."""
    head, *rows = example.parts["becomes"].splitlines()
    found, *there = _rows(played, example.table).splitlines()
    assert (found, sorted(there)) == (head, sorted(rows)), "a table's rows have no order"
    assert _set_aside(played, example.table) == example.parts.get("set aside", "")


def _rows(lake: penstock.Lake, table: str) -> str:
    result = lake.query(f"SELECT * FROM {table}")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows(["null" if value is None else value for value in row] for row in result)
    return out.getvalue()


def _set_aside(lake: penstock.Lake, table: str) -> str:
    said = []
    for fate, source in (("quarantined", "quarantine"), ("warned", "warnings")):
        rows = lake.query(f"SELECT line, reason FROM penstock.{source} WHERE table_name = '{table}' ORDER BY line")
        said += [f"{fate}: line {line}, {reason}\n" for line, reason in rows]
    (run,) = lake.state.runs.list(TableName.parse(table))
    dropped = [f"dropped: {count} by {rule}\n" for rule, count in run.accounting.dropped.items()]
    added = [f"added: {run.accounting.added}\n"] if run.accounting.added else []
    return "".join([*said, *dropped, *added])


def test_every_step_has_an_example() -> None:
    """Each kind of step that a declaration may hold has a section of its own with a whole example."""
    shown = {next(iter(example.parts["step"].split(":"))) for example in EXAMPLES}
    assert shown == set(Step.model_fields)
    assert all({"step", "arrives", "becomes"} <= example.parts.keys() for example in EXAMPLES)
    headings = [line[3:] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert set(Step.model_fields) <= set(headings)
