"""What the parts that call AWS need, from the constants that stand beside their calls."""

from __future__ import annotations

from penstock.arrivals.queue.sqs import DEAD_ACTIONS, FORGETTING_ACTIONS, INTAKE_ACTIONS, WAKING_ACTIONS
from penstock.deployment.secret_values import ACTIONS as SECRETS
from penstock.deployment.secret_values import KEY_ACTIONS as SECRET_KEYS
from penstock.notices.aws import ACTIONS as NOTICES
from penstock.queries.aws import ACTIONS as QUERIES
from penstock.queries.aws import KEEPING_ACTIONS as KEEPING
from penstock.runs.aws import ACTIONS as LOGS
from penstock.state.aws import ACTIONS as STATE
from penstock.storage.aws import ACTIONS as TABLES
from penstock.storage.aws import RAW_ACTIONS as RAW
from penstock.tables.aws import ACTIONS as CATALOG
from penstock.tables.aws import READING

LISTS = ("s3:ListBucket", "s3:ListBucketVersions")
"""Of what is done to a zone, what is done to its bucket and not to objects."""
LISTS_OF_TABLES = ("glue:GetDatabases", "glue:GetTables")
"""Of what is done to the catalog, what is done to a database and not to a table."""


def without(actions: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Actions that are none of the others."""
    return tuple(action for action in actions if action not in others)


def among(actions: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Actions that are some of the others."""
    return tuple(action for action in actions if action in others)


__all__ = [
    "CATALOG",
    "DEAD_ACTIONS",
    "FORGETTING_ACTIONS",
    "INTAKE_ACTIONS",
    "KEEPING",
    "LISTS",
    "LISTS_OF_TABLES",
    "LOGS",
    "NOTICES",
    "QUERIES",
    "RAW",
    "READING",
    "SECRETS",
    "SECRET_KEYS",
    "STATE",
    "TABLES",
    "WAKING_ACTIONS",
    "among",
    "without",
]
