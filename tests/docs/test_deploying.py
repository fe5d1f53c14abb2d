"""What the pages about AWS tell people to write can be deployed, and a figure that they give is the real one."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
import yaml

from penstock.declaration import examine
from penstock.deployment.deployable import refusals
from penstock.deployment.synth import synthesise
from tests.aws.permission_questions import AGENCY, EVERY, IMMOBILIER, ORDERS
from tests.docs.pages import ROOT, blocks

DOCS = ROOT / "docs"
PAGES = {
    "moving/consultations.md": "consultations",
    "moving/immobilier.md": "immobilier",
    "moving/orders.md": "orders",
    "deploying.md": "consultations",
}
IN_PASSING = {"moving/consultations.md": {"aws": {"region": "eu-west-3", "owner": "ops@example.org"}}}
"""What a page says within a sentence."""


def declared(page: str) -> dict[str, Any]:
    """A template's declaration with what a page first tells people to add to it, or to put in its place."""
    text = (resources.files("penstock.templates") / PAGES[page] / "lake.yaml").read_text(encoding="utf-8")
    whole: dict[str, Any] = yaml.safe_load(text)
    parts = [yaml.safe_load(block.text) for block in blocks(DOCS / page) if block.language in {"yml", "yaml"}]
    part = parts[0] if parts else IN_PASSING[page]
    assert isinstance(part, dict), page
    return whole | part


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_tells_people_to_declare_can_be_deployed(page: str) -> None:
    """The template, changed as the page says, has no problem, is refused nothing, and tells those who are named."""
    whole = declared(page)
    examined = examine(yaml.safe_dump(whole, sort_keys=False), environment={})
    assert [*examined.problems, *refusals(examined)] == []
    made = synthesise(examined)
    assert not [note for note in made.notes if "nobody is told" in note or "has no contacts" in note]
    assert made.region == whole["aws"]["region"]


def test_the_number_of_questions_is_no_exaggeration() -> None:
    """The page on security says how many questions are asked: there are as many, each another one."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    assert re.search(r"more than a thousand questions over the policies of four\s+lakes", text)
    rows = (*EVERY, *IMMOBILIER, *ORDERS, *AGENCY)
    assert len({(row.principal, row.action, row.resource, str(row.context)) for row in rows}) > 1_000
