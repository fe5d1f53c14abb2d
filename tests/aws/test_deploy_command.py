"""`penstock deploy` as programs and people call it: what is shown, in which order, and that the page shows the same.

The command is a real process; its bundle has the lake's folder only. Moto applies a change set at once and tells events
of the stack only.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.deployment.stacks import Stacks
from tests.aws import cloud
from tests.aws.synthesised import text_of
from tests.aws.terminal import COMMAND
from tests.cli.conftest import environment
from tests.docs.pages import ROOT, blocks
from tests.told import say

STACK = "penstock-consultations"
OWNED = text_of("consultations") + f"aws: {{region: {cloud.REGION}, owner: ops@example.org}}\n"
GROWN = OWNED.replace("tables:\n", "tables:\n  visits: {files: 'visits*.csv'}\n")
"""With a table more."""


pytestmark = pytest.mark.usefixtures("empty_aws")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The folder of a lake that is not deployed yet."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    (folder / "lake.yaml").write_text(OWNED, encoding="utf-8")
    return folder


def deploy(lake: Path, *options: str) -> str:
    """Call the command in the lake's folder; gives what it prints."""
    done = subprocess.run(
        [*COMMAND, "deploy", *options],
        cwd=lake,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(PYTHONPATH=str(ROOT), PENSTOCK_CACHE=str(lake.parent / "cache")),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_order(text: str, *parts: str) -> None:
    """Make sure that the parts stand in the text, one after the other."""
    at = -1
    for part in parts:
        found = text.find(part, at + 1)
        assert found >= 0, f"{part!r} is missing, or comes too early, in:\n{text}"
        at = found


def test_the_change_set_is_shown_before_it_is_executed(lake: Path) -> None:
    """Programs get the plan, with resources, statements, tables and money, before anything happens; so do people.

    Deployed again, nothing changes, and the end is as the page shows it. Of a change, people see what differs only,
    statement by statement.
    """
    told: list[dict[str, Any]] = [json.loads(line) for line in deploy(lake, "--json").splitlines()]
    kinds = [one["event"] for one in told]
    assert (kinds[0], kinds[-1], kinds.count("plan")) == ("step", "deployed", 1)
    assert kinds.index("plan") < kinds.index("stack")
    plan = told[kinds.index("plan")]
    assert plan["counts"]["add"] == len(plan["resources"]) > 40
    assert len(plan["permissions"]["added"]) > 40
    assert {one["action"] for one in plan["tables"]} == {"add"}
    assert plan["cost"]["monthly"] > plan["cost"]["idle"] > 0
    stack = Stacks(cloud.REGION).find(STACK)
    assert stack is not None
    assert (stack.status, told[-1]["outputs"]) == ("CREATE_COMPLETE", stack.outputs)
    _unconfirm()
    same = deploy(lake, "--yes")
    assert "nothing to change" in same
    page = [
        block.text for block in blocks(ROOT / "docs" / "deploying.md") if "deployed: consultations as" in block.text
    ]
    assert [same[same.index("deployed: ") :]] == page
    (lake / "lake.yaml").write_text(GROWN, encoding="utf-8")
    grown = deploy(lake, "--yes")
    in_order(grown, "+ Rule", "who may do what\n", "+ IntakeRole: may", "visits", "cost\n", "UPDATE_COMPLETE")
    assert "columns of tables\n  + visits" in grown
    assert "ProcessedBucket  " not in grown, "what is as it was is not shown"
    say("deploy", f"the command: {len(plan['resources'])} resources shown first; then no change; then a table more")


def _unconfirm() -> None:
    """Let nobody have confirmed: moto confirms at once."""
    from moto.sns.models import sns_backends

    for subscription in sns_backends[cloud.ACCOUNT][cloud.REGION].subscriptions.values():
        subscription.arn = "PendingConfirmation"
