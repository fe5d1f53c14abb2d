"""What all tests share. How they run in several processes, and what they say at the end, are plugins of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import penstock
from penstock import faults, redaction

pytest_plugins = ["tests.parallel", "tests.told", "tests.contracts.what_ran"]

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    """Every test knows its own secrets only."""
    yield
    redaction.forget()


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    """Whatever a test made fail works for the next one."""
    yield
    faults.install(None)


@pytest.fixture(autouse=True)
def _asked_of_aws(request: pytest.FixtureRequest) -> Iterator[None]:
    """The session says at its end what each file of tests asked of which service of the AWS on this machine."""
    yield
    from tests.told import count  # here, as plugins are to be loaded by pytest first

    cloud = sys.modules.get("tests.aws.cloud")
    for service, number in cloud.answered().items() if cloud is not None else ():
        file = request.path.relative_to(Path(__file__).parent).as_posix()
        count("answered by moto", service, number, unit=f"requests of tests/{file}")


@pytest.fixture(scope="session", autouse=True)
def _tests_the_wheel() -> None:
    """With PENSTOCK_TEST_WHEEL=1, the suite runs against the installed wheel and not against src."""
    if os.environ.get("PENSTOCK_TEST_WHEEL") != "1":
        return
    imported = Path(penstock.__file__).resolve()
    source = Path(__file__).resolve().parents[1] / "src"
    assert not imported.is_relative_to(source), f"penstock was imported from {imported}, not from the wheel"
    assert imported.is_relative_to(Path(sys.prefix).resolve()), f"{imported} is outside {sys.prefix}"
