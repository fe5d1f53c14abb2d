"""What the log says, in words: one phrase for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.cli.words import counted, lasted, size
from penstock.naming import printable

Event = dict[str, Any]
THOUSAND = 1000.0


def told(event: Event) -> str:
    """What happened, in one phrase."""
    words = _WORDS.get(str(event.get("event")))
    return printable(str(event.get("event")) if words is None else words(event))


def _finished(event: Event) -> str:
    dropped = sum(event.get("rows_dropped", {}).values())
    parts = [f"{counted(event['rows_in'], 'row')} in"]
    if event.get("rows_added"):
        parts.append(f"{event['rows_added']:,} added")
    if event["rows_out"]:
        parts.append(f"{event['rows_out']:,} out")
    if dropped:
        parts.append(f"{dropped:,} dropped")
    if event["rows_quarantined"]:
        parts.append(f"{event['rows_quarantined']:,} quarantined")
    if not event["rows_out"]:
        parts.append("nothing written: no row was left")
    return ", ".join(parts)


def _failed(event: Event) -> str:
    wait = lasted(float(event.get("retry_in") or 0))
    return f"attempt {event.get('attempt')} failed, again in {wait}: {event.get('reason')}"


def _readmitted(event: Event) -> str:
    stay = event.get("rows_quarantined", 0)
    return f"{counted(event['rows_out'], 'row')} came back" + (f", {stay:,} stay in quarantine" if stay else "")


def _maintained(event: Event) -> str:
    parts = [f"{event['files_joined']:,} files joined"] if event.get("files_joined") else []
    parts += [f"{counted(event['snapshots_expired'], 'snapshot')} expired"] if event.get("snapshots_expired") else []
    parts += [f"{event['manifests_merged']:,} manifests merged"] if event.get("manifests_merged") else []
    if event.get("orphans_removed"):
        parts.append(f"{counted(event['orphans_removed'], 'orphan')} removed, {size(event['bytes_freed'])} freed")
    return ", ".join(parts)


def _arrived(event: Event) -> str:
    files = event.get("files") or []
    landed = printable(str(files[0])) if len(files) == 1 else counted(len(files), "file")
    return f"{landed} arrived, {size(int(event.get('bytes') or 0))}"


def _breached(event: Event) -> str:
    breaches = counted(int(event.get("breaches") or 0), "row")
    return f"{breaches} broke {event.get('check')} ({event.get('on_breach')}): {event.get('reason')}"


def _ok(event: Event) -> str:
    return (
        f"alarm {event.get('alarm')} is over after {lasted(float(event.get('lasted_s') or 0))}: {event.get('reason')}"
    )


def _workflow(event: Event) -> str:
    name, reason = event.get("workflow"), event.get("reason")
    match event.get("state"):
        case "finished":
            return f"workflow {name} finished in {lasted(float(event.get('duration_ms') or 0) / THOUSAND)}"
        case "failed":
            return f"workflow {name} failed: {reason}"
        case _:
            return f"workflow {name}: {reason}"


def _step(event: Event) -> str:
    about = f"workflow {event.get('workflow')}, {event.get('step')}"
    if event.get("state") != "failed":
        return f"{about}: done"
    again = "" if event.get("retry_in") is None else f", again in {lasted(float(event['retry_in']))}"
    return f"{about}: attempt {event.get('attempt')} failed{again}: {event.get('reason')}"


def _up(event: Event) -> str:
    port = f", answering on port {event['port']}" if event.get("port") else ""
    return f"penstock {event.get('version')} is up (process {event.get('pid')}{port})"


def _down(event: Event) -> str:
    ended = "stopped" if event.get("drained") else "stopped before the files at hand were finished; they wait"
    return f"process {event.get('pid')} {ended}"


def _message(words: str) -> Callable[[Event], str]:
    def phrase(event: Event) -> str:
        why = f": {event['reason']}" if event.get("reason") else ""
        return f"notice {event.get('notice')} to {event.get('target')} {words}{why}"

    return phrase


_WORDS: dict[str, Callable[[Event], str]] = {
    "finished": _finished,
    "failed": _failed,
    "readmitted": _readmitted,
    "purged": lambda event: f"{counted(event['rows'], 'row')} removed from quarantine, set aside {event['set_aside']}",
    "dead": lambda event: f"dead: {event.get('reason')}",
    "discarded": lambda event: f"given up by hand: {event.get('why')}",
    "replayed": lambda _: "a dead letter waits again",
    "recovered": lambda _: "was dead, and is in now",
    "maintained": _maintained,
    "upkeep_failed": lambda event: f"upkeep failed: {event.get('reason')}",
    "sealed": lambda event: f"{counted(event['files'], 'file')} sealed that nobody had sealed when they were written",
    "repaired": lambda event: f"repaired: {event.get('what')}",
    "noticed": lambda event: str(event.get("note")),
    "arrived": _arrived,
    "breached": _breached,
    "alarm": lambda event: f"ALARM {event.get('alarm')}: {event.get('reason')}",
    "ok": _ok,
    "scheduled": lambda event: f"workflow {event.get('workflow')} is due ({event.get('due')})",
    "workflow": _workflow,
    "workflow_step": _step,
    "workflow_skipped": lambda event: f"workflow {event.get('workflow')} was left out: {event.get('reason')}",
    "workflow_output": lambda event: (
        f"workflow {event.get('workflow')}, {event.get('step')} ended with {event.get('exit')}: {event.get('output')}"
    ),
    "told": _message("was sent"),
    "not_told": _message("could not be sent, and is tried again"),
    "given_up": _message("is given up"),
    "up_started": _up,
    "up_stopped": _down,
    "paused": lambda event: f"files wait: {event.get('reason')}",
    "resumed": lambda event: f"going on: {event.get('reason')}",
    "full": lambda event: f"no room, the file waits: {event.get('reason')}",
    "outage": lambda event: f"AWS does not do what it is asked, the file waits: {event.get('reason')}",
    "blocked": lambda event: f"its files wait: {event.get('reason')}",
    "attendant_failed": lambda event: f"{event.get('attendant')} failed, and is tried again: {event.get('reason')}",
    "left_alone": lambda event: f"left alone: {event.get('tables')}; {event.get('reason')}",
    "part_failed": lambda event: f"{event.get('part')} ended, and the process with it: {event.get('reason')}",
    "unrecorded": lambda event: f"files could not be recorded: {event.get('reason')}",
    "polling": lambda event: f"looking every {event.get('seconds')} seconds: {event.get('reason')}",
    "declaration_changed": lambda _: "lake.yaml changed: going on with what it says now",
    "declaration_refused": lambda event: (
        f"lake.yaml changed and has problems, what it said before holds: {'; '.join(event.get('problems') or [])}"
    ),
    "secret_changed": lambda _: "a secret of aws.secrets changed: going on with its new value",
    "gap": lambda _: "lines were removed by rotation before they could be followed",
}
WORDED = tuple(_WORDS)
"""Events that have words of their own."""
