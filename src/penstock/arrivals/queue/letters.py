"""Dead letters on their way to the queue that people and alarms look at.

What is dead stands in the state store, with an event that is recorded in the same transaction. The messages are sent
from these events: none is lost when a process ends between the two, and one is sent twice only if it ends between
sending it and noting that.
"""

from __future__ import annotations

from penstock.arrivals.queue.sqs import DeadLetterQueue, Letter
from penstock.clock import Clock, iso
from penstock.state import State
from penstock.state.events import Event

CONSUMER = "dead_letters"
LEASE = "dead letters"
LOOKS, LOOK_SECONDS = 20, 0.1
"""How often, and how far apart, it is tried to be the one who sends; else whoever is at it, or comes next, does."""


class LetterBox:
    """Sends a message for every dead letter, once."""

    def __init__(self, state: State, queue: DeadLetterQueue, lake: str, bucket: str, clock: Clock) -> None:
        """Send, to `queue`, what becomes dead from now on; `bucket` is where the files are."""
        self._state, self._queue, self._clock = state, queue, clock
        self._lake, self._bucket = lake, bucket
        state.events.cursor(CONSUMER)  # who was never seen starts at what happens next

    def empty(self) -> int | None:
        """Send what was not sent yet; gives how many, None when another process is at it."""
        for _ in range(LOOKS):
            if (lease := self._state.leases.acquire(LEASE)) is not None:
                try:
                    return self._send()
                finally:
                    self._state.leases.release(lease)
            self._clock.sleep(LOOK_SECONDS)
        return None

    def _send(self) -> int:
        sent, done = 0, self._state.events.cursor(CONSUMER)
        while events := self._state.events.after(done):
            for event in events:
                if event.name == "dead":
                    self._queue.put(self._letter(event))
                    sent += 1
                    self._state.events.advance(CONSUMER, event.sequence)
                done = event.sequence
            self._state.events.advance(CONSUMER, done)
        return sent

    def _letter(self, event: Event) -> Letter:
        facts, number = event.facts, int(event.facts["arrival"])
        arrival = self._state.arrivals.get(number)
        trouble = arrival.trouble if arrival and arrival.reason == facts["reason"] else None
        return Letter(
            lake=self._lake,
            bucket=self._bucket,
            table=str(event.table),
            file=facts["file"],
            arrival=number,
            attempts=facts["attempts"],
            reason=facts["reason"],
            run=facts["run"],
            at=iso(event.at),
            version=arrival.version if arrival else "",
            code=trouble.code or "" if trouble else "",
            line=trouble.line if trouble else None,
            row=trouble.row if trouble else None,
            column=trouble.column if trouble else None,
        )
