"""Arrivals: files that land, from being noticed to being rows."""

from penstock.arrivals.discover import Discovery, discover, fingerprint
from penstock.arrivals.source import SourceSchema
from penstock.arrivals.work import Summary, Worker

__all__ = ["Discovery", "SourceSchema", "Summary", "Worker", "discover", "fingerprint"]
