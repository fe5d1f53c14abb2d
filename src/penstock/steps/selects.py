"""The SELECT of a `sql` step, looked at before a file is there: the names that it reads and gives.

Only a plain SELECT from `input` is looked into. What joins, unions or selects from subqueries is left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penstock.steps.expressions import Reference, columns_read, parsed, reference_to

INPUT = "input"


@dataclass(frozen=True)
class Selected:
    """What a SELECT does to columns.

    Attributes:
        missing: Columns that it reads and that are not there.
        names: Columns that it gives; None where that is not known.
    """

    missing: tuple[Reference, ...] = ()
    names: list[str] | None = None


def select_names(sql: str, columns: list[str]) -> Selected:
    """Tell what a sound SELECT reads that is not among `columns`, and what it gives."""
    tree = parsed(sql)
    if tree.get("error"):
        return Selected()
    node = tree["statements"][0]["node"]
    if not _is_plain(node):
        return Selected()
    source = node["from_table"]
    called = {str(source.get("alias") or source["table_name"]).lower()}
    missing = _missing(node, sql, columns, called)
    return Selected(tuple(missing), _names(node["select_list"], columns))


def _is_plain(node: dict[str, Any]) -> bool:
    if node["type"] != "SELECT_NODE" or node["cte_map"]["map"]:
        return False
    source = node["from_table"]
    return (
        source["type"] == "BASE_TABLE"
        and str(source["table_name"]).lower() == INPUT
        and not source["schema_name"]
        and not source["column_name_alias"]
    )


def _missing(node: dict[str, Any], sql: str, columns: list[str], called: set[str]) -> Iterator[Reference]:
    known = {name.lower() for name in columns}
    given = {str(item.get("alias") or "").lower() for item in node["select_list"]}
    for part in columns_read({key: value for key, value in node.items() if key != "from_table"}):
        names = part["column_names"]
        name = str(names[1] if len(names) > 1 and str(names[0]).lower() in called else names[0])
        if name.lower() not in known | given:
            yield reference_to(part, sql, 0, name)
    for star in node["select_list"]:
        if star.get("class") == "STAR":
            for name in _listed(star):
                if name.lower() not in known:
                    yield reference_to(star, sql, 0, name)


def _listed(star: dict[str, Any]) -> Iterator[str]:
    """Columns that are named beside a `*`."""
    yield from (str(name) for name in star["exclude_list"])
    yield from (str(entry["key"]) for entry in star["replace_list"])
    yield from (str(entry["key"]["column"]) for entry in star["rename_list"])


def _names(items: list[dict[str, Any]], columns: list[str]) -> list[str] | None:
    names: list[str] = []
    for item in items:
        if item.get("class") == "STAR":
            if item["columns"] or item["expr"]:
                return None
            gone = {str(name).lower() for name in item["exclude_list"]}
            renamed = {str(entry["key"]["column"]).lower(): str(entry["value"]) for entry in item["rename_list"]}
            names += [renamed.get(name.lower(), name) for name in columns if name.lower() not in gone]
        elif item.get("alias"):
            names.append(str(item["alias"]))
        elif item.get("class") == "COLUMN_REF":
            names.append(str(item["column_names"][-1]))
        else:
            return None
    return names
