from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there and, after #, one of its headings."""
    broken = []
    for line, target in links(page):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not file.exists():
            broken.append(f"{name_of(page)}:{line}: no file {target}")
        elif parts.fragment and parts.fragment not in anchors(file):
            broken.append(f"{name_of(page)}:{line}: no heading {target}")
    assert not broken, "\n".join(broken)


def test_links_are_found() -> None:
    """The README links into the documentation, so that a change of markup cannot empty the test above."""
    assert any(target.startswith("docs/") for _, target in links(ROOT / "README.md"))


def test_pages_stay_inside_the_site() -> None:
    """A page below docs/ links to no file outside it: the built site holds nothing else."""
    outside = [
        f"{name_of(page)}:{line}: {target}"
        for page in PAGES
        if page.is_relative_to(ROOT / "docs")
        for line, target in links(page)
        if not urlsplit(target).scheme and not (page.parent / target).resolve().is_relative_to(ROOT / "docs")
    ]
    assert not outside, "\n".join(outside)


def test_every_page_has_its_place_in_the_navigation() -> None:
    """The navigation in zensical.toml names every page below docs/, once, and no other."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    there = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert sorted(_leaves(nav)) == sorted(there)


def _leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    children = nav.values() if isinstance(nav, dict) else nav
    return [leaf for child in children for leaf in _leaves(child)]
