"""Queries: read-only SQL over the tables and over `penstock.*`, what the product knows of itself."""

from penstock.queries.query import Asker, Result
from penstock.queries.system import SYSTEM_TABLES

__all__ = ["SYSTEM_TABLES", "Asker", "Result"]
