"""What the shell is offered while one types: names of tables and templates, told without opening the lake.

Only plain YAML and, for tables that are no longer declared, the catalog's own file are read. Whatever is wrong with
them is no matter here: then nothing is offered.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from penstock.naming import natural


class TableParam(click.ParamType[str]):
    """The name of a table; completed from the lake."""

    name = "table"

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names of tables that start as typed."""
        folder = Path(ctx.find_root().params.get("directory") or ".")
        return [CompletionItem(name) for name in table_names(folder) if name.startswith(incomplete)]


class TemplateParam(click.ParamType[str]):
    """The name of a template; completed from those that are shipped."""

    name = "template"

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Templates that start as typed."""
        from penstock.templates import TEMPLATES

        return [CompletionItem(name, help=text) for name, text in TEMPLATES.items() if name.startswith(incomplete)]


TABLE = TableParam()
TEMPLATE = TemplateParam()


def table_names(folder: Path) -> list[str]:
    """Names of the tables that are declared or exist, in order; none where that cannot be told."""
    try:
        declared = _declared(folder / "lake.yaml")
        tables = declared.get("tables")
        zones = declared.get("zones")
        processed = zones.get("processed") if isinstance(zones, dict) else None
        there = _existing(folder / (processed or "processed") / "catalog.db")
    except Exception:  # noqa: BLE001 - nobody wants to read of errors while typing
        return []
    return sorted({*(tables if isinstance(tables, dict) else ()), *there}, key=lambda name: natural(str(name)))


def _declared(file: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    value = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=loader)  # noqa: S506 - both loaders are safe
    return value if isinstance(value, dict) else {}


def _existing(file: Path) -> list[str]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.1)) as connection:
        rows = connection.execute("SELECT table_namespace, table_name FROM iceberg_tables").fetchall()
    return [name if layer == "main" else f"{layer}.{name}" for layer, name in rows]
