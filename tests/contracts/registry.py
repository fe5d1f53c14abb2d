"""Which implementations every contract suite runs on: a new one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.clock import Clock
from penstock.engines import DuckDBEngine, Engine
from penstock.state import SqliteState, State
from penstock.state.store import Heads
from penstock.storage import LocalZone, Zone
from penstock.tables import Catalog, LocalCatalog
from penstock.tables.retention import IcebergRetention, Retention
from tests.aws.glued import BucketPlace, glue_catalog
from tests.aws.tables import dynamo_state
from tests.aws.zones import raw_zone, tables_zone, unversioned_zone
from tests.contracts.places import LocalPlace, Place
from tests.notices.posts import HookPost, MailPost, OutboxPost, Post, TopicPost

ZONES: dict[str, Callable[[Path], Zone]] = {
    "local": LocalZone,
    "s3": tables_zone,
    "s3 raw": raw_zone,
    "s3 unversioned": unversioned_zone,
}
TICKS = {"local": 0.02}
"""Seconds after which a zone's clock has moved on: S3 counts in whole seconds, which tests have to wait for."""
SLOWEST_TICK = 1.05
STATES: dict[str, Callable[[Path, Clock], State]] = {
    "sqlite": SqliteState,
    "dynamodb": dynamo_state,
}
ALARMED = {"sqlite"}
"""Stores that keep alarms and the figures that they are judged by; for those on AWS, CloudWatch does."""
SILENCE = {"dynamodb": 61.0}
"""Seconds until a store knows that a worker has ended, where nothing but its silence tells."""
CATALOGS: dict[str, Callable[[Path, Heads], Catalog]] = {
    "local": LocalCatalog,
    "glue": glue_catalog,
}
RETENTIONS: dict[str, Callable[[Any], Retention]] = {
    "local": IcebergRetention,
    "glue": IcebergRetention,
}
"""Under the names of the catalogs that they go with."""
PLACES: dict[str, Callable[[Path], Place]] = {
    "local": LocalPlace,
    "glue": BucketPlace,
}
"""Where the catalogs of these names keep files."""
ENGINES: dict[str, Callable[[Path], Engine]] = {
    "duckdb": DuckDBEngine,
}
NOTICES: dict[str, Callable[[Path, Clock], Post]] = {
    "outbox": OutboxPost,
    "mail": MailPost,
    "webhook": HookPost,
    "sns": TopicPost,
}
"""Ways that messages go; each with the state store of where it belongs."""
QUEUES = STATES
"""Files that wait are kept by the state store, wherever a lake stands: what the queue promises, it keeps."""
INTERFACES: dict[str, Mapping[str, Any]] = {
    "storage": ZONES,
    "state": STATES,
    "queue": QUEUES,
    "catalog": CATALOGS,
    "engine": ENGINES,
    "notices": NOTICES,
}


def label(interface: str, implementation: str) -> str:
    """Name an implementation as the summary prints it."""
    return f"{interface}[{implementation}]"
