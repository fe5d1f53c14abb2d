"""SQLAlchemy's SQLite dialect, over connections on which every statement and commit is a place where a test can strike.

The Iceberg library makes its own connections from a URL. Under the name `sqlite+penstock` that URL leads here; nothing
of ours imports this module by itself, because SQLAlchemy is slow to load.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from penstock import faults


class CatalogDialect(SQLiteDialect_pysqlite):
    """SQLite as ever; only the connections are ours."""

    supports_statement_cache = True

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """Open a connection."""
        return super().connect(*arguments, factory=faults.CatalogConnection, **options)
