from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
import yaml

from penstock.declaration import load_deployed
from tests.docs.pages import PAGES, ROOT, blocks, name_of
from tests.docs.replay import agree, normal, replay

REPLAYED = [
    page
    for page in PAGES
    if any(block.language in {"console", "python"} for block in blocks(page)) and page.name != "steps.md"
]


@pytest.mark.parametrize("page", REPLAYED, ids=name_of)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    """Commands and programs of a page, done in order, print what the page shows."""
    for block, real in replay(page, tmp_path):
        shown, found = normal(block.text), normal(real)
        assert agree(shown, found), f"{block.place} shows\n{block.text}\nbut what happens is\n{real}"


def test_enough_is_replayed() -> None:
    """The pages that teach are among those replayed, so that a change of markup cannot empty the test above."""
    taught = {"README.md", "docs/getting-started.md", "docs/first-change.md", "docs/python.md", "docs/querying.md"}
    assert taught <= {name_of(page) for page in REPLAYED}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_declarations_on_pages_are_valid(page: Path) -> None:
    """Every YAML block that is a declaration, or the tables of one, loads; its salts need not be known."""
    for block in blocks(page):
        if block.language == "yaml":
            top = yaml.safe_load(block.text)
            if isinstance(top, dict) and top.keys() & {"lake", "tables"} and not block.title.startswith("wrong"):
                load_deployed(block.text if "lake" in top else f"lake: example\n{block.text}")


def test_the_readme_shows_the_template_as_it_is() -> None:
    """The lake in the README is, letter for letter, the one that `penstock init consultations` makes."""
    template = resources.files("penstock.templates") / "consultations" / "lake.yaml"
    shown = [block.text for block in blocks(ROOT / "README.md") if block.language == "yaml"]
    assert shown == [template.read_text(encoding="utf-8")]


def test_a_wrong_output_is_noticed() -> None:
    """The comparison tells figures apart and passes over times, names of runs and sizes."""
    assert agree(normal("rows in 12 in 0.3 s\n"), normal("rows in 12 in 1.27 s\n"))
    assert not agree(normal("rows in 12"), normal("rows in 13"))
    assert not agree(normal("one\ntwo"), normal("one"))
    assert agree(["one", "…", "four"], ["one", "two", "three", "four"])
    assert not agree(["one", "…", "four"], ["one", "two", "three"])
