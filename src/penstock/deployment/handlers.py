"""What AWS Lambda calls: one function for files that land, one for upkeep."""

from __future__ import annotations

import os
from typing import Any

from penstock.deployment.functions import opened, preload, telling

preload(os.environ)


def intake(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on messages that say which files landed; gives those that are to come again."""
    with telling("intake"):
        return opened().take(event, context)


def upkeep(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look after the lake: what nobody was told of, what was left, small files, old snapshots, old events."""
    with telling("upkeep"):
        return opened().tend(event, context)
