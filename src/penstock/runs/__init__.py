"""Runs: the log of what happened, one line of JSON per event."""

from penstock.runs.journal import Journal, Limits
from penstock.runs.log import Log

__all__ = ["Journal", "Limits", "Log"]
