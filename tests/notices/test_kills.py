"""Processes that are killed at any moment lose no event and count none twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.clock import SystemClock
from penstock.notices.gathered import read
from tests.notices.servers import Hook, MailServer
from tests.notices.test_notifier import mail_to
from tests.notices.world import World
from tests.road.lakes import CONTEXT

ROUNDS = int(os.environ.get("PENSTOCK_KILLS", "6"))
OUTBOX = "notices: [{when: [dead], to: 'file:', digest: 0s, at_most: 100000/1s}]"


def _work(folder: Path, round_: int) -> None:
    """Record events and send messages, without end."""
    there = World(folder, OUTBOX, SystemClock())
    for at in range(100_000):
        there.die(f"f{round_}-{at}.csv")
        if at % 5 == 4:
            there.attend()
            (folder / f"started-{round_}").touch()


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """However often a process is killed, each event is counted in one message, and each message is one file."""
    chance = random.Random(7)
    for round_ in range(ROUNDS):
        started = tmp_path / f"started-{round_}"
        _killed(_work, (tmp_path, round_), started.exists, chance.random() * 0.5)
    there = World(tmp_path, OUTBOX, SystemClock())
    _age(there)
    there.attend()
    events = there.state.events.after(0, 1_000_000)
    counted = [group.count for one in there.messages for group in read(one.events).groups]
    assert len({event.facts["file"].partition("-")[0] for event in events}) == ROUNDS
    assert sum(counted) == len(events)
    assert {message.state for message in there.messages} == {"sent"}
    assert len(there.outbox) == len(there.messages)
    there.close()


def _age(there: World) -> None:
    """Let the rest end that attempts of dead processes have."""
    for message in there.messages:
        if message.state == "waiting":
            there.state.messages.replace(type(message)(**{**vars(message), "not_before": 0.0}))


def _mail(folder: Path, port: int) -> None:
    """Bring one mail to a server that does not answer."""
    there = World(folder, mail_to(port, "when: [dead], to: 'mailto:ops@example.org', digest: 0s"), SystemClock())
    there.die("a.csv")
    there.attend()


def test_killed_between_planning_and_delivery(tmp_path: Path, smtp: MailServer) -> None:
    """A process that is killed while it speaks with the mail server leaves a message that the next one delivers."""
    smtp.refusals = ["hang"]
    _killed(_mail, (tmp_path, smtp.port), lambda: smtp.asked == 1)
    assert smtp.received == []
    later = World(tmp_path, mail_to(smtp.port), SystemClock())
    (message,) = later.messages
    assert (message.state, message.attempts) == ("waiting", 1)
    later.attend()
    assert smtp.asked == 1
    _age(later)
    later.attend()
    assert smtp.subjects == ["[shop] orders: 1 file dead"]
    assert later.messages[0].attempts == 2
    later.close()


def _hooked(folder: Path, port: int, number: int) -> None:
    """Record events and send messages for a while, then let another process go on."""
    text = f"notices: [{{when: [dead], to: 'json://127.0.0.1:{port}/', digest: 0s, at_most: 100000/1s}}]"
    there = World(folder, text, SystemClock())
    for at in range(40):
        there.die(f"f{number}-{at}.csv")
        if at % 2:
            there.notifier.attend()
    there.notifier.finish()
    there.close()


def test_processes_side_by_side(tmp_path: Path, webhook: Hook) -> None:
    """Three processes record and send at the same time, and every event is told exactly once."""
    World(tmp_path, "").close()
    processes = [CONTEXT.Process(target=_hooked, args=(tmp_path, webhook.port, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    _hooked(tmp_path, webhook.port, 3)
    titles = [message["title"] for message in webhook.received]
    assert sum(int(title.split(" ")[2]) for title in titles) == 160
    told = "\n".join(message["message"] for message in webhook.received)
    assert told.count("f2-39.csv: ") <= 1


def _killed(work: Any, arguments: tuple[Any, ...], begun: Callable[[], bool], seconds: float = 0.0) -> None:
    """Start a process, and kill it a while after something was the case."""
    process = CONTEXT.Process(target=work, args=arguments)
    process.start()
    end = time.monotonic() + 60
    while not begun() and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(seconds)
    assert process.is_alive()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
