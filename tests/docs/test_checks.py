from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

import penstock
from penstock.declaration import Check
from penstock.naming import TableName
from tests.docs.pages import ROOT, Example, examples

PAGE = ROOT / "docs" / "checks.md"
PARTS = ("check", "arrives", "customers", "becomes", "set aside", "refused")
OPTIONS = {"on_breach", "when", "name"}


EXAMPLES = examples(PAGE, "check", PARTS)


def declared(example: Example) -> dict[str, object]:
    """The check as it is declared; it quarantines unless it says otherwise."""
    return {"on_breach": "quarantine", **yaml.load(example.parts["check"], yaml.BaseLoader)}  # noqa: S506 - texts only


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[penstock.Lake]:
    """One lake with a table for every example, run once."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "raw").mkdir()
    declaration = "lake: examples\ntables:\n"
    for example in EXAMPLES:
        check = "".join(f"        {line}\n" for line in example.parts["check"].splitlines())
        if "on_breach" not in example.parts["check"]:
            check += "        on_breach: quarantine\n"
        declaration += f"  {example.table}:\n    files: {example.table}.csv\n    checks:\n      -\n{check}"
        (folder / "raw" / f"{example.table}.csv").write_text(example.parts["arrives"], encoding="utf-8")
        if "customers" in example.parts:
            (folder / "raw" / "customers.csv").write_text(example.parts["customers"], encoding="utf-8")
    (folder / "lake.yaml").write_text(f"{declaration}  customers: {{files: customers.csv}}\n", encoding="utf-8")
    with penstock.open(folder) as lake:
        lake.run()
        yield lake


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.table)
def test_an_example_of_a_check_is_what_the_engine_does(example: Example, played: penstock.Lake) -> None:
    """The file of the example, checked, becomes the rows shown and sets aside, or is refused for, what is shown."""
    dead = [arrival.reason or "" for arrival in played.state.arrivals.find(TableName.parse(example.table), ("dead",))]
    assert "".join(f"{reason.split('; nothing of the file')[0]}\n" for reason in dead) == example.parts.get(
        "refused", ""
    )
    assert bool(dead) is (example.table not in played.tables)
    if not dead:
        assert _rows(played, example.table) == sorted(example.parts["becomes"].splitlines())
        assert _set_aside(played, example.table) == example.parts.get("set aside", "")


def _rows(lake: penstock.Lake, table: str) -> list[str]:
    result = lake.query(f"SELECT * FROM {table}")
    rows = [[str("null" if value is None else value) for value in row] for row in [result.columns, *result]]
    return sorted(",".join(cell if cell.strip() else f'"{cell}"' for cell in cells) for cells in rows)


def _set_aside(lake: penstock.Lake, table: str) -> str:
    found = lake.query(f"SELECT line, reason FROM penstock.quarantine WHERE table_name = '{table}' ORDER BY line")
    return "".join(f"line {line}, {reason}\n" for line, reason in found)


def test_every_check_has_an_example() -> None:
    """Each kind of check that a declaration may hold has a section of its own with a whole example."""
    kinds = {field.alias or name for name, field in Check.model_fields.items()} - OPTIONS
    shown = [next(iter(declared(example).keys() - OPTIONS)) for example in EXAMPLES]
    assert set(shown) == kinds
    assert all({"becomes"} <= example.parts.keys() or "refused" in example.parts for example in EXAMPLES)
    headings = [line[3:] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert kinds <= set(headings)
