"""What must be true of a lake after a soak; every finding is a line."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator

import penstock
from tests.soak.truth import Truth, truth
from tests.soak.world import Sample, World

SHOWN = 5
MOST_GROWTH = 1.25
FEWEST_SAMPLES = 8


def audit(world: World) -> Iterator[str]:
    """Compare what the lake holds with what was delivered, and what was told with what happened."""
    right = truth(world.lake)
    yield from _tables(world, right)
    yield from _files(world, right)
    yield from _runs(world)
    yield from _alarms(world)
    yield from _messages(world)
    yield from (f"a process: {text}" for text in world.toll.ended)


def _tables(world: World, right: Truth) -> Iterator[str]:
    """Rows and quarantine are those that `raw/` makes."""
    with penstock.open(world.lake) as lake:
        for table, rows in right.rows.items():
            found = sorted(lake.query(f"SELECT * FROM {table}").fetchall())
            yield from _differences(f"table {table}", Counter(rows), Counter(found))
        aside = lake.query("SELECT table_name, file, line, column_name, rule FROM penstock.quarantine").fetchall()
    yield from _differences("quarantine", Counter(right.quarantine), Counter(aside))


def _differences(what: str, right: Counter[tuple[object, ...]], found: Counter[tuple[object, ...]]) -> Iterator[str]:
    for word, rows in (("lacks", right - found), ("has too much", found - right)):
        if rows:
            examples = ", ".join(map(repr, list(rows)[:SHOWN]))
            yield f"{what} {word}: {sum(rows.values())} rows, such as {examples}"


def _files(world: World, right: Truth) -> Iterator[str]:
    """Every file is finished with its account, or dead, or discarded; nothing else waits."""
    newest = {
        (table, key): rest
        for table, key, *rest in world.ask(
            'SELECT "table", key, state, version, reason, accounting FROM arrivals a WHERE sequence='
            '(SELECT max(sequence) FROM arrivals b WHERE b."table"=a."table" AND b.key=a.key)'
        )
    }
    unknown = newest.keys() - right.accounts.keys() - right.refused.keys()
    yield from (f"{table} {key} was never delivered" for table, key in unknown)
    for file, (version, *figures) in right.accounts.items():
        state, found, _, account = newest.get(file, ("not recorded", "", "", None))
        told = json.loads(account) if account else {}
        counts = [
            told.get("rows_in"),
            told.get("rows_out"),
            sum(told.get("dropped", {}).values()),
            told.get("quarantined"),
        ]
        if (state, found, counts) != ("finished", version, figures):
            yield f"{file} is {state} {found[:8]} with {counts}, not finished {version[:8]} with {figures}"
    for file, (version, reason) in right.refused.items():
        state, found, told_reason, _ = newest.get(file, ("not recorded", "", "", None))
        if state not in {"dead", "discarded"} or found != version or not str(told_reason).startswith(reason):
            yield f"{file} is {state} for {told_reason!r}, not dead for {reason!r}"
    others = world.ask(
        "SELECT key, state FROM arrivals WHERE state NOT IN ('finished', 'dead', 'discarded', 'superseded')"
    )
    yield from (f"{key} is still {state}" for key, state in others)


def _runs(world: World) -> Iterator[str]:
    """In every run, the rows that came in went somewhere."""
    for run, account in world.ask("SELECT run, accounting FROM runs"):
        told = json.loads(account)
        gone = told["rows_out"] + sum(told["dropped"].values()) + told["quarantined"]
        if told["rows_in"] + told["added"] != gone:
            yield f"run {run} does not add up: {told}"


def _alarms(world: World) -> Iterator[str]:
    """Alarms begin and end in turn, each told once; the one of dead letters stands as they do."""
    changes = defaultdict(list)
    for alarm, table, state in world.ask('SELECT alarm, "table", state FROM alarm_changes ORDER BY change'):
        changes[alarm, table].append(state)
    events = defaultdict(list)
    for name, facts, table in world.ask(
        "SELECT name, facts, \"table\" FROM events WHERE name IN ('alarm', 'ok') ORDER BY sequence"
    ):
        events[json.loads(facts)["alarm"], table].append({"alarm": "ALARM", "ok": "OK"}[name])
    if dict(changes) != dict(events):
        yield f"alarms changed {dict(changes)}, and were told as {dict(events)}"
    standing = {(alarm, table): state for alarm, table, state in world.ask('SELECT alarm, "table", state FROM alarms')}
    for alarm, states in changes.items():
        if states != ["ALARM", "OK"] * (len(states) // 2) + ["ALARM"] * (len(states) % 2):
            yield f"the alarm {alarm[0]} did not begin and end in turn: {states}"
        if standing.get(alarm) != states[-1]:
            yield f"the alarm {alarm[0]} is {standing.get(alarm)}, its last change was {states[-1]}"
    ((dead,),) = world.ask("SELECT count(*) FROM arrivals WHERE state='dead'")
    if standing.get(("dead_letters", "")) != ("ALARM" if dead else "OK"):
        yield f"{dead} dead letters wait, and their alarm is {standing.get(('dead_letters', ''))}"


TOLD = {"failures": ("dead", "recovered", "alarm", "ok"), "kept": ("dead", "alarm", "ok")}


def _messages(world: World) -> Iterator[str]:
    """Everything that happened and was to be told is in a message, once; every message was sent, at least once."""
    happened = Counter(world.ask('SELECT name, "table" FROM events'))
    told: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    received = Counter(_plain(*message) for message in world.mail.received)
    outbox = [file.read_text() for file in (world.lake / ".penstock" / "outbox").rglob("*.txt")]
    for number, notice, state, subject, text, events in world.ask(
        "SELECT message, notice, state, subject, body, events FROM messages"
    ):
        for group in json.loads(events)["groups"]:
            told[notice][group["event"], group["table"]] += group["count"]
        if state != "sent":
            yield f"message {number} of {notice} is {state}: {subject}"
        arrived = (
            received[_plain(subject, text)] if notice == "failures" else sum(text.strip() in one for one in outbox)
        )
        if not arrived:
            yield f"message {number} of {notice} never arrived: {subject}"
    for notice, names in TOLD.items():
        wanted = Counter({(name, table): count for (name, table), count in happened.items() if name in names})
        if told[notice] != wanted:
            yield f"{notice} told {dict(told[notice])} of {dict(wanted)}"


def _plain(subject: str, text: str) -> tuple[str, str]:
    """A message as it is compared: line ends and blanks at ends differ on the way."""
    return " ".join(subject.split()), "\n".join(line.rstrip() for line in text.strip().splitlines())


# --- Memory -------------------------------------------------------------------------------------


def growth(world: World) -> tuple[list[str], list[str]]:
    """What the steady process took in the second quarter and in the last one: for the report, and what is too much."""
    samples = world.toll.samples
    pid = samples[-1].pid if samples else 0
    quarters = [
        [one for one in samples if one.pid == pid and at <= 4 * one.at / world.plan.seconds < at + 1] for at in (1, 3)
    ]
    if min(map(len, quarters)) < FEWEST_SAMPLES:
        return [], [f"too few samples of the steady process: {[len(quarter) for quarter in quarters]}"]
    shown, wrong = [], []
    for what, unit, slack in (("bytes", 1_000_000, 0), ("threads", 1, 3), ("files", 1, 8)):
        early, late = (statistics.median(_of(one, what) for one in quarter) for quarter in quarters)
        shown.append(
            f"{what} {early / unit:,.0f} in the second quarter, {late / unit:,.0f} in the last ({late / early:.2f})"
        )
        if late > MOST_GROWTH * early + slack:
            wrong.append(f"{what} grew from {early:,.0f} to {late:,.0f}")
    return shown, wrong


def _of(sample: Sample, what: str) -> float:
    return float(getattr(sample, what))
