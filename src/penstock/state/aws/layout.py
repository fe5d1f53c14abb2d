"""How the table is laid out: its keys, what is kept under them, and for how long.

One table, two keys of text, and no index: what is asked for by state is kept under its state, so that every question is
answered by a key or by a range of sort keys, consistently. An index would answer a moment late, and a function that
looks for what it has just recorded would not find it.

| partition             | sort                    | what                                                     |
| --------------------- | ----------------------- | -------------------------------------------------------- |
| `arrivals#<table>`    | `<shelf>#<sequence>`    | an arrival; its shelf changes with its state             |
| `file#<table>#<hash>` | `-`                     | what is known of a file: its versions, and where they are |
| `sums`                | `<table>`               | counts of a table, and of its runs                        |
| `counters`            | `<what>`                | the last number given                                    |
| `lease#<name>`        | `-`                     | who has the right to do something alone                  |
| `worker#<name>`       | `-`                     | until when a worker said that it lives                   |
| `runs#<table>`        | `<start>#<run>`         | a run                                                    |
| `checks#<table>`      | `<run>#<part>`          | what came of the checks of a run                         |
| `head#<table>`        | `-`                     | the cache of what the table holds                        |
| `events`, `messages`  | `<sequence>`            | one each                                                 |
| `cursors`             | `<consumer>`            | how far a consumer is                                    |
"""

from __future__ import annotations

import hashlib
from typing import Any

from penstock.naming import TableName

PARTITION = "pk"
SORT = "sk"
KEYS = (PARTITION, SORT)
"""Names of the two keys; both are text."""
EXPIRES = "expires"
"""The attribute that says, in seconds since 1970, from when on DynamoDB may forget an item by itself."""
BILLING = "PAY_PER_REQUEST"
INDEXES: tuple[dict[str, Any], ...] = ()
"""No global and no local index."""
DAY = 86_400.0
KEPT_SECONDS = {"runs": 400 * DAY, "checks": 400 * DAY, "events": 90 * DAY, "worker": 7 * DAY}
"""How long history is kept, by kind; arrivals, files, sums, leases and messages have no end of their own."""
SHELVES = {
    "pending": "open",
    "working": "open",
    "dead": "dead",
    "finished": "done",
    "discarded": "discarded",
    "superseded": "gone",
}
"""Where an arrival is kept, by its state."""

Key = tuple[str, str]
"""Where a document is: partition and sort key."""


def definition(name: str) -> dict[str, Any]:
    """The table as `CreateTable` takes it; CloudFormation says the same."""
    return {
        "TableName": name,
        "BillingMode": BILLING,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in KEYS],
        "KeySchema": [
            {"AttributeName": PARTITION, "KeyType": "HASH"},
            {"AttributeName": SORT, "KeyType": "RANGE"},
        ],
    }


def number(sequence: int) -> str:
    """A number as sort keys have it: in order."""
    return f"{sequence:015d}"


def arrivals_of(table: TableName) -> str:
    """The partition of a table's arrivals."""
    return f"arrivals#{table}"


def arrival_at(table: TableName | str, shelf: str, sequence: int) -> Key:
    """Where an arrival is."""
    return f"arrivals#{table}", f"{shelf}#{number(sequence)}"


def file_at(table: TableName | str, key: str) -> Key:
    """Where it is kept what is known of a file; its name may be longer than a key of DynamoDB."""
    return f"file#{table}#{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:40]}", "-"


def sums_at(table: TableName | str) -> Key:
    """Where a table's counts are."""
    return "sums", str(table)


def counter_at(what: str) -> Key:
    """Where the last number given is."""
    return "counters", what


def lease_at(name: str) -> Key:
    """Where a lease is."""
    return f"lease#{name}", "-"


def worker_at(name: str) -> Key:
    """Where a worker says that it lives."""
    return f"worker#{name}", "-"


def head_at(table: TableName) -> Key:
    """Where the cache of what a table holds is."""
    return f"head#{table}", "-"
