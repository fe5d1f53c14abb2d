"""A deployed lake, reached from a laptop with credentials: the same lake as in a function, opened to be looked at.

Where its parts are is asked of its stack. Copies of what is read stand in `.penstock/aws/`; they may go at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from penstock.arrivals.queue.sqs import DeadLetterQueue, IntakeQueue
from penstock.aws import client
from penstock.clock import Clock, SystemClock
from penstock.declaration import Declaration, examine_deployed, load_deployed, read_text
from penstock.deployed import Deployed
from penstock.deployment.reduced import kept_by
from penstock.deployment.secret_values import SecretValues
from penstock.deployment.stacks import Stacks
from penstock.errors import AwsError
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
    return _place(load_deployed(read_text(folder)))


def _place(declaration: Declaration) -> Deployed:
    """Where the parts of a deployed lake are, as its stack says."""
    name, region = declaration.aws.stack_name(declaration.lake), declaration.aws.region
    stack = Stacks(region).find(name)
    if stack is None or not stack.outputs:
        where = region or client("cloudformation").meta.region_name
        state = "the lake is not deployed" if stack is None else f"the lake's stack is {stack.status}"
        raise AwsError(f"{state} in {where}", where=name, hint="bring it to AWS with: penstock deploy")
    if kept := kept_by(stack.outputs):
        where = region or client("cloudformation").meta.region_name
        message = f"the lake is not deployed any more in {where}; its data was kept:"
        parts = "".join(f"\n  {what:<20}{place}" for what, place in kept.items())
        hint = "bring it back, around this data: penstock deploy\nremove this, too: penstock destroy"
        raise AwsError(message + parts, where=name, hint=hint)
    deployed = Deployed.from_outputs(stack.outputs)
    if deployed.lake != declaration.lake:
        message = f'the stack of this name is of the lake "{deployed.lake}", not of "{declaration.lake}"'
        raise AwsError(message, where=name, hint="look at aws.stack in lake.yaml; are account and region right?")
    return deployed


def reached(folder: Path, clock: Clock | None = None, *, makes_rows: bool = False) -> Lake:
    """Open the deployed lake that `folder` declares.

    Args:
        folder: The lake's folder.
        clock: What time it is; the machine's clock, when left out.
        makes_rows: Whether rows are to be made from here, as functions make them: then the lake's secrets are fetched,
            with the credentials of whoever asks.

    Raises:
        AwsError: It is not deployed, or AWS could not be asked.
        SecretError: A secret cannot be had.
    """
    declaration = load_deployed(read_text(folder))
    deployed = _place(declaration)
    read = examine_deployed
    if makes_rows:
        region, now = declaration.aws.region or deployed.region, clock or SystemClock()
        values = SecretValues(declaration.aws.wanted_secrets, region, now).current()
        read = partial(examine_deployed, values={**values})
    lake = Lake(folder, clock, site=lambda opened: _stand(deployed, opened), read=read)
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
