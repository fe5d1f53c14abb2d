"""Runs: the log of what happened, one line of JSON per event."""

from penstock.runs.journal import Journal, Limits

__all__ = ["Journal", "Limits"]
