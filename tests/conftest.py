"""What all tests share. How they run in several processes, and what they say at the end, are plugins of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import penstock
from penstock import redaction

pytest_plugins = ["tests.parallel", "tests.told", "tests.contracts.what_ran"]

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    """Every test knows its own secrets only."""
    yield
    redaction.forget()


@pytest.fixture(scope="session", autouse=True)
def _tests_the_wheel() -> None:
    """With PENSTOCK_TEST_WHEEL=1, the suite runs against the installed wheel and not against src."""
    if os.environ.get("PENSTOCK_TEST_WHEEL") != "1":
        return
    imported = Path(penstock.__file__).resolve()
    source = Path(__file__).resolve().parents[1] / "src"
    assert not imported.is_relative_to(source), f"penstock was imported from {imported}, not from the wheel"
    assert imported.is_relative_to(Path(sys.prefix).resolve()), f"{imported} is outside {sys.prefix}"
