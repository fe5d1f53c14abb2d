"""Events become messages once, and messages reach people, whatever the servers do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.notices.limits import FIRST_REST, SOON
from penstock.notices.notifier import FAILED_SECONDS, TAKE_OVER_SECONDS, VISIBLE_SECONDS
from penstock.state import Message
from tests.notices.servers import Hook, MailServer, free_port, mail_server
from tests.notices.world import World

if TYPE_CHECKING:
    import pytest

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
Make = Callable[[str], World]


def mail_to(port: int, notice: str = "when: [dead], to: 'mailto:ops@example.org'") -> str:
    """A declaration with one notice, through a mail server on this machine."""
    return f"mail: {{server: 'smtp://127.0.0.1:{port}', from: lake@example.org}}\nnotices:\n  - {{{notice}}}"


def hook_to(port: int, notice: str = "when: [dead]") -> str:
    """A declaration with one notice to a webhook."""
    return f"notices:\n  - {{{notice}, to: 'json://127.0.0.1:{port}/'}}"


def test_first_failure_is_told_at_once(world: Make, smtp: MailServer) -> None:
    """A dead file after a silence is mailed within seconds, with file, reason and what to do."""
    there = world(mail_to(smtp.port))
    there.die("a.csv", reason="a.csv: the file is empty")
    assert there.attend() == there.clock.seconds + SOON
    assert smtp.received == []
    assert there.after(SOON) is None
    assert smtp.subjects == ["[shop] orders: 1 file dead"]
    assert smtp.receivers == [["ops@example.org"]]
    assert smtp.received[0]["from"] == "lake@example.org"
    assert "a.csv: the file is empty" in smtp.texts[0]
    assert "penstock dead replay" in smtp.texts[0]


def test_thousand_failures_are_one_mail(world: Make, smtp: MailServer) -> None:
    """A thousand dead files at once are one mail that counts them all, by reason, and lists the first ones."""
    there = world(mail_to(smtp.port))
    there.die(*(f"a{at}.csv" for at in range(980)))
    there.die(*(f"b{at}.csv" for at in range(20)), reason='line 7: the quote in "x" is never closed')
    there.attend()
    there.after(SOON)
    there.after(HOUR)
    assert smtp.subjects == ["[shop] orders: 1,000 files dead"]
    assert "980 x is empty" in smtp.texts[0]
    assert ' 20 x line N: the quote in "…" is never closed' in smtp.texts[0]
    assert "a19.csv" in smtp.texts[0]
    assert "a20.csv" not in smtp.texts[0]
    assert "and 980 more" in smtp.texts[0]


def test_failures_after_the_first_mail_are_collected(world: Make, smtp: MailServer) -> None:
    """After one mail the next failures wait for the digest, together, and are told in the second mail."""
    there = world(mail_to(smtp.port))
    there.die("first.csv")
    there.attend()
    there.after(SOON)
    for at in range(10):
        there.die(f"more{at}.csv")
        there.after(4)
    assert len(smtp.received) == 1
    there.after(MINUTE - 40)
    assert smtp.subjects == ["[shop] orders: 1 file dead", "[shop] orders: 10 files dead"]


def test_uploads_and_outcomes_are_digested(world: Make, webhook: Hook) -> None:
    """A role hears of each upload and of what became of it, in one message per digest, with rows."""
    there = world(
        f"access: {{finance: {{contacts: ['json://127.0.0.1:{webhook.port}/']}}}}\n"
        "notices: [{when: [arrived, committed, dead], to: finance}]"
    )
    there.happen("arrived", files=["a.csv", "b.csv"], bytes=20)
    rows: dict[str, Any] = {"rows_in": 5, "rows_out": 3, "rows_dropped": 1, "rows_quarantined": 1}
    there.happen("committed", run="r", snapshot=1, files=[{"file": "a.csv", **rows}], **rows)
    assert there.attend() == there.clock.seconds + MINUTE
    there.after(MINUTE)
    (message,) = webhook.received
    assert message["title"] == "[shop] orders: 1 file committed; orders: 2 files arrived"
    assert message["type"] == "success"
    assert "a.csv: 5 rows in, 3 out, 1 dropped, 1 in quarantine" in message["message"]
    assert "  b.csv" in message["message"]


def test_only_what_is_asked_for_is_told(world: Make, webhook: Hook) -> None:
    """A notice tells only its events, and only of its tables."""
    there = world(hook_to(webhook.port, "when: [dead], tables: ['curated.*']"))
    there.die("a.csv")
    there.happen("committed", files=[], rows_in=0)
    there.attend()
    there.after(HOUR)
    assert webhook.received == []
    assert there.messages == []
    assert there.state.events.after(there.state.events.cursor("notices")) == []


def test_alarms_about_tables(world: Make, webhook: Hook) -> None:
    """An alarm about the whole lake is told whatever tables are asked for, one about other tables is not."""
    there = world(hook_to(webhook.port, "when: [alarm], tables: [orders]"))
    there.happen("alarm", None, alarm="dead_letters", reason="3 wait", value=3, tables=[])
    there.happen("alarm", None, alarm="stale", reason="old", value=3, tables=["curated.codes"])
    there.attend()
    there.after(SOON)
    assert [message["title"] for message in webhook.received] == ["[shop] ALARM dead_letters"]


def test_at_most_gathers_the_rest(world: Make, smtp: MailServer) -> None:
    """What is over the limit is in the next mail, and none of it is lost."""
    there = world(mail_to(smtp.port, "when: [dead], to: 'mailto:ops@example.org', digest: 0s, at_most: '2/1h'"))
    for at in range(10):
        there.die(f"f{at}.csv")
        there.after(1)
    assert len(smtp.received) == 2
    there.after(HOUR)
    assert smtp.subjects[2:] == ["[shop] orders: 8 files dead"]
    told = "\n".join(smtp.texts)
    assert [at for at in range(10) if f"f{at}.csv" not in told] == []


def test_server_that_is_down_for_hours(world: Make) -> None:
    """While the mail server is down all is kept; once it is up it brings two mails, in order, with everything."""
    port = free_port()
    there = world(mail_to(port))
    there.die("early.csv")
    there.attend()
    there.after(SOON)
    (waiting,) = there.messages
    assert (waiting.state, waiting.attempts) == ("waiting", 1)
    assert waiting.not_before == there.clock.seconds + FIRST_REST
    assert "refused" in (waiting.error or "")
    assert "is the server running" in (waiting.error or "")
    for at in range(8):
        there.die(f"late{at}.csv")
        there.after(10 * MINUTE)
    assert len(there.messages) == 2
    with mail_server(port=port) as server:
        there.after(10 * MINUTE)
        there.after(MINUTE)
        assert server.subjects == ["[shop] orders: 1 file dead", "[shop] orders: 8 files dead"]
    assert there.state.messages.counts() == {"waiting": 0, "sent": 2, "given_up": 0}


def test_given_up_after_days_and_tried_again_by_hand(world: Make) -> None:
    """After the declared time a message is given up, is kept with its error, and can be sent by hand."""
    port = free_port()
    there = world(mail_to(port, "when: [dead], to: 'mailto:ops@example.org', keep_trying: 1h"))
    there.die("a.csv")
    there.attend()
    there.after(SOON)
    for _ in range(5):
        there.after(10 * MINUTE)
    assert [message.state for message in there.messages] == ["waiting"]
    there.after(10 * MINUTE)
    (message,) = there.messages
    assert message.state == "given_up"
    assert "not delivered" in (message.error or "")
    assert there.told[-2]["event"] == "given_up"
    with mail_server(port=port) as server:
        assert there.notifier.revive([message.message, 99]) == [message.message]
        there.attend()
        assert len(server.received) == 1


def test_refusals_are_tried_again(world: Make, smtp: MailServer) -> None:
    """A server that refuses, fails or ends the connection in the middle gets the message once it takes it."""
    there = world(mail_to(smtp.port))
    smtp.refusals = ["451 later", "drop", "550 never"]
    there.die("a.csv")
    there.attend()
    errors = []
    for _ in range(6):
        there.after(HOUR)
        errors += [message.error for message in there.messages]
    assert smtp.asked == 4
    assert len(smtp.received) == 1
    assert "451" in (errors[0] or "")
    assert "550" in (errors[2] or "")
    assert errors[3] is None


def test_answer_that_is_lost(world: Make, smtp: MailServer) -> None:
    """A server that took a message and is gone before it said so gets it again: at least once, never not at all."""
    there = world(mail_to(smtp.port))
    smtp.refusals = ["take and drop"]
    there.die("a.csv")
    there.attend()
    there.after(SOON)
    assert [message.state for message in there.messages] == ["waiting"]
    there.after(FIRST_REST)
    assert smtp.subjects == ["[shop] orders: 1 file dead"] * 2
    assert there.state.messages.counts() == {"waiting": 0, "sent": 1, "given_up": 0}


def test_webhook_that_fails_first(world: Make, webhook: Hook) -> None:
    """Statuses other than success, and a connection that ends without one, are failures that are tried again."""
    there = world(hook_to(webhook.port))
    webhook.answers = [500, 0, 429, 404]
    there.die("a.csv")
    there.attend()
    for _ in range(6):
        there.after(HOUR)
    assert webhook.asked == 5
    assert len(webhook.received) == 1


def test_slow_server_holds_up_nobody(world: Make, smtp: MailServer, webhook: Hook) -> None:
    """While a mail server does not answer, looking returns at once and other targets are told."""
    there = world(
        f"mail: {{server: 'smtp://127.0.0.1:{smtp.port}'}}\nnotices:\n"
        f"  - {{when: [dead], to: ['mailto:ops@example.org', 'json://127.0.0.1:{webhook.port}/']}}"
    )
    smtp.refusals = ["hang"]
    there.die("a.csv")
    there.notifier.attend()
    there.clock.seconds += SOON
    there.notifier.attend()
    _until(lambda: len(webhook.received) == 1)
    assert smtp.received == []
    there.die("b.csv")
    there.clock.seconds += HOUR
    there.notifier.attend()
    _until(lambda: len(webhook.received) == 2)
    smtp.stop()
    there.wait()
    assert {message.state for message in there.messages if message.target.startswith("json")} == {"sent"}


def _until(holds: Callable[[], bool]) -> None:
    """Wait until something is the case, up to 20 seconds."""
    pause = threading.Event()
    for _ in range(2000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")


def test_two_processes_send_once(tmp_path: Path, smtp: MailServer) -> None:
    """Of two processes one is at work; the other takes over, where it left off, when the first has ended."""
    text = mail_to(smtp.port)
    first, second = World(tmp_path, text), World(tmp_path, text)
    second.clock = second.notifier._clock = first.clock
    first.die("a.csv")
    first.attend()
    assert second.attend() == first.clock.seconds + TAKE_OVER_SECONDS
    first.clock.seconds += SOON
    second.attend()
    assert smtp.received == []
    first.attend()
    second.attend()
    assert len(smtp.received) == 1
    first.die("b.csv")
    first.close()
    second.attend()
    second.after(HOUR)
    assert smtp.subjects == ["[shop] orders: 1 file dead"] * 2
    second.close()


def test_planning_needs_the_lease(world: Make, tmp_path: Path, webhook: Hook) -> None:
    """A process that lost its lease without noticing plans and sends nothing."""
    there = world(hook_to(webhook.port))
    there.attend()
    other = World(tmp_path, hook_to(webhook.port))
    other.clock.seconds += HOUR
    assert other.state.leases.acquire("notices") is not None
    there.die("a.csv")
    there.notifier._plan()
    assert there.messages == []
    other.close()
    there.attend()
    assert len(there.messages) == 1


def test_end_of_a_run_waits_for_nothing(world: Make, smtp: MailServer) -> None:
    """A process that ends sends at once what it gathered, within the limits."""
    there = world(mail_to(smtp.port, "when: ['*'], to: 'mailto:ops@example.org', digest: 1h"))
    there.happen("arrived", files=["a.csv"], bytes=1)
    there.notifier.finish()
    assert smtp.subjects == ["[shop] orders: 1 file arrived"]


def test_interrupted_attempt_is_made_again(tmp_path: Path, smtp: MailServer) -> None:
    """An attempt of a process that died is left alone for a while, and then made again."""
    there = World(tmp_path, mail_to(smtp.port))
    there.die("a.csv")
    there.attend()
    there.clock.seconds += SOON
    assert there.notifier._take("mailto:ops@example.org") is not None
    later = World(tmp_path, mail_to(smtp.port), there.clock)
    there.close()
    later.attend()
    assert smtp.received == []
    later.after(VISIBLE_SECONDS)
    assert len(smtp.received) == 1
    later.close()


def test_target_that_is_no_longer_declared(tmp_path: Path, webhook: Hook) -> None:
    """A message to somebody whom lake.yaml names no more is given up, and says so."""
    there = World(tmp_path, hook_to(webhook.port))
    there.die("a.csv")
    there.attend()
    there.close()
    later = World(tmp_path, "notices: []", there.clock)
    later.after(HOUR)
    (message,) = later.messages
    assert (message.state, webhook.asked) == ("given_up", 0)
    assert "names no such notice and target any more" in (message.error or "")
    later.close()


def test_outbox_when_nothing_is_declared(world: Make) -> None:
    """Without notices, dead letters and alarms are told to the outbox: one readable file per message."""
    there = world("")
    there.die("été\n2.csv")
    there.happen("arrived", files=["b.csv"], bytes=1)
    there.attend()
    there.after(SOON)
    (text,) = there.outbox
    head, _, rest = text.partition("\n\n")
    assert head.split("\n")[:2] == ["Subject: [shop] orders: 1 file dead", "To: outbox"]
    assert "été 2.csv: is empty" in rest


def test_role_without_contacts_goes_to_the_outbox(world: Make) -> None:
    """A role that nobody gave a contact has its messages in the outbox, under its name."""
    there = world("access: {finance: {}}\nnotices: [{when: [dead], to: finance}]")
    there.die("a.csv")
    there.attend()
    there.after(SOON)
    assert "To: outbox for finance" in there.outbox[0]


def test_nobody_is_told_twice_of_the_same(world: Make, smtp: MailServer) -> None:
    """An address that a notice names twice, itself and by a role, is told once."""
    there = world(
        f"mail: {{server: 'smtp://127.0.0.1:{smtp.port}'}}\naccess: {{ops: {{contacts: ['mailto:o@example.org']}}}}\n"
        "notices: [{when: [dead], to: [ops, 'mailto:o@example.org']}]"
    )
    there.die("a.csv")
    there.attend()
    there.after(SOON)
    assert len(smtp.received) == 1


def test_a_target_rests_when_no_attempt_can_be_noted(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk one thread fails and the target rests for seconds; then the message goes out, once."""
    there = world("notices: [{when: [dead], to: 'file:', digest: 0s}]")
    failed = []

    def refuse(message: Message) -> None:
        failed.append(message)
        raise sqlite3.OperationalError("database or disk is full")

    there.die("a.csv")
    with monkeypatch.context() as full:
        full.setattr(there.state.messages, "replace", refuse)
        there.attend()
        there.after(SOON)
        for _ in range(5):
            due = there.attend()
            assert due is not None
            assert 0 < due - there.clock.seconds <= FAILED_SECONDS
    assert len(failed) == 1
    there.notifier._rests.update(dict.fromkeys(there.notifier._rests, 0.0))
    there.attend()
    assert [message.state for message in there.messages] == ["sent"]
    assert len(there.outbox) == 1
