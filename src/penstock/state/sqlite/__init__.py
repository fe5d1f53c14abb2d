"""The state store in one SQLite file, for workers on one machine."""

from penstock.state.sqlite.leases import LEASE_SECONDS
from penstock.state.sqlite.state import SqliteState

__all__ = ["LEASE_SECONDS", "SqliteState"]
