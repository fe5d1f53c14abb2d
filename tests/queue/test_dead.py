"""Dead letters: what they carry, and what becomes of them when people act."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import penstock
from penstock.arrivals.dead import Answer, grouped
from penstock.arrivals.failing import Failing
from penstock.arrivals.failure import AGAIN_SECONDS, Tracebacks, trace_of, trouble_of
from penstock.clock import HeldClock
from penstock.declaration import Retry, patience_of
from penstock.errors import BadFileError, DeadLetterError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.state import Arrival, Trouble
from penstock.version import __version__
from penstock.wiring.workers import workshop

GOOD = "id,price\n1,10\n2,20\n"
DECLARATION = """
lake: shop
tables:
  t: {files: "*.csv"}
"""
T = TableName.parse("t")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake with one good file."""
    (tmp_path / "lake.yaml").write_text(DECLARATION)
    (tmp_path / "raw").mkdir()
    put(tmp_path, "good.csv", GOOD)
    return tmp_path


def put(folder: Path, key: str, text: str) -> None:
    """Let a file land."""
    temporary = folder / "raw" / f".{key}.tmp"
    temporary.write_text(text)
    temporary.replace(folder / "raw" / key)


def replay(lake: Lake, *letters: Arrival, dry_run: bool = False) -> list[Answer]:
    """Replay dead letters."""
    return list(lake.dead.replay(letters, dry_run=dry_run))


def events(lake: Lake, *names: str) -> list[tuple[str, str]]:
    """Events of some names, with their files."""
    return [(event.name, event.facts["file"]) for event in lake.state.events.after(0) if event.name in names]


def an_arrival(key: str = "a.csv") -> Arrival:
    """An arrival to fail."""
    return Arrival(1, T, key, "0" * 64, 0, 1, 1, "mark", "working", attempts=1)


def raised(what: str) -> BadFileError:
    """An error, raised at a place."""
    with pytest.raises(BadFileError) as caught:
        raise BadFileError(what)
    return caught.value


# --- What they carry ---------------------------------------------------------------------------


def test_a_dead_letter_carries_what_is_known(folder: Path) -> None:
    """Reason, file, line, cause, attempts, first and last time, version of the program and of the declaration."""
    put(folder, "twice.csv", "id,id\n1,2\n")
    clock = HeldClock()
    with Lake(folder, clock) as lake:
        lake.run()
        (letter,) = lake.dead.find()
        assert (letter.key, letter.attempts, letter.trouble.line) == ("twice.csv", 1, 1)
        assert (letter.trouble.code, letter.trouble.version) == ("bad_file", __version__)
        assert letter.failed_at == letter.finished_at == clock.now()
        assert letter.plan is not None
        (event,) = [event for event in lake.journal.tail(50) if event["event"] == "dead" and "traceback" in event]
        assert event["trace"] == letter.trouble.trace
        assert "BadFileError" in event["traceback"]
        facts = lake.query("SELECT id, file, line, code, trace, penstock, declaration FROM penstock.dead_letters")
        trouble = letter.trouble
        known = (letter.sequence, "twice.csv", 1, "bad_file", trouble.trace, __version__, letter.plan)
        assert facts.fetchall() == [known]


@pytest.mark.parametrize(
    ("what", "line", "row", "column"),
    [
        ("line 1,234: columns 1 and 2 are both called", 1234, None, None),
        ('column "unit price" holds parts of a microsecond, for one in row 17', None, 17, "unit price"),
        ('the value "line 5, row 6" is no number', None, None, None),
        ("there is no header", None, None, None),
    ],
)
def test_the_place_in_the_file_is_told(what: str, line: int | None, row: int | None, column: str | None) -> None:
    """Line, record and column are those that the reason names, never those that a value of the file seems to name."""
    trouble = trouble_of(raised(what), an_arrival())
    assert (trouble.line, trouble.row, trouble.column) == (line, row, column)


def test_equal_causes_have_equal_names() -> None:
    """Files that fail for the same cause have the same trace; other reasons and other places have another."""

    def elsewhere(what: str) -> BadFileError:
        with pytest.raises(BadFileError) as caught:
            raise BadFileError(what)
        return caught.value

    one = trace_of(raised('line 7 of a.csv: the name "x" is taken'), "a.csv")
    assert one == trace_of(raised('line 1,200 of b.csv: the name "x" is taken'), "b.csv")
    assert one != trace_of(raised('line 7 of a.csv: the name "y" is taken'), "a.csv")
    assert one != trace_of(elsewhere('line 7 of a.csv: the name "x" is taken'), "a.csv")
    assert len(one) == 8


def test_a_traceback_is_told_once_an_hour() -> None:
    """A thousand files that fail for one cause do not fill the log with one traceback; but later it is told again."""
    clock = HeldClock()
    tracebacks, error = Tracebacks(clock), raised("no header")
    assert "BadFileError: no header" in tracebacks.of("cause", error)["traceback"]
    assert tracebacks.of("cause", error) == {}
    assert "traceback" in tracebacks.of("another", error)
    clock.sleep(AGAIN_SECONDS)
    assert "traceback" in tracebacks.of("cause", error)
    assert tracebacks.of("third", None) == {}


def test_what_is_tried_again_rests_as_declared(folder: Path) -> None:
    """Rests grow as the lake and the table declare, with chance that can be repeated; then the file is dead."""
    (folder / "lake.yaml").write_text(
        'lake: shop\nretry: {attempts: 4, wait: 10s, jitter: 0.5}\ntables: {t: {files: "*.csv", retry: {backoff: 3}}}\n'
    )
    clock = HeldClock()
    with Lake(folder, clock) as lake:
        lake.discover()
        shop, table = workshop(lake), lake.declared[T]
        lake.closing(shop.bench.engine)
        failing = Failing(shop, lake.state, lake.signals, retry=lake.declaration.retry, chance=random.Random(5))
        wanted = patience_of(lake.declaration.retry, Retry(backoff=3)).delays(random.Random(5))
        for rest in wanted:
            (claimed,) = lake.state.arrivals.claim(T, 1)
            failing.fail(T, table, claimed, OSError(5, "Input/output error"), summary := penstock_summary())
            assert summary.dead == []
            clock.sleep(rest - 0.01)
            assert lake.state.arrivals.claim(T, 1) == []
            clock.sleep(0.02)
        (claimed,) = lake.state.arrivals.claim(T, 1)
        failing.fail(T, table, claimed, OSError(5, "Input/output error"), summary)
        assert [letter.key for letter in summary.dead] == ["good.csv"]
        (letter,) = lake.dead.find()
        assert (letter.attempts, letter.trouble.code) == (4, "system")
        assert (letter.failed_at or 0) < (letter.finished_at or 0)
        assert [name for name, _ in events(lake, "failed", "dead")] == ["failed"] * 3 + ["dead"]


def penstock_summary() -> penstock.arrivals.Summary:
    """A summary of nothing."""
    return penstock.arrivals.Summary()


# --- Replaying ---------------------------------------------------------------------------------


def dead_letter(lake: Lake, folder: Path) -> Arrival:
    """A dead letter whose cause is gone: a file that could not be read, and can be now."""
    put(folder, "bad.csv", "id,price\n3,30\n")
    (folder / "raw" / "bad.csv").chmod(0o600)
    lake.discover()
    for arrival in lake.state.arrivals.claim(T, 10):
        if arrival.key == "bad.csv":
            lake.state.arrivals.bury(arrival, "a passing cold", "plan", "run", Trouble(code="x", trace="cold"))
        else:
            lake.state.arrivals.give_back(arrival, "not now", counted=False)
    (letter,) = lake.state.arrivals.find(T, ("dead",))
    return letter


def test_a_replay_brings_the_rows_in_once(folder: Path) -> None:
    """Replayed twice, while it waits, while it is worked on and after it is in: the rows are there once."""
    with penstock.open(folder) as lake:
        letter = dead_letter(lake, folder)
        assert [answer.outcome for answer in replay(lake, letter, letter)] == ["waits", "already"]
        assert [answer.outcome for answer in replay(lake, letter)] == ["already"]
        lake.signals.listen("started", lambda _event: answers.extend(replay(lake, lake.dead.get(letter.sequence))))
        answers: list[Answer] = []
        lake.worker().drain(lake.declared)
        assert {answer.text for answer in answers} <= {
            "is being worked on",
            "waits already",
            "is in: its rows were committed",
        }
        assert "is being worked on" in {answer.text for answer in answers}
        assert [answer.outcome for answer in replay(lake, letter)] == ["already"]
        assert lake.query("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (2,), (3,)]
        assert events(lake, "replayed", "recovered") == [("replayed", "bad.csv"), ("recovered", "bad.csv")]
        assert lake.dead.find() == []


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    """What would come of a replay is told, and nothing is done."""
    with penstock.open(folder) as lake:
        letter = dead_letter(lake, folder)
        before = lake.state.arrivals.find()
        assert [answer.text for answer in replay(lake, letter, dry_run=True)] == ["would wait again"]
        put(folder, "bad.csv", "id,price\n4,40\n")
        (answer,) = replay(lake, letter, dry_run=True)
        assert (answer.outcome, answer.text) == (
            "newer",
            "the file was written to since; what it holds now would be looked at",
        )
        assert lake.state.arrivals.find() == before
        assert events(lake, "replayed") == []


def test_a_file_that_is_gone_cannot_be_replayed(folder: Path) -> None:
    """Without its bytes in raw/ a dead letter is refused, and stays dead."""
    with penstock.open(folder) as lake:
        letter = dead_letter(lake, folder)
        (folder / "raw" / "bad.csv").unlink()
        (answer,) = replay(lake, letter)
        assert (answer.outcome, answer.done) == ("gone", False)
        assert "no longer in raw/" in answer.text
        assert lake.dead.find() == [letter]


def test_a_file_that_has_changed_is_taken_as_it_is_now(folder: Path) -> None:
    """Replayed after it was corrected, a file's new version waits; the old one is refused from then on."""
    with penstock.open(folder) as lake:
        letter = dead_letter(lake, folder)
        put(folder, "bad.csv", "id,price\n5,50\n")
        assert [answer.outcome for answer in replay(lake, letter)] == ["newer"]
        (answer,) = replay(lake, lake.dead.get(letter.sequence))
        assert (answer.outcome, answer.text) == ("refused", "a newer version of the file took its place")
        lake.worker().drain(lake.declared)
        assert lake.query("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (2,), (5,)]


def test_a_file_that_was_only_touched_waits(folder: Path) -> None:
    """New times, the same bytes: that is the version that failed."""
    with penstock.open(folder) as lake:
        letter = dead_letter(lake, folder)
        put(folder, "bad.csv", "id,price\n3,30\n")
        assert [answer.outcome for answer in replay(lake, letter)] == ["waits"]
        assert lake.dead.get(letter.sequence).state == "pending"


def test_letters_of_a_table_that_is_gone_are_refused(folder: Path) -> None:
    """What no table wants any more cannot be tried; it can be discarded."""
    with penstock.open(folder) as lake:
        dead_letter(lake, folder)
    (folder / "lake.yaml").write_text("lake: shop\n")
    with penstock.open(folder) as lake:
        (letter,) = lake.dead.find()
        assert [answer.outcome for answer in replay(lake, letter)] == ["undeclared"]
        assert [answer.outcome for answer in lake.dead.discard([letter], "no such table")] == ["discarded"]


# --- Discarding --------------------------------------------------------------------------------


def test_discarded_letters_are_kept_and_leave_people_alone(folder: Path) -> None:
    """Given up, with the reason and the time; neither a run, nor a new declaration, nor a replay brings it back."""
    clock = HeldClock()
    with Lake(folder, clock) as lake:
        letter = dead_letter(lake, folder)
        assert [answer.outcome for answer in lake.dead.discard([letter], "a test")] == ["discarded"]
        assert [answer.outcome for answer in lake.dead.discard([letter], "again")] == ["discarded"]
        assert events(lake, "discarded") == [("discarded", "bad.csv")]
        assert lake.dead.find() == []
        (kept,) = lake.dead.find(discarded=True)
        assert (kept.reason, kept.trouble.why, kept.trouble.discarded_at) == ("a passing cold", "a test", clock.now())
        assert [answer.outcome for answer in replay(lake, kept)] == ["refused"]
        assert lake.run().dead == []
    (folder / "lake.yaml").write_text(DECLARATION.replace('"*.csv"', '"*.csv", description: changed'))
    with Lake(folder, clock) as lake:
        assert lake.run().dead == []
        assert lake.query("SELECT count(*) FROM t").fetchall() == [(2,)]
        put(folder, "bad.csv", "id,price\n6,60\n")
        lake.run()
        assert lake.query("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (2,), (6,)]
        assert lake.dead.find(discarded=True) == []


def test_a_discard_is_told_once_it_is_kept(folder: Path) -> None:
    """Whoever hears of it finds it so, from another process, too; what was discarded before is not told again."""
    seen = list[tuple[int, int]]()
    with penstock.open(folder) as lake, penstock.open(folder) as other:
        letter = dead_letter(lake, folder)
        find = other.state.arrivals.find
        lake.signals.listen("discarded", lambda _: seen.append((len(find(T, ("dead",))), len(find(T, ("discarded",))))))
        for _ in range(2):
            assert [answer.outcome for answer in lake.dead.discard([letter], "a test")] == ["discarded"]
    assert seen == [(0, 1)]


def test_what_is_not_dead_cannot_be_discarded(folder: Path) -> None:
    """A file that waits, is in, or gave way to a newer version is no dead letter."""
    with penstock.open(folder) as lake:
        lake.discover()
        (waiting,) = lake.state.arrivals.find()
        assert [(answer.outcome, answer.text) for answer in lake.dead.discard([waiting], "why")] == [
            ("refused", "waits already")
        ]
        lake.run()
        assert [answer.done for answer in lake.dead.discard([waiting], "why")] == [False]
        with pytest.raises(DeadLetterError, match="no dead letter has the number 77"):
            lake.dead.get(77)


# --- Many --------------------------------------------------------------------------------------


def test_many_letters_are_grouped_by_cause(folder: Path) -> None:
    """Thirty files with one fault are one group, beside another file with another fault; all can be replayed."""
    for at in range(30):
        put(folder, f"twice-{at}.csv", f"id,id\n{at},2\n")
    put(folder, "empty.csv", "")
    clock = HeldClock()
    with Lake(folder, clock) as lake:
        lake.run()
        groups = grouped(lake.dead.find())
        assert [len(group.letters) for group in groups] == [30, 1]
        assert groups[0].first <= groups[0].last
        trace = groups[0].one.trouble.trace
        assert len(lake.dead.find(trace=trace)) == 30
        assert len(lake.dead.find(T, since=clock.now() - 1)) == 31
        assert lake.dead.find(T, since=clock.now() + 1) == []
        assert lake.dead.find(TableName.parse("other")) == []
        assert {answer.outcome for answer in replay(lake, *lake.dead.find())} == {"waits"}
        assert len(lake.run().dead) == 31
