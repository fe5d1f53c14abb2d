"""Notices at work: events become messages, and messages are delivered, apart from everything else.

Planning is exactly once: what is gathered into messages and how far the events are read is one transaction, under a
lease that one process holds. Delivery is at least once: an attempt is noted before it is made, its outcome afterwards.
A process that dies between the two leaves a message that is tried again, though it may have gone out.

Each target has a thread while it has something due, so that a slow server holds up nobody else; what is for one target
goes out in order, one message after the other. A message that cannot be delivered is tried again after longer and
longer rests; what happens meanwhile is gathered into the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.clock import Clock
from penstock.errors import NoticeError, PenstockError
from penstock.notices.compose import Sender, compose, tone_of
from penstock.notices.deliver import Deliver, Letter
from penstock.notices.gathered import gather, read, tables_of
from penstock.notices.limits import Limits, due, no_sooner, rest
from penstock.notices.targets import Subscription, Target
from penstock.notices.template import Template
from penstock.redaction import redacted
from penstock.state import Event, Lease, Message, State

NAME = "notices"
BATCH = 1_000
WAITING = 1_000_000
TAKE_OVER_SECONDS = 30.0
"""How often a process looks that may take over from the one at work."""
VISIBLE_SECONDS = 300.0
"""How long an attempt of a process that died is left alone."""
CLOSE_SECONDS = 5.0
FAILED_SECONDS = 5.0
"""How long a target rests for which not even an attempt could be noted, on a full disk for example."""
KEPT_SECONDS = 30 * 86_400.0
log = logging.getLogger("penstock.notices")


@dataclass(frozen=True)
class Post:
    """What a lake's messages need.

    Attributes:
        lake: The lake's name.
        subscriptions: Who is told of what.
        template: Gives a template by its name.
        deliver: Makes one attempt.
        tell: Is told of what came of each attempt, for the journal.
        wake: Is called when an attempt has ended.
    """

    lake: str
    subscriptions: Sequence[Subscription]
    template: Callable[[str], Template]
    deliver: Deliver
    tell: Callable[[str, dict[str, Any]], None]
    wake: Callable[[], None]


class Notifier:
    """Looks after a lake's notices; keeps the contract of an attendant."""

    name = NAME

    def __init__(self, state: State, clock: Clock, post: Post) -> None:
        """Read events of `state`, and keep messages there."""
        self._state, self._clock, self._post = state, clock, post
        self._limits = {one.name: Limits.of(one.notice) for one in post.subscriptions}
        self._targets = {target.label: target for one in post.subscriptions for target in one.targets}
        self._lease: Lease | None = None
        self._lanes: dict[str, threading.Thread] = {}
        self._rests: dict[str, float] = {}
        self._lock = threading.RLock()
        self._closed = False

    def attend(self) -> float | None:
        """Gather what happened, start what is due; gives the next known moment at which something is."""
        with self._lock:
            if self._closed or not self._leads():
                return None if self._closed else self._clock.now() + TAKE_OVER_SECONDS
            self._plan()
            self._start()
            return self._next()

    def begin(self) -> None:
        """Tell of what happens from now on, if nobody ever did: whoever was never seen starts at the newest event."""
        self._state.events.cursor(NAME)

    def waits(self, within: float) -> bool:
        """Whether something happened that was not gathered yet, or a message is due within so many seconds."""
        if self._state.events.after(self._state.events.cursor(NAME), 1):
            return True
        now = self._clock.now()
        return any(self._soon(message, now, within) <= now for message in self._waiting())

    def finish(self, seconds: float = 20.0, within: float | None = None) -> bool:
        """Send what was gathered without waiting for more, as a process does that ends; takes at most `seconds`.

        Args:
            seconds: How long it may take.
            within: When there will be somebody to send what is due later. Only what is due until then is sent, and no
                message sooner than a digest after the one before. Everything is, when left out.

        Returns:
            False, when another process is at work, which does it in its own time.
        """
        end = time.monotonic() + seconds
        with self._lock:
            if self._closed or not self._leads():
                return False
            self._plan()
            self._hurry(within)
            self._start()
        self._wait(end)
        return True

    def step_down(self) -> None:
        """Let another process go on at once, unless an attempt is still being made here."""
        with self._lock:
            if self._lease is not None and not any(lane.is_alive() for lane in self._lanes.values()):
                self._state.leases.release(self._lease)
                self._lease = None

    def preview(self, message: Message) -> tuple[str, str]:
        """Subject and text of a message that was not tried yet, as they are now."""
        return self._words(message)

    def revive(self, numbers: Sequence[int]) -> list[int]:
        """Make messages due that were given up, or that rest after a failure; gives the numbers of those."""
        revived = []
        now = self._clock.now()
        with self._state.together():
            for number in numbers:
                message = self._state.messages.get(number)
                if message is None or message.state == "sent" or not message.attempts:
                    continue
                if message.state == "waiting" and message.error is None:
                    continue  # an attempt is being made
                self._state.messages.replace(replace(message, state="waiting", created=now, not_before=now))
                revived.append(number)
        return revived

    def close(self) -> None:
        """Start nothing any more, wait a moment for attempts at hand, and let another process go on."""
        with self._lock:
            self._closed = True
        self._wait(time.monotonic() + CLOSE_SECONDS)
        self.step_down()

    def _wait(self, end: float) -> None:
        for lane in list(self._lanes.values()):
            lane.join(max(0.0, end - time.monotonic()))

    def _leads(self) -> bool:
        """Whether this process is the one at work."""
        if self._lease is None or not self._state.leases.held(self._lease):
            self._lease = self._state.leases.acquire(NAME)
        return self._lease is not None

    def _still_leads(self) -> bool:
        """The same, within a transaction: nobody can take over before it ends."""
        return self._lease is not None and self._state.leases.held(self._lease)

    # --- Planning: events become messages -----------------------------------------------------

    def _plan(self) -> None:
        while self._state.events.after(self._state.events.cursor(NAME), 1):
            with self._state.together():
                if not self._still_leads():
                    return
                events = self._state.events.after(self._state.events.cursor(NAME), BATCH)
                if events:
                    self._gather(events)
                    self._state.events.advance(NAME, events[-1].sequence)
                    self._state.messages.trim(self._clock.now() - KEPT_SECONDS)

    def _gather(self, events: Sequence[Event]) -> None:
        open_ = {(one.notice, one.target): one for one in self._waiting() if one.attempts == 0}
        for subscription in self._post.subscriptions:
            told = [event for event in events if subscription.notice.is_about(event.name, tables_of(event))]
            for target in subscription.targets if told else ():
                self._add(subscription.name, target, told, open_.get((subscription.name, target.label)))

    def _add(self, notice: str, target: Target, events: Sequence[Event], there: Message | None) -> None:
        gathered = gather(events, read(there.events) if there else None)
        if gathered is None:
            return
        limits, now = self._limits[notice], self._clock.now()
        sent = self._state.messages.sent_times(notice, target.label, now - limits.memory)
        moment = due(gathered.first, gathered.urgent, sent, limits)
        message = there or Message(0, notice, target.label, "waiting", now, moment)
        message = replace(message, not_before=moment, events=gathered.to_json())
        self._state.messages.replace(message) if there else self._state.messages.add(message)

    def _hurry(self, within: float | None) -> None:
        """Make due what only waits for more of its like."""
        now = self._clock.now()
        with self._state.together():
            for message in self._waiting() if self._still_leads() else ():
                if (moment := self._soon(message, now, within)) != message.not_before:
                    self._state.messages.replace(replace(message, not_before=moment))

    def _soon(self, message: Message, now: float, within: float | None) -> float:
        """When a message is due that nobody waits for any longer than needed."""
        limits = self._limits.get(message.notice)
        late = within is not None and message.not_before > now + within
        if message.attempts or limits is None or late:
            return message.not_before
        sent = self._state.messages.sent_times(message.notice, message.target, now - limits.memory)
        quiet = now if within is None or not sent else max(now, sent[-1] + limits.digest)
        return no_sooner(quiet, sent, limits)

    def _waiting(self) -> list[Message]:
        return self._state.messages.list(("waiting",), WAITING)

    # --- Delivery: a thread per target --------------------------------------------------------

    def _start(self) -> None:
        now = self._clock.now()
        self._lanes = {label: lane for label, lane in self._lanes.items() if lane.is_alive()}
        for label, message in self._firsts().items():
            if message.not_before <= now and label not in self._lanes and not self._rest_of(label):
                lane = threading.Thread(target=self._work, args=(label,), name=f"penstock-{NAME}", daemon=True)
                self._lanes[label] = lane
                lane.start()

    def _firsts(self) -> dict[str, Message]:
        """The message of each target whose turn it is: one that was tried, or else the one that is due first."""
        firsts: dict[str, Message] = {}
        for message in self._waiting():
            first = firsts.get(message.target)
            if first is None or _turn(message) < _turn(first):
                firsts[message.target] = message
        return firsts

    def _next(self) -> float | None:
        """When the next message is due; those of targets that are busy come up when they are done."""
        now, firsts = self._clock.now(), self._firsts().items()
        free = [(one.not_before, self._rest_of(label)) for label, one in firsts if label not in self._lanes]
        return min((max(due, now + rests) if rests else due for due, rests in free), default=None)

    def _rest_of(self, label: str) -> float:
        """For how many seconds nothing is started for a target."""
        return max(self._rests.get(label, 0.0) - time.monotonic(), 0.0)

    def _work(self, label: str) -> None:
        """Deliver what is due for one target."""
        try:
            while (message := self._take(label)) is not None:
                self._attempt(message)
        except Exception:
            if not self._closed:  # a store that was closed meanwhile ends the thread; the message is tried again
                log.exception("the thread for %s failed", label)
                self._rests[label] = time.monotonic() + FAILED_SECONDS
        finally:
            with self._lock:
                self._lanes.pop(label, None)
            self._post.wake()

    def _take(self, label: str) -> Message | None:
        """Note an attempt at the message whose turn it is, if that is due; with the first one its words are final."""
        with self._lock, self._state.together():
            now = self._clock.now()
            message = self._firsts().get(label)
            if self._closed or message is None or message.not_before > now or not self._still_leads():
                return None
            if message.attempts == 0:
                subject, body = self._words(message)
                message = replace(message, created=now, subject=subject, body=body)
            message = replace(message, attempts=message.attempts + 1, not_before=now + VISIBLE_SECONDS)
            self._state.messages.replace(message)
            return message

    def _words(self, message: Message) -> tuple[str, str]:
        """Subject and text; a template that is not sound leaves Penstock's own words, and says so in them."""
        sender = Sender(self._post.lake, message.notice)
        notices = (one.notice for one in self._post.subscriptions if one.name == message.notice)
        name = next(notices).template if message.notice in self._limits else None
        gathered = read(message.events)
        if name is None:
            return compose(gathered, sender)
        try:
            return compose(gathered, sender, self._post.template(name))
        except NoticeError as error:
            subject, body = compose(gathered, sender)
            return subject, f"{body}\n\nThe template was not used: {error}"

    def _attempt(self, message: Message) -> None:
        target = self._targets.get(message.target)
        if target is None or message.notice not in self._limits:
            gone = NoticeError("lake.yaml names no such notice and target any more", where=message.target)
            self._settle(message, str(gone), lasting=True)
            return
        try:
            self._post.deliver(target, _letter(message))
        except PenstockError as error:
            self._settle(message, str(error).replace("\n  ", "; "))
        except Exception as error:  # noqa: BLE001 - whatever a service's code does, the message is kept
            self._settle(message, redacted(f"{message.target}: {type(error).__name__}: {error}"))
        else:
            self._settle(message, None)

    def _settle(self, message: Message, error: str | None, *, lasting: bool = False) -> None:
        """Note what came of an attempt, unless another process has taken the message over."""
        now = self._clock.now()
        over = lasting or now - message.created >= self._limits[message.notice].keep_trying
        if error is None:
            after = replace(message, state="sent", sent_at=now, error=None)
        elif over:
            after = replace(message, state="given_up", error=error)
        else:
            after = replace(message, not_before=now + rest(message.attempts), error=error)
        with self._state.together():
            there = self._state.messages.get(message.message)
            if there is None or there.attempts != message.attempts or there.state != "waiting":
                return
            self._state.messages.replace(after)
        self._tell(after)

    def _tell(self, message: Message) -> None:
        name = {"sent": "told", "given_up": "given_up", "waiting": "not_told"}[message.state]
        facts = {"message": message.message, "notice": message.notice, "target": message.target}
        self._post.tell(name, {**facts, "attempts": message.attempts, "reason": message.error})


def _letter(message: Message) -> Letter:
    tone = tone_of(read(message.events))
    return Letter(str(message.message), message.created, message.subject, message.body, tone)


def _turn(message: Message) -> tuple[bool, float, int]:
    return not message.attempts, message.not_before, message.message
