"""Tables: Apache Iceberg metadata, atomic commits, and how rows are read."""

from penstock.tables.catalog import Catalog, Change, DataFile
from penstock.tables.commit import Committed, Staged, commit_group
from penstock.tables.local import LocalCatalog
from penstock.tables.read import scan_sql
from penstock.tables.types import column_type, storage_type

__all__ = [
    "Catalog",
    "Change",
    "Committed",
    "DataFile",
    "LocalCatalog",
    "Staged",
    "column_type",
    "commit_group",
    "scan_sql",
    "storage_type",
]
