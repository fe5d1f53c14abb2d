"""A deployed lake, reached from a laptop with credentials: the same lake as in a function, opened to be looked at.

Where its parts are is asked of its stack. Copies of what is read stand in `.penstock/aws/`; they may go at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.arrivals.aws import DeadLetterQueue, IntakeQueue
from penstock.aws import client
from penstock.clock import Clock
from penstock.declaration import examine, read_text
from penstock.deployed import Deployed
from penstock.deployment.stacks import Stacks
from penstock.errors import AwsError, DeclarationError
from penstock.lake import Lake
from penstock.opened import Opened
from penstock.site import STATE_FOLDER
from penstock.site.aws import AwsSite

COPIES = "aws"


def whereabouts(folder: Path) -> Deployed:
    """Where the parts of the deployed lake are that `folder` declares.

    Raises:
        DeclarationError: `lake.yaml` has problems; all are named.
        AwsError: It is not deployed, or AWS could not be asked.
    """
    examined = examine(read_text(folder))
    if examined.problems or examined.declaration is None:
        raise DeclarationError(examined.problems)
    declaration = examined.declaration
    name, region = declaration.aws.stack_name(declaration.lake), declaration.aws.region
    stack = Stacks(region).find(name)
    if stack is None or not stack.outputs:
        where = region or client("cloudformation").meta.region_name
        state = "the lake is not deployed" if stack is None else f"the lake's stack is {stack.status}"
        raise AwsError(f"{state} in {where}", where=name, hint="bring it to AWS with: penstock deploy")
    deployed = Deployed.from_outputs(stack.outputs)
    if deployed.lake != declaration.lake:
        message = f'the stack of this name is of the lake "{deployed.lake}", not of "{declaration.lake}"'
        raise AwsError(message, where=name, hint="look at aws.stack in lake.yaml; are account and region right?")
    return deployed


def reached(folder: Path, clock: Clock | None = None) -> Lake:
    """Open the deployed lake that `folder` declares.

    Raises:
        AwsError: It is not deployed, or AWS could not be asked.
    """
    deployed = whereabouts(folder)
    lake = Lake(folder, clock, site=lambda opened: _stand(deployed, opened))
    Messenger(lake, deployed).listen()
    return lake


def _stand(deployed: Deployed, lake: Opened) -> AwsSite:
    work = lake.folder / STATE_FOLDER / COPIES
    work.mkdir(parents=True, exist_ok=True)
    return AwsSite(deployed, work, lake.note_sealed)


class Messenger:
    """Tells the queues what was done to dead letters from here: functions start at once, and the alarm ends.

    Where that fails it is logged: upkeep takes up what waits within minutes, and the messages stay.
    """

    def __init__(self, lake: Lake, deployed: Deployed) -> None:
        """Listen to what is done to `lake`."""
        self._lake, self._bucket = lake, deployed.raw_bucket
        self._intake = IntakeQueue(deployed.intake_queue, deployed.region)
        self._dead = DeadLetterQueue(deployed.dead_letter_queue, deployed.region)
        self._gone: list[int] = []

    def listen(self) -> None:
        """Hear of letters that were replayed or given up."""
        self._lake.signals.listen("replayed", self._replayed)
        self._lake.signals.listen("discarded", self._discarded)
        self._lake.closing(self)

    def _replayed(self, facts: Mapping[str, Any]) -> None:
        self._intake.wake(self._bucket, [facts["file"]])
        self._gone.append(int(facts["arrival"]))

    def _discarded(self, facts: Mapping[str, Any]) -> None:
        self._gone.append(int(facts["arrival"]))

    def close(self) -> None:
        """Take the messages of letters that are dead no more out of their queue."""
        if self._gone:
            gone, self._gone = self._gone, []
            self._dead.forget(gone)
