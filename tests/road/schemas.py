"""Lakes whose files differ from each other, and tables looked at by two readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import penstock
from penstock.arrivals import Summary
from penstock.naming import TableName
from tests.road.lakes import ask

T = TableName.parse("t")


def lake_of(folder: Path, declaration: str = "") -> Path:
    """Make a lake with one table `t` of all files; `declaration` is what else is said of the table."""
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    declare(folder, declaration)
    return folder


def declare(lake: Path, declaration: str) -> None:
    """Say something else of the table."""
    text = "".join(f"    {line}\n" for line in declaration.splitlines())
    (lake / "lake.yaml").write_text(f'lake: schemas\ntables:\n  t:\n    files: "*"\n{text}', encoding="utf-8")


def run(lake: Path, **files: str) -> Summary:
    """Let files land (`a_csv` is `a.csv`) and run the lake once."""
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (lake / "raw" / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    with penstock.open(lake) as opened:
        return opened.run()


def rows(lake: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """The table's rows, in order; another reader of the format must see the same."""
    with penstock.open(lake) as opened:
        found = sorted(opened.query(f"SELECT {columns} FROM t").fetchall(), key=repr)
        if columns == "*":
            table = opened.catalog._catalog().load_table(("main", "t"))
            read = table.scan().to_arrow().to_pylist()
            assert sorted((tuple(row.values()) for row in read), key=repr) == found
        return found


def types(lake: Path) -> dict[str, str]:
    """The table's columns."""
    with penstock.open(lake) as opened:
        head = opened.catalog.head(T)
        return {column.name: column.type for column in head.columns} if head else {}


def column(values: list[str]) -> str:
    """A file with one column beside an id."""
    return "id,v\n" + "".join(f"{at},{value}\n" for at, value in enumerate(values))


def aside(lake: Path) -> list[tuple[Any, ...]]:
    """What was set aside: file, line, rule, reason."""
    return ask(lake, "SELECT file, line, rule, reason FROM penstock.quarantine ORDER BY ALL")
