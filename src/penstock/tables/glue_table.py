"""What Glue's Data Catalog says of a table: the pointer, and for people and other programs what the table is like.

Athena, Spark and others find a table by the parameters `table_type` and `metadata_location`; all that counts they read
from there. Columns, their comments, the description and the tags stand beside them so that the console shows them, and
follow the declaration with each commit. What others wrote into the entry, such as an owner, stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.tables.catalog import Described

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

TAG = "penstock.tag."
"""Start of the names of properties that are the lake's tags."""
OWN = "penstock."
LONGEST_KEY, LONGEST_VALUE = 255, 512_000
"""Bytes that Glue takes for a parameter."""
LONGEST_NAME, LONGEST_COMMENT, LONGEST_TYPE, LONGEST_DESCRIPTION = 255, 255, 131_072, 2048
"""Characters that Glue takes for a column's name, a comment, a column's type and a table's description."""
UNLISTED = "penstock.unlisted"
"""Parameter: how many of the table's columns Glue does not list; they are there for all who read the table."""
KEPT = ("Owner", "Retention", "TargetTable", "ViewOriginalText", "ViewExpandedText")
"""What an update of the entry would lose, if it did not say it again."""


def table_input(
    name: str,
    location: str,
    metadata: TableMetadata,
    described: Described,
    before: tuple[Mapping[str, Any], TableMetadata] | None = None,
) -> dict[str, Any]:
    """Glue's entry for a table whose metadata stands at `location`.

    `before` is the entry that it replaces, and the metadata which that pointed to.
    """
    entry, old = before or ({}, None)
    known = entry.get("StorageDescriptor", {})
    comments = {one["Name"]: one["Comment"] for one in known.get("Columns", []) if one.get("Comment")}
    comments |= {column.lower(): text for column, text in described.columns.items()}
    columns, unlisted = _columns(metadata, comments)
    gone = _shown(old) if old is not None else {}
    parameters = {key: value for key, value in entry.get("Parameters", {}).items() if key not in {*gone, UNLISTED}}
    parameters |= _shown(metadata) | {"table_type": "ICEBERG", "metadata_location": location}
    if unlisted:
        parameters[UNLISTED] = str(unlisted)
    if "metadata_location" in entry.get("Parameters", {}):
        parameters["previous_metadata_location"] = entry["Parameters"]["metadata_location"]
    found = {
        **{key: entry[key] for key in KEPT if entry.get(key)},
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "StorageDescriptor": {"Columns": columns, "Location": metadata.location},
    }
    if text := _line(described.table) or entry.get("Description"):
        found["Description"] = text[:LONGEST_DESCRIPTION]
    return found


def _shown(metadata: TableMetadata) -> dict[str, str]:
    """Properties of a table that its entry shows: tags under their own names, and none that only Penstock reads."""
    named = {key.removeprefix(TAG): str(value) for key, value in metadata.properties.items() if _is_shown(key)}
    return {key: value for key, value in named.items() if _fits(key, LONGEST_KEY) and _fits(value, LONGEST_VALUE)}


def _is_shown(key: str) -> bool:
    return key.startswith(TAG) or not key.startswith(OWN)


def _fits(text: str, most: int) -> bool:
    return 0 < len(text.encode()) <= most


def _columns(metadata: TableMetadata, comments: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
    """The columns as Glue lists them, in lower case as Athena calls them, and how many it cannot list."""
    from pyiceberg.catalog.glue import _to_columns

    listed: dict[str, dict[str, Any]] = {}
    left = 0
    for column in _to_columns(metadata):
        name = str(column["Name"]).lower()
        current = column["Parameters"]["iceberg.field.current"] == "true"
        if not _is_name(name) or len(column.get("Type", "")) > LONGEST_TYPE:
            left += current
        elif name not in listed:
            listed[name] = {**column, "Name": name}
            if comment := _line(comments.get(name)) or column.get("Comment"):
                listed[name]["Comment"] = comment[:LONGEST_COMMENT]
    return list(listed.values()), left


def _is_name(name: str) -> bool:
    """Whether Glue takes a name: one line of text that is not too long."""
    return _fits(name, LONGEST_NAME) and not any(char < " " and char != "\t" for char in name)


def _line(text: str | None) -> str:
    """A text as one line."""
    return " ".join((text or "").split())
