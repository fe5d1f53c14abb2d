"""Fixtures of the tests of a lake on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.storage.aws import S3RawZone, S3Zone
from tests.aws import cloud
from tests.aws.machines import Machines
from tests.aws.proxy import Wire, wire
from tests.aws.zones import raw_zone, tables_zone


@pytest.fixture
def empty_aws() -> Iterator[None]:
    """Nothing is on AWS, before and after."""
    cloud.start()
    cloud.reset()
    yield
    cloud.reset()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """As many machines as a test asks for."""
    made = Machines(tmp_path)
    yield made
    made.close()


@pytest.fixture
def raw(tmp_path: Path) -> S3RawZone:
    """A zone that others write to."""
    return raw_zone(tmp_path / "raw")


@pytest.fixture
def tables(tmp_path: Path) -> S3Zone:
    """A zone that Penstock writes to."""
    return tables_zone(tmp_path / "tables")


@pytest.fixture
def line() -> Iterator[Wire]:
    """A way to AWS that can be made to fail."""
    with wire() as made:
        yield made
