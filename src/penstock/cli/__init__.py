"""The command line: one file per command, none of them imported before it is asked for."""

from penstock.cli.main import main

__all__ = ["main"]
