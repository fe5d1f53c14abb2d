"""What messages say: counts, reasons, examples; templates; harmless whatever files are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from penstock.declaration.notices import EventOrAll
from penstock.errors import NoticeError
from penstock.naming import TableName
from penstock.notices import compose as compose_module
from penstock.notices.compose import ORDER, Sender, compose, tone_of
from penstock.notices.gathered import LISTED, LONGEST, OTHERS, REASONS, gather, read
from penstock.notices.limits import SOON, Limits, due, rest
from penstock.notices.template import NAMES, read_template
from penstock.redaction import register
from penstock.state import Event, EventName

SENDER = Sender("shop", "failures")
LIMITS = Limits(digest=60.0, messages=2, window=3600.0, keep_trying=1.0)


def event(name: Any, table: str | None = "orders", at: float = 0.0, **facts: Any) -> Event:
    """An event."""
    return Event(1, name, TableName.parse(table) if table else None, at, facts)


def said(*events: Event, template: Any = None) -> tuple[str, str]:
    """Subject and text."""
    gathered = gather(events)
    assert gathered is not None
    assert read(gathered.to_json()) == gathered
    return compose(read(gathered.to_json()), SENDER, template)


def test_what_matters_stands_first() -> None:
    """Alarms stand before dead files, those before what went well; the subject names all."""
    subject, body = said(
        event("committed", files=[{"file": "a", "rows_in": 1, "rows_out": 1}], rows_in=1, rows_out=1),
        event("dead", "curated.codes", file="x", reason="bad"),
        event("alarm", None, alarm="dead_letters", reason="1 waits"),
    )
    assert subject == "[shop] ALARM dead_letters; curated.codes: 1 file dead; orders: 1 file committed"
    assert body.index("dead_letters: 1 waits") < body.index("x: bad") < body.index("a: 1 row in, 1 out")


@pytest.mark.parametrize(
    ("happened", "subject", "line"),
    [
        (event("failed", file="a", reason="r", attempt=1, retry_in=2), "orders: 1 file failed", "a: r"),
        (
            event("breached", check="unique: id", on_breach="warn", breaches=3, files=["a", "b"], reason="why"),
            "orders: 1 check breached",
            "unique: id: 3 in 2 files, warn: why",
        ),
        (event("recovered", file="a", run="r"), "orders: 1 file recovered", "  a"),
        (event("replayed", file="a", arrival=1), "orders: 1 dead file tried again", "  a"),
        (event("discarded", file="a", why="known"), "orders: 1 dead file discarded", "a: known"),
        (event("scheduled", None, workflow="daily", due="x"), "1 schedule due", "  daily"),
        (event("workflow", None, workflow="daily", state="failed", reason="r"), "daily failed", "daily failed: r"),
        (event("workflow", None, workflow="daily", state="finished"), "daily finished", "daily finished"),
        (event("workflow", None, workflow="daily", state="says", reason="all in"), "daily", "daily: all in"),
        (event("ok", None, alarm="stale", reason="fresh"), "stale OK", "stale: fresh"),
    ],
)
def test_every_event_has_words(happened: Event, subject: str, line: str) -> None:
    """Each event has a subject and a line of its own."""
    words = said(happened)
    assert words[0] == f"[shop] {subject}"
    assert line in words[1]


def test_tone_is_that_of_the_worst() -> None:
    """A message is meant as the worst that it tells."""
    tones = []
    for names in (("arrived",), ("arrived", "committed"), ("committed", "breached"), ("breached", "dead")):
        gathered = gather(event(name, file="a", files=[]) for name in names)
        assert gathered is not None
        tones.append(tone_of(gathered))
    assert tones == ["info", "success", "warning", "failure"]


def test_events_of_the_declaration_are_those_there_are() -> None:
    """A notice can tell every event that is recorded, each has its words, and there are no others."""
    there = set(get_args(EventName))
    assert set(get_args(EventOrAll)) == {*there, "*"}
    assert set(ORDER) == there
    assert set(compose_module._SHORT) == set(compose_module._LONG) == there


def test_size_does_not_grow_with_events() -> None:
    """However much happens, and however different the reasons are, a message stays small and counts all."""
    events = [
        event("dead", file=f"f{at}", reason=f"reason {chr(65 + at % 26)}{'x' * (at % 37)} y" * 99) for at in range(5000)
    ]
    gathered = gather(events)
    assert gathered is not None
    assert len(gathered.to_json()) < 30_000
    (group,) = gathered.groups
    assert (group.count, len(group.listed)) == (5000, LISTED)
    assert len(group.reasons) <= REASONS + 1
    assert sum(group.reasons.values()) == 5000
    assert OTHERS in group.reasons
    assert max(map(len, group.listed)) <= LONGEST


def test_names_of_files_are_harmless() -> None:
    """Line ends and control characters of a file's name add no line to subject or text."""
    name = "a\r\nBcc: evil@example.org\r\n\r\n\x1b[31m\u202e.csv"
    subject, body = said(event("dead", name, file=name, reason=f"{name}: is bad"))
    assert "\n" not in subject
    assert "\r" not in subject + body
    assert "\x1b" not in subject + body
    assert "\u202e" not in subject + body
    assert not any(line.startswith("Bcc") for line in body.split("\n"))


def test_secrets_are_not_in_messages() -> None:
    """A reason that quotes a secret shows three stars."""
    register("c4nary-pw")
    subject, body = said(event("dead", file="a", reason="mysql://u:c4nary-pw@h refused"))
    assert "c4nary" not in subject + body
    assert "mysql://u:***@h refused" in body


def test_long_subjects_are_cut() -> None:
    """A subject stays short and says how much more there is."""
    events = [event("dead", f"layer.table_{at}", file="a", reason="r") for at in range(40)]
    subject, body = said(*events)
    assert len(subject) <= 160
    assert subject.endswith("more")
    assert all(f"layer.table_{at}: " in body for at in range(40))


# --- Templates --------------------------------------------------------------------------------


def test_template_has_the_words(tmp_path: Path) -> None:
    """Names in braces are filled in, doubled braces are braces, and the first line may be the subject."""
    (tmp_path / "t.txt").write_text(
        "Subject: {lake} has {count} \n\nDear all {{}}: {events} of {tables}\n{listed}\n{reasons}"
    )
    words = said(event("dead", file="{lake}", reason="r"), template=read_template(tmp_path, "t.txt"))
    assert words == ("shop has 1", "Dear all {}: dead of orders\n{lake}: r\n1 x r")


def test_every_name_can_be_used(tmp_path: Path) -> None:
    """All names that the documentation lists are filled in."""
    (tmp_path / "t.txt").write_text("\n".join(f"<{{{name}}}>" for name in NAMES))
    _, body = said(event("dead", file="a", reason="r"), template=read_template(tmp_path, "t.txt"))
    assert "{" not in body


def test_templates_execute_nothing(tmp_path: Path) -> None:
    """What other template languages would evaluate is refused with its place."""
    for text in ("{lake.__class__}", "{0}", "{lake!r}", "{{{count:>1000000}}}"):
        (tmp_path / "t.txt").write_text(f"a\n b {text}")
        with pytest.raises(NoticeError, match=r"^t\.txt:2:\d+: nothing is called"):
            read_template(tmp_path, "t.txt")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", b"a {cuont}", 't.txt:1:3: nothing is called "cuont"; did you mean "count"?'),
        ("t.txt", b"a { b", "t.txt:1:3: a single {; write {{ for the character itself"),
        ("t.txt", b"\xff\xfe", "t.txt: is not UTF-8 text (byte 0)"),
        ("t.txt", b"x" * 100_001, "t.txt: has 100,001 bytes; a template has at most 100,000"),
        ("../t.txt", b"", "../t.txt: a template is a file in the lake's folder, without .."),
        ("no.txt", b"", "no.txt: the template cannot be read: No such file or directory"),
    ],
)
def test_templates_that_are_not_sound(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Each mistake is told with its place and the rule."""
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(NoticeError) as caught:
        read_template(tmp_path, name)
    assert str(caught.value).split("\n")[0] == said


# --- Limits -----------------------------------------------------------------------------------


def test_when_messages_are_due() -> None:
    """Urgent events go after a short wait, or a digest after the last message; others after a digest; both limited."""
    assert due(100.0, None, [], LIMITS) == 160.0
    assert due(100.0, 100.0, [], LIMITS) == 100.0 + SOON
    assert due(100.0, 100.0, [90.0], LIMITS) == 150.0
    assert due(100.0, 159.5, [90.0], LIMITS) == 160.0
    assert due(100.0, 100.0, [10.0, 90.0], LIMITS) == 3610.0
    assert due(100.0, None, [10.0, 90.0], LIMITS) == 3610.0


def test_rests_grow_up_to_a_bound() -> None:
    """Each failure rests twice as long as the one before, ten minutes at most."""
    assert [rest(attempts) for attempts in (1, 2, 3, 7, 1000)] == [10.0, 20.0, 40.0, 600.0, 600.0]
