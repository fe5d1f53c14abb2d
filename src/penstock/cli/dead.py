"""`penstock dead`: what failed for good, looked at, tried again, or given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import Column, left, right, show
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.since import since_when
from penstock.cli.words import counted, moment, size
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.arrivals.dead import Answer, Group
    from penstock.lake import Lake
    from penstock.state import Arrival

FAILED = 1
LISTED = 20
"""Letters that are listed one by one; more of them are shown by cause."""
TOLD = 20
LETTERS = [
    *right("id"),
    *left("table", "file"),
    *right("attempts"),
    *left("last (UTC)"),
    Column("reason", shortens=True),
]
DISCARDED = [
    *right("id"),
    *left("table", "file", "discarded (UTC)", "why"),
    Column("reason", shortens=True),
]
CAUSES = [
    *right("letters"),
    *left("table", "trace", "first (UTC)", "last"),
    *right("such as"),
    Column("reason", shortens=True),
]


@click.group("dead")
def command() -> None:
    """Look at dead letters: files that failed for good. Try them again, or give them up.

    A corrected file needs neither: its new version takes the dead letter's place. Nor does a corrected lake.yaml: what
    failed under another declaration of its table is tried again by itself. The same letters are SQL:
    penstock.dead_letters.
    """


def _choosing(text: str) -> Callable[[Any], Any]:
    """Options that choose dead letters; `text` says what is done with them."""

    def add(function: Any) -> Any:
        options = (
            click.option("--table", type=TABLE, metavar="TABLE", help=f"{text} those of this table."),
            click.option("--since", metavar="TIME", help=f"{text} those of the last 90m, 12h or 7d; or a date."),
            click.option("--trace", metavar="TRACE", help=f"{text} those of this cause, as list shows it."),
        )
        for option in reversed(options):
            function = option(function)
        return function

    return add


@command.command("list")
@_choosing("Only")
@click.option("--each", is_flag=True, help="List every letter, however many there are.")
@click.option("--discarded", is_flag=True, help="List those that were given up.")
@json_option("Print [{id, table, file, reason, code, trace, line, row, column, attempts, failed_first, ...}].")
@click.pass_obj
def list_(
    session: Session, table: str | None, since: str | None, trace: str | None, *, each: bool, discarded: bool
) -> None:
    """List dead letters; more than 20 are shown by cause, the most frequent first."""
    from penstock.arrivals.dead import grouped

    with session.open() as lake:
        letters = _chosen(lake, table, since, trace, discarded=discarded)
    if session.json:
        emit([facts_of(letter) for letter in letters])
        return
    if not letters:
        say("nothing was discarded" if discarded else "no file is dead")
        return
    groups = grouped(letters)
    if discarded:
        show(DISCARDED, [_discarded_row(letter) for letter in letters])
    elif each or len(letters) <= LISTED:
        show(LETTERS, [_row(letter) for letter in letters])
    else:
        show(CAUSES, [_group_row(group) for group in groups])
    say()
    of = "" if len(groups) == len(letters) else f", for {counted(len(groups), 'cause')}"
    say(f"{counted(len(letters), 'file')} {'discarded' if discarded else 'dead'}{of}")
    first = groups[0].one
    if not discarded:
        again = (
            f"--trace {first.trouble.trace}" if len(groups[0].letters) > 1 and first.trouble.trace else first.sequence
        )
        next_steps([f"{session.call} dead show {first.sequence}", f"{session.call} dead replay {again}"])


@command.command("show")
@click.argument("number", metavar="ID", type=int)
@click.option("--traceback", "traced", is_flag=True, help="Show where in the program it failed, as the log has it.")
@json_option("Print {id, table, file, reason, ..., traceback}.")
@click.pass_obj
def show_(session: Session, number: int, *, traced: bool) -> None:
    """Tell all about one dead letter: what failed, where in the file, how often, when, and under which version."""
    with session.open() as lake:
        letter = lake.dead.get(number)
        traceback = _traceback(lake, letter.trouble.trace) if traced or session.json else None
    if session.json:
        emit({**facts_of(letter), "traceback": traceback})
        return
    say(f"{letter.table}  {printable(letter.key)}")
    say()
    for name, text in _lines(letter):
        say(f"  {name:<12}{printable(text)}")
    if traced:
        say()
        for line in (traceback or "the log has no traceback of it").rstrip().splitlines():
            say(dim(f"  {printable(line)}"))
    if letter.state == "dead":
        next_steps([f"{session.call} dead replay {number}", f"{session.call} dead discard {number} --why TEXT"])


@command.command("replay")
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@_choosing("All dead letters, only")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@json_option("Print [{id, table, file, outcome, text}].")
@click.pass_obj
def replay(
    session: Session,
    numbers: tuple[int, ...],
    table: str | None,
    since: str | None,
    trace: str | None,
    *,
    everything: bool,
    dry_run: bool,
) -> int:
    """Let dead letters be tried again, with all their attempts before them.

    They wait like files that have just landed: a running `penstock up` takes them at once, else the next run does. Rows
    that are in already are not added again. Ends with 1 when one of them cannot be tried again.
    """
    with session.open() as lake:
        letters = _asked(lake, numbers, (table, since, trace), everything=everything)
        answers = list(lake.dead.replay(letters, dry_run=dry_run))
        up = _up(lake)
    waiting = [answer for answer in answers if answer.outcome in {"waits", "newer"}]
    if session.json:
        emit([_answer_facts(answer) for answer in answers])
    else:
        _tell(answers)
        if waiting and not dry_run:
            _say_who_takes_them(session, up)
    return 0 if all(answer.done for answer in answers) else FAILED


@command.command("discard")
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@_choosing("All dead letters, only")
@click.option("--why", required=True, metavar="TEXT", help="The reason, which is kept.")
@json_option("Print [{id, table, file, outcome, text}].")
@click.pass_obj
def discard(
    session: Session,
    numbers: tuple[int, ...],
    table: str | None,
    since: str | None,
    trace: str | None,
    why: str,
    *,
    everything: bool,
) -> int:
    """Give dead letters up; they are kept, with the reason, in `dead list --discarded`.

    The files stay in raw/. A discarded letter is not tried again, unless its file changes.
    """
    with session.open() as lake:
        letters = _asked(lake, numbers, (table, since, trace), everything=everything)
        answers = list(lake.dead.discard(letters, why))
    if session.json:
        emit([_answer_facts(answer) for answer in answers])
    else:
        _tell(answers)
    return 0 if all(answer.done for answer in answers) else FAILED


def facts_of(letter: Arrival) -> dict[str, Any]:
    """A dead letter as `--json` shows it; these names are stable."""
    from penstock.clock import iso

    trouble = letter.trouble
    return {
        "id": letter.sequence,
        "table": str(letter.table),
        "file": letter.key,
        "version": letter.version,
        "bytes": letter.size,
        "state": letter.state,
        "reason": letter.reason,
        "code": trouble.code or None,
        "trace": trouble.trace or None,
        "line": trouble.line,
        "row": trouble.row,
        "column": trouble.column,
        "attempts": letter.attempts,
        "processes_lost": trouble.lost,
        "failed_first": iso(letter.failed_at) if letter.failed_at else None,
        "failed_last": iso(letter.finished_at) if letter.finished_at else None,
        "run": letter.run,
        "penstock": trouble.version or None,
        "declaration": letter.plan,
        "discarded": iso(trouble.discarded_at) if trouble.discarded_at else None,
        "why": trouble.why,
    }


def _chosen(
    lake: Lake, table: str | None, since: str | None, trace: str | None, *, discarded: bool = False
) -> list[Arrival]:
    name = table_named(lake, table) if table else None
    after = since_when(since, lake.clock.now()) if since else None
    return lake.dead.find(name, since=after, trace=trace, discarded=discarded)


def _asked(
    lake: Lake, numbers: tuple[int, ...], choice: tuple[str | None, str | None, str | None], *, everything: bool
) -> list[Arrival]:
    """The dead letters that a person means: by number, or by what they have in common.

    Raises:
        DeadLetterError: Both ways are mixed, or neither is used, or there is no such number.
    """
    from penstock.errors import DeadLetterError

    some = everything or any(choice)
    if bool(numbers) == bool(some):
        message = "name dead letters by their numbers, or choose them with --all, --table, --since, --trace"
        raise DeadLetterError(message, hint="see their numbers with: penstock dead list")
    if numbers:
        return [lake.dead.get(number) for number in dict.fromkeys(numbers)]
    return _chosen(lake, *choice)


def _row(letter: Arrival) -> list[str | None]:
    return [
        f"{letter.sequence}",
        str(letter.table),
        printable(letter.key),
        f"{letter.attempts:,}",
        moment(letter.finished_at),
        printable(letter.reason or ""),
    ]


def _discarded_row(letter: Arrival) -> list[str | None]:
    return [
        f"{letter.sequence}",
        str(letter.table),
        printable(letter.key),
        moment(letter.trouble.discarded_at),
        printable(letter.trouble.why or ""),
        printable(letter.reason or ""),
    ]


def _group_row(group: Group) -> list[str | None]:
    one = group.one
    return [
        f"{len(group.letters):,}",
        str(one.table),
        one.trouble.trace,
        moment(group.first),
        moment(group.last),
        f"{one.sequence}",
        printable(one.reason or ""),
    ]


def _lines(letter: Arrival) -> list[tuple[str, str]]:
    """What is known of a letter, by name."""
    trouble = letter.trouble
    known = (("line", trouble.line), ("row", trouble.row), ("column", trouble.column))
    place = ", ".join(f"{name} {value}" for name, value in known if value)
    lost = f", {trouble.lost} of them ended with their process" if trouble.lost else ""
    found = [
        ("state", letter.state),
        ("reason", letter.reason or ""),
        ("place", place),
        ("attempts", f"{letter.attempts:,}{lost}"),
        ("first", moment(letter.failed_at)),
        ("last", moment(letter.finished_at)),
        ("kind", trouble.code),
        ("trace", trouble.trace),
        ("run", letter.run or ""),
        ("version", f"penstock {trouble.version}, declaration {letter.plan}" if trouble.version else ""),
        ("file", f"{size(letter.size)}, sha256 {letter.version[:16]}"),
        ("discarded", f"{moment(trouble.discarded_at)}: {trouble.why}" if trouble.discarded_at else ""),
    ]
    return [(name, text) for name, text in found if text]


def _traceback(lake: Lake, trace: str) -> str | None:
    """The traceback that the log has of a cause; None when it has none any more."""
    if not trace:
        return None
    found = lake.journal.tail(1, lambda event: event.get("trace") == trace and "traceback" in event)
    return str(found[0]["traceback"]) if found else None


def _answer_facts(answer: Answer) -> dict[str, Any]:
    letter = answer.letter
    return {
        "id": letter.sequence,
        "table": str(letter.table),
        "file": letter.key,
        "outcome": answer.outcome,
        "text": answer.text,
    }


def _tell(answers: list[Answer]) -> None:
    """One line per letter; of many with the same outcome, a count."""
    if not answers:
        say("no file is dead")
        return
    outcomes: dict[str, list[Answer]] = {}
    for answer in answers:
        outcomes.setdefault(answer.text, []).append(answer)
    for text, same in outcomes.items():
        for answer in same[:TOLD]:
            say(f"{answer.letter.sequence}  {answer.letter.table}  {printable(answer.letter.key)}: {text}")
        if len(same) > TOLD:
            say(f"and {counted(len(same) - TOLD, 'more file')}: {text}")


def _up(lake: Lake) -> str | None:
    """The process that takes what waits at once; None when there is none."""
    return next((str(process) for process in lake.processes() if process.kind == "up"), None)


def _say_who_takes_them(session: Session, up: str | None) -> None:
    if up:
        say()
        say(f"{up} takes them now")
    else:
        next_steps([session.work])
