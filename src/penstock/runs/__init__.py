"""Runs: the log of what happened, one line of JSON per event."""

from penstock.runs.journal import Journal

__all__ = ["Journal"]
