"""That the contract suites ran on every implementation; runs after them, because files run in the order of names."""

from __future__ import annotations

import pytest

from tests.contracts.registry import INTERFACES, PASSED, label

FIXTURES = {"storage": "zone", "state": "stores", "catalog": "catalogs", "engine": "engine"}


def test_every_interface_has_implementations() -> None:
    """No interface is left without an implementation, and each has a fixture that names it."""
    assert set(FIXTURES) == set(INTERFACES)
    assert all(INTERFACES.values())


@pytest.mark.parametrize("interface", sorted(INTERFACES))
def test_every_implementation_was_exercised(interface: str, request: pytest.FixtureRequest) -> None:
    """Each registered implementation passed a check of its suite in this session."""
    collected = [item for item in request.session.items if FIXTURES[interface] in getattr(item, "fixturenames", ())]
    if not collected and request.config.getoption("file_or_dir"):
        pytest.skip(f"the {interface} suite is not part of this selection")
    ran = {name for name in INTERFACES[interface] if PASSED[label(interface, name)]}
    assert ran == set(INTERFACES[interface])
