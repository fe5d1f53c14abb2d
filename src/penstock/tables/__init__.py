"""Tables: Apache Iceberg metadata, atomic commits, and how rows are read."""

from penstock.state import DataFile
from penstock.tables.catalog import Carving, Catalog, Change, Evolution
from penstock.tables.commit import Committed, Staged, commit_group
from penstock.tables.evolve import HISTORY, evolved_columns, inexact_sql, rewritten_type, with_history
from penstock.tables.iceberg import IcebergCatalog
from penstock.tables.local import LocalCatalog
from penstock.tables.read import scan_sql
from penstock.tables.types import column_type, field_ids_sql, planned_columns, storage_type, widened_type

__all__ = [
    "HISTORY",
    "Carving",
    "Catalog",
    "Change",
    "Committed",
    "DataFile",
    "Evolution",
    "IcebergCatalog",
    "LocalCatalog",
    "Staged",
    "column_type",
    "commit_group",
    "evolved_columns",
    "field_ids_sql",
    "inexact_sql",
    "planned_columns",
    "rewritten_type",
    "scan_sql",
    "storage_type",
    "widened_type",
    "with_history",
]
