"""The state store in one SQLite file, for workers on one machine."""

from penstock.state.sqlite.state import SqliteState
from penstock.state.store import LEASE_SECONDS

__all__ = ["LEASE_SECONDS", "SqliteState"]
