"""The words of a message: a short subject, what happened with counts and examples, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.clock import iso
from penstock.notices.gathered import LISTED, Gathered, Group, short
from penstock.notices.template import Template

LONGEST_SUBJECT = 120
ORDER = (
    *("alarm", "dead", "breached", "failed", "workflow", "ok", "recovered", "replayed", "discarded", "committed"),
    *("arrived", "scheduled"),
)
"""What stands first."""
_SHORT = {
    "arrived": ("file arrived", "files arrived"),
    "committed": ("file committed", "files committed"),
    "failed": ("file failed", "files failed"),
    "dead": ("file dead", "files dead"),
    "breached": ("check breached", "checks breached"),
    "recovered": ("file recovered", "files recovered"),
    "replayed": ("dead file tried again", "dead files tried again"),
    "discarded": ("dead file discarded", "dead files discarded"),
    "scheduled": ("schedule due", "schedules due"),
    "workflow": ("workflow ended", "workflows ended"),
    "alarm": ("alarm", "alarms"),
    "ok": ("alarm over", "alarms over"),
}
_LONG = {
    "arrived": ("file arrived", "files arrived"),
    "committed": ("file was processed", "files were processed"),
    "failed": ("file failed and is tried again", "files failed and are tried again"),
    "dead": ("file could not be read and is a dead letter", "files could not be read and are dead letters"),
    "breached": ("check was broken", "checks were broken"),
    "recovered": ("file that was dead is in now", "files that were dead are in now"),
    "replayed": ("dead file is tried again", "dead files are tried again"),
    "discarded": ("dead file was discarded by somebody", "dead files were discarded by somebody"),
    "scheduled": ("schedule was due", "schedules were due"),
    "workflow": ("workflow ended", "workflows ended"),
    "alarm": ("alarm went on", "alarms went on"),
    "ok": ("alarm is over", "alarms are over"),
}
_NEXT = {
    "dead": ("penstock dead list", "once the cause is mended: penstock dead replay --all"),
    "failed": ("penstock status",),
    "breached": ("penstock quarantine list",),
    "alarm": ("penstock alarms", "penstock status"),
    "workflow": ("penstock workflow runs",),
}
_FIGURES = {
    "bytes": "bytes",
    "rows_in": "rows in",
    "rows_out": "out",
    "rows_dropped": "dropped",
    "rows_quarantined": "in quarantine",
}


TONES = {
    "failure": {"alarm", "dead"},
    "warning": {"breached", "failed"},
    "success": {"ok", "recovered", "committed"},
}


@dataclass(frozen=True)
class Sender:
    """Who speaks.

    Attributes:
        lake: The lake's name.
        notice: The notice's name.
    """

    lake: str
    notice: str


def compose(gathered: Gathered, sender: Sender, template: Template | None = None) -> tuple[str, str]:
    """Give the subject and the text of a message."""
    groups = sorted(gathered.groups, key=lambda group: (_place(group.event), group.table))
    subject = subject_of(sender.lake, groups)
    body = "\n".join(_body(gathered, groups, sender))
    if template is None:
        return subject, body
    written, text = template.fill(
        {
            "lake": sender.lake,
            "notice": sender.notice,
            "subject": subject,
            "body": body,
            "count": f"{sum(group.count for group in groups):,}",
            "events": ", ".join(dict.fromkeys(group.event for group in groups)),
            "tables": ", ".join(dict.fromkeys(group.table for group in groups if group.table)),
            "listed": "\n".join(line for group in groups for line in group.listed),
            "reasons": "\n".join(line for group in groups for line in _reasons(group)),
            "first": iso(gathered.first),
            "last": iso(gathered.last),
        }
    )
    return one_line(written) or subject, text


def _place(event: str) -> int:
    return ORDER.index(event) if event in ORDER else len(ORDER)


def subject_of(lake: str, groups: Iterable[Group]) -> str:
    """What happened, in one short line: `[shop] orders: 3 files dead`."""
    parts = [_headline(group, _SHORT) for group in groups]
    shown = [part for at, part in enumerate(parts) if at == 0 or len("; ".join(parts[: at + 1])) <= LONGEST_SUBJECT]
    more = f"; and {len(parts) - len(shown)} more" if len(shown) < len(parts) else ""
    return one_line(f"[{lake}] {'; '.join(shown)}{more}")


def tone_of(gathered: Gathered) -> str:
    """How a message is meant, in apprise's words: services colour messages by it."""
    events = {group.event for group in gathered.groups}
    return next((tone for tone, of in TONES.items() if events & of), "info")


def one_line(text: str) -> str:
    """A subject: nothing in it can begin another line of a mail's head."""
    line = short(" ".join(text.split()))
    return line if len(line) <= LONGEST_SUBJECT + 40 else f"{line[: LONGEST_SUBJECT + 39]}…"


def _headline(group: Group, words: dict[str, tuple[str, str]]) -> str:
    if group.count == 1 and group.event in {"alarm", "ok", "workflow"} and words is _SHORT:
        told = group.listed[0].partition(": ")[0]
        return f"{told} OK" if group.event == "ok" else f"ALARM {told}" if group.event == "alarm" else told
    one, many = words.get(group.event, (group.event, group.event))
    about = f"{short(group.table)}: " if group.table else ""
    return f"{about}{group.count:,} {one if group.count == 1 else many}"


def _body(gathered: Gathered, groups: list[Group], sender: Sender) -> Iterator[str]:
    for group in groups:
        yield from _part(group)
        yield ""
    steps = list(dict.fromkeys(step for group in groups for step in _NEXT.get(group.event, ())))
    if steps:
        yield "What to do:"
        yield from (f"  {step}" for step in steps)
        yield ""
    until = "" if gathered.last == gathered.first else f" to {iso(gathered.last)}"
    yield f"The notice {sender.notice} of the lake {sender.lake}, {iso(gathered.first)}{until}"


def _part(group: Group) -> Iterator[str]:
    yield _headline(group, _LONG)
    figures = [f"{group.figures[name]:,} {word}" for name, word in _FIGURES.items() if group.figures.get(name)]
    if figures:
        yield f"  {', '.join(figures)}"
    if len(group.reasons) > 1 or group.count > LISTED:
        yield from (f"  {line}" for line in _reasons(group))
        if group.reasons:
            yield ""
    yield from (f"  {line}" for line in group.listed)
    if group.count > len(group.listed):
        yield f"  and {group.count - len(group.listed):,} more"


def _reasons(group: Group) -> Iterator[str]:
    width = max((len(f"{count:,}") for count in group.reasons.values()), default=0)
    ranked = sorted(group.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    yield from (f"{count:>{width},} x {reason}" for reason, count in ranked)
