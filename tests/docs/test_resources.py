"""The page of what is created: it speaks of every resource, and of none that is not made."""

from __future__ import annotations

import re
from pathlib import Path

from penstock.declaration import examine
from penstock.deployment.synth import synthesise

ROOT = Path(__file__).resolve().parents[2]
LAKES = ("consultations", "immobilier", "orders")
OWNER = "\naws:\n  owner: ops@example.org\n"
NAMED = re.compile(r"^(Rule|Database|Notice|Workgroup|SavedQuery|Role|OperatorRolePolicy|ReadmitterRolePolicy)")
"""Resources whose names go on with a name of the declaration; the lakes declare no alarms, so each has a name here."""


def made() -> set[str]:
    """The logical ids of everything that the example lakes make."""
    found: set[str] = set()
    for lake in LAKES:
        text = (ROOT / "src/penstock/templates" / lake / "lake.yaml").read_text(encoding="utf-8")
        text = text.replace("\naws:\n", OWNER) if "\naws:\n" in text else text + OWNER
        text = text.replace("finance: {query", "finance: {contacts: ['mailto:f@example.org'], query")
        found |= set(synthesise(examine(text)).resources)
    return found


def test_every_resource_is_told_of() -> None:
    """Whoever finds something in the account finds on the page why it is there."""
    told = set(re.findall(r"`(\w+)…?`", (ROOT / "docs/resources.md").read_text(encoding="utf-8")))
    ids = made()
    assert len(ids) > 40
    unknown = {one for one in ids if one not in told and not ((named := NAMED.match(one)) and named[1] in told)}
    assert unknown == set()
    ghosts = {one for one in told if one[0].isupper() and one.isalnum() and not any(at.startswith(one) for at in ids)}
    assert ghosts == set()
