"""A lake in which something is secret: two tables, their raw files and data files hold a mark that none may see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import penstock
from penstock.lake import Lake

MARK = "zq7-secret"
DECLARATION = """\
lake: agency
access:
  finance: {query: [annonces, "sales.*"]}
  admin: {query: all}
  curated: {query: ["*"]}
  guest: {}
tables:
  annonces: {files: "annonces*.csv", steps: [{parse: {prix: integer}}]}
  sales.orders: {files: "orders*.csv"}
  sales.lines: {files: "lines*.csv"}
  salaries: {files: "salaries*.csv"}
  hr.people: {files: "people*.csv"}
"""
FILES = {
    "annonces.csv": f"id,titre,prix\n1,loft,900\n2,studio,400\n3,{MARK},dear\n",
    "orders.csv": "id,amount\n1,10\n2,20\n",
    "lines.csv": "id,article\n1,lamp\n",
    "salaries.csv": f"id,name,wage\n1,{MARK},4711\n2,{MARK},4712\n",
    "people.csv": f"id,person\n1,{MARK}\n",
}


@pytest.fixture(scope="session")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The lake, its files processed; one row of `annonces` is in quarantine."""
    folder = tmp_path_factory.mktemp("agency")
    (folder / "raw").mkdir()
    (folder / "lake.yaml").write_text(DECLARATION)
    for name, text in FILES.items():
        (folder / "raw" / name).write_text(text)
    with penstock.open(folder) as opened:
        opened.run()
        yield opened
