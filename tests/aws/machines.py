"""Machines that work on the tables of one lake on AWS, and programs of others that do, too."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock import aws
from penstock.clock import HeldClock
from penstock.naming import TableName
from penstock.state import Head, SqliteState
from penstock.tables import commit_group
from penstock.tables.aws import GlueCatalog
from penstock.tables.commit import Staged
from tests.aws import cloud
from tests.aws.glued import glue_catalog, lake_of
from tests.contracts.parquet import arrival, rows, write_file

T = TableName.parse("t")
COLUMNS = [("id", "BIGINT"), ("Name", "VARCHAR")]


class Machine:
    """A machine that works on a lake: with copies, a cache and seals of its own."""

    def __init__(self, lake: Path, name: str) -> None:
        """Open the lake's catalog."""
        self.folder = lake / name
        self.heads = SqliteState(self.folder / "cache", HeldClock())
        self.catalog: GlueCatalog = glue_catalog(lake / "processed", self.heads.heads, self.folder / "copies")

    def staged(self, key: str, value: int, attempt: int = 0, content: str = "1") -> Staged:
        """Write, and publish, an arrival's one row."""
        name, head = arrival(key, content), self.catalog.head(T)
        assert head is not None
        number, text = (column.name for column in head.columns)
        select = f'SELECT {value} AS "{number}", \'{key}\' AS "{text}"'
        folder = self.folder / "copies" / T.layer / T.name / "data"
        file = write_file(folder, name.stem(f"{attempt:08x}"), select, head.columns)
        self.catalog._mirror.send(file.path)
        return Staged(name, (file,))

    def commit(self, *staged: Staged) -> Head:
        """Commit."""
        return commit_group(self.catalog, T, list(staged), HeldClock(), lambda: None).head

    def head(self) -> Head:
        """The table, its data files fetched."""
        head = self.catalog.head(T)
        assert head is not None
        self.catalog.assert_whole(head)
        return head

    def rows(self) -> list[tuple[object, ...]]:
        """The rows of the table."""
        return rows(self.head())


class Machines:
    """Machines that work on one lake."""

    def __init__(self, lake: Path) -> None:
        """Begin with none."""
        self.lake = lake
        self._made: list[Machine] = []

    def __call__(self, name: str = "one") -> Machine:
        """Another machine."""
        self._made.append(Machine(self.lake, name))
        return self._made[-1]

    def close(self) -> None:
        """Close what they opened."""
        for machine in self._made:
            machine.heads.close()


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """The calls to AWS that are made in the block, by action; repetitions of a call count once."""
    made: Counter[str] = Counter()

    def note(model: Any, **_facts: object) -> None:
        made[f"{model.service_model.signing_name}:{model.name}"] += 1

    clients = [aws.client("glue"), aws.client("s3")]
    for one in clients:
        one.meta.events.register("before-call", note)
    try:
        yield made
    finally:
        for one in clients:
            one.meta.events.unregister("before-call", note)


def entry(lake: Path) -> dict[str, Any]:
    """Glue's entry of the table."""
    answer: dict[str, Any] = aws.client("glue").get_table(DatabaseName=f"{lake_of(lake / 'processed')}_main", Name="t")
    return dict(answer["Table"])


def snapshots(machine: Machine) -> list[Any]:
    """The table's snapshots, plain."""
    metadata = machine.catalog.metadata(T)
    assert metadata is not None
    return list(metadata["snapshots"])


def foreign() -> Any:
    """Another program: pyiceberg by itself, with its own reading and writing of objects."""
    from pyiceberg.catalog.glue import GlueCatalog as Library

    settings = {
        "s3.endpoint": os.environ["AWS_ENDPOINT_URL"],
        "s3.access-key-id": "testing",
        "s3.secret-access-key": "testing",
        "s3.region": cloud.REGION,
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    }
    return Library("foreign", client=aws.client("glue"), **settings)


@contextmanager
def without(action: str) -> Iterator[None]:
    """Work with credentials that may do anything but one action, checked by moto's own evaluation of policies."""
    import urllib.request

    iam = aws.client("iam")
    name = f"limited-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="limits", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def after(calls: str) -> None:
        address = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
        plain = {"Content-Type": "text/plain"}
        request = urllib.request.Request(address, data=calls.encode(), headers=plain, method="POST")  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310

    kept = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    os.environ.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    aws.forget_clients()
    after("0")
    try:
        yield
    finally:
        after("inf")
        os.environ.update(kept)
        aws.forget_clients()
