"""Worlds of notices, and servers that receive them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import apprise
import pytest

from tests.notices.servers import Hook, MailServer, hook, mail_server
from tests.notices.world import World


@pytest.fixture(autouse=True, scope="session")
def _apprise() -> None:
    """What apprise imports with a warning is imported before warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apprise.Apprise.instantiate("json://localhost/")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """Make worlds that are closed in the end."""
    with ExitStack() as closing:

        def make(declaration: str) -> World:
            made = World(tmp_path, declaration)
            closing.callback(made.close)
            return made

        yield make


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    """A mail server."""
    with mail_server() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Hook]:
    """A receiver of webhooks."""
    with hook() as receiver:
        yield receiver
