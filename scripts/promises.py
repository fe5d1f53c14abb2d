"""Fill the table of docs/promises.md: each promise, what tests it, how to repeat that, and the last figures.

    promises.py                    write the table anew
    promises.py --check            only say whether it is as it should be
    promises.py KEY=TEXT ...       note what a suite said today, then write the table anew

Figures of suites are noted in benchmarks/suites.json; those of measurements come from benchmarks/figures.json.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "promises.md"
SUITES = ROOT / "benchmarks" / "suites.json"
FIGURES = ROOT / "benchmarks" / "figures.json"
BEGIN, END = "<!-- figures: written by scripts/promises.py -->\n", "<!-- end of figures -->"
UNKNOWN = "no figures yet"
Measured = dict[str, Any]


@dataclass(frozen=True)
class Promise:
    """One row of the table.

    Attributes:
        key: Under which figures are noted.
        text: The promise.
        tested: How it is tested.
        where: Folders and files with the tests, below the root.
        repeat: What repeats it.
        figures: Tells the figures out of those of measurements; None when a suite's are noted.
    """

    key: str
    text: str
    tested: str
    where: tuple[str, ...]
    repeat: str
    figures: Callable[[Measured], str] | None = None


def _row(measured: Measured, name: str, row: str) -> dict[str, float | None]:
    """The figures of one row of a measurement, by the heads of its columns."""
    table = measured[name]["tables"][0]
    figures = next(one["figures"] for one in table["rows"] if one["name"] == row)
    return dict(zip((head for head, _ in table["columns"]), figures, strict=True))


def _gigabytes(measured: Measured, name: str) -> str:
    """How much was read, as the title tells it."""
    found = re.search(r"([\d.,]+) GB", measured[name]["tables"][0]["title"])
    return found[1] if found else "?"


def _times(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _over(other: float | None, own: float | None) -> str:
    return "-" if other is None or not own else f"{other / own:.1f}"


def _memory(measured: Measured) -> str:
    peaks = [
        f"{_times(_row(measured, name, 'penstock run')['memory MB'], 0)} MB at {_gigabytes(measured, name)} GB"
        for name in ("road", "large")
    ]
    return f"{', '.join(peaks)} (goal: 500)"


def _speed(measured: Measured) -> str:
    own, polars, pandas = (_row(measured, "road", name) for name in ("penstock run", "Polars", "pandas"))
    faster, leaner = _over(pandas["CPU s"], own["CPU s"]), _over(pandas["memory MB"], own["memory MB"])
    beside = _over(own["CPU s"], polars["CPU s"])
    return (
        f"{_gigabytes(measured, 'road')} GB: {_times(own['CPU ratio'])} times the CPU of a bare `COPY` (goal: 1.3), "
        f"{beside} times that "
        f"of Polars (goal: 1.5); {faster} times faster and {leaner} times leaner than pandas (goals: 4, 8)"
    )


def _small(measured: Measured) -> str:
    of = measured["small"]["tables"][0]["title"].partition(": ")[2]
    return f"{_times(_row(measured, 'small', 'penstock run')['files/s'], 0)} files/s (goal: 200); {of}"


def _commits(measured: Measured) -> str:
    ratio = _row(measured, "commits", "1,000th commit")["commit ratio"]
    return f"the 1,000th commit takes {_times(ratio)} times as long as the 10th (goal: 2)"


def _live(measured: Measured) -> str:
    names = [row["name"] for row in measured["live"]["tables"][0]["rows"]]
    every, first, last, burst = (_row(measured, "live", name) for name in names)
    flat = _times((last["median ms"] or 0.0) / (first["median ms"] or 1.0))
    return (
        f"from drop to query {_times(every['median ms'], 0)} ms in the median (goal: 100), 95 % within "
        f"{_times(every['95th percentile ms'], 0)} ms (goal: 250); {names[2]} of {names[0].removeprefix('all ')} take "
        f"{flat} times as long as {names[1]} (goal: 1.5); {names[3]}: {_times(burst['files a second'], 0)} files/s "
        "(goal: 300)"
    )


def _queries(measured: Measured) -> str:
    table = measured["query"]["tables"][0]
    ratios = {row["name"]: _row(measured, "query", row["name"])["ratio"] for row in table["rows"]}
    said = ", ".join(f"{name} {_times(ratio)}" for name, ratio in ratios.items())
    return f"times as long as bare `read_parquet`: {said} (goal: 1.25)"


def _starting(measured: Measured) -> str:
    told, query = (_row(measured, "startup", name)["wall s"] for name in ("penstock --help", "penstock query"))
    return f"`--help` {_times(told)} s (goal: 0.25), `query` {_times(query)} s (goal: 0.6)"


def _install(measured: Measured) -> str:
    own = _row(measured, "install", "penstock")
    return (
        f"{_times(own['packages'], 0)} packages, {_times(own['MB on disk'], 0)} MB (goal: 250), "
        f"{_times(own['wall s'], 0)} s (goal: 15)"
    )


PROMISES = (
    Promise(
        "once",
        "**Exactly once.** The rows of a file are in the table once: found twice, shared by several, killed anywhere.",
        "Workers are killed at random while thousands of files land, with duplicates, new versions and bad rows; the "
        "rows are then compared with a truth computed apart.",
        ("tests/storms/test_kills.py", "tests/road/test_crash.py", "tests/road/test_concurrent.py"),
        "make storm",
    ),
    Promise(
        "faults",
        "**Any single fault is survived.** An error, a torn write, a full disk, a kill: one plain rerun puts it right.",
        "Every write, sync, rename, statement and commit on a file's road fails once, from the first to the last.",
        ("tests/faults",),
        "make sweep",
    ),
    Promise(
        "races",
        "**Writers do not harm each other.** No commit is lost, none counts twice.",
        "16 processes commit 100 times each to one table.",
        ("tests/storms/test_racing_commits.py",),
        "make storm",
    ),
    Promise(
        "answers",
        "**Lost answers do no harm.** A commit that landed without an answer is recognised.",
        "Commits land while their answer is thrown away, at random.",
        ("tests/storms/test_lost_answers.py",),
        "make storm",
    ),
    Promise(
        "soak",
        "**Always on.** A lake that is up stays right, whatever happens to it, and does not grow.",
        "Twenty minutes of files, new versions, bad files, kills and mail outages by chance; tables, dead letters, "
        "accounts, alarms and messages are then compared with what `raw/` says, memory with what it was.",
        ("tests/soak",),
        "make soak",
    ),
    Promise(
        "fenced",
        "**Who comes back late writes nothing.** A process that slept through the end of its lease is shut out.",
        "Processes are frozen at many places of their work, others take over, and they are woken again. Events come "
        "one to ten times, shuffled, late and between kills: the same rows.",
        ("tests/queue",),
        "make storm",
    ),
    Promise(
        "told",
        "**People are told.** What happened is told at least once, secrets never; a thousand failures are one mail.",
        "Real servers for mail and webhooks refuse, hang, drop and vanish; processes are killed between planning and "
        "delivery; a secret is looked for in everything that is written.",
        ("tests/notices", "tests/alarms"),
        "make test",
    ),
    Promise(
        "schedules",
        "**Every schedule fires once.** Whatever clocks do, and however many processes watch.",
        "Schedules are compared with a walk through every minute in nine time zones; processes race and are killed.",
        ("tests/workflow",),
        "make test",
    ),
    Promise(
        "forgetting",
        "**Nothing is forgotten.** A file that was taken in is known for ever, by its bytes and its name.",
        "The same file comes again after 400 days, after history was trimmed, after the state store was lost.",
        ("tests/storms/test_forgetting.py",),
        "make storm",
    ),
    Promise(
        "supersede",
        "**Supersede.** A file that arrives again replaces its rows in one commit; the newest version wins.",
        "A file is overwritten before, during and after it is read, at hundreds of moments.",
        ("tests/storms/test_overwrites.py", "tests/road/test_road.py"),
        "make storm",
    ),
    Promise(
        "accounting",
        "**Row accounting.** Rows in = rows out + dropped by named rule + quarantined, or the run fails.",
        "The sum is checked in every run, in production as well; tests lose rows on purpose and see the run fail.",
        ("tests/quality/test_accounting.py", "tests/road"),
        "make test",
    ),
    Promise(
        "atomic",
        "**Atomic.** Readers see a table before or after a commit, never between.",
        "Readers count while writers commit and upkeep runs; every count must be one that was committed.",
        ("tests/upkeep", "tests/storms"),
        "make storm",
    ),
    Promise(
        "silent",
        "**Nothing silent.** No value nulled, no row skipped, no guess without a record that says so.",
        "Polluted files of many kinds: every cell that differs from the truth must be set aside, warned of or refused.",
        ("tests/formats/test_pollution.py", "tests/hostile"),
        ".venv/bin/python benchmarks/dialects.py",
    ),
    Promise(
        "raw",
        "**Raw is sacred.** Nothing in `raw/` is ever changed or deleted.",
        "The bytes of what was delivered are compared after runs with good and with bad files.",
        ("tests/hostile", "tests/road/test_road.py"),
        "make test",
    ),
    Promise(
        "integrity",
        "**Damage is found.** A flipped byte in a data file, a manifest or the state is named, never served.",
        "One byte after the other is flipped; queries must answer as before or refuse.",
        ("tests/integrity",),
        "make test",
    ),
    Promise(
        "restore",
        "**What is lost comes back.** The state store can be restored from an old copy, or made anew from the tables.",
        "It is deleted, damaged and replaced by an old copy, then repaired; rows and history are compared.",
        ("tests/integrity", "tests/storms/test_forgetting.py"),
        "make test",
    ),
    Promise(
        "upkeep",
        "**Upkeep is safe.** Compaction, expiry and removal go on while others read and write.",
        "Writers and readers at work while upkeep loops: no reader fails, every count is right.",
        ("tests/upkeep",),
        "make storm",
    ),
    Promise(
        "interop",
        "**Open tables.** Other engines read the same rows; what others write is noticed and handled.",
        "A table with every type is read by pyiceberg, Polars, DuckDB and Spark, and written to by others.",
        ("tests/interop",),
        "make test",
    ),
    Promise(
        "memory",
        "**Bounded memory.** The size of a file does not decide how much memory it takes.",
        "Peak memory of the whole process, at 1 GB and at five times that.",
        ("benchmarks/road.py", "benchmarks/large.py"),
        "make bench",
        _memory,
    ),
    Promise(
        "speed",
        "**Speed.** All of this costs little more than the bare copy.",
        "1 GB of CSV beside DuckDB, Polars and pandas doing the same, rows compared first.",
        ("benchmarks/road.py",),
        "make bench",
        _speed,
    ),
    Promise(
        "small", "**Small files.**", "1,000 files of 10 KB in one run.", ("benchmarks/small.py",), "make bench", _small
    ),
    Promise(
        "live",
        "**At once.** While `penstock up` runs, a file that lands is there a moment later, however many came before.",
        "5,000 files of 10 KB land one by one, then 1,000 at once, while another process looks for their rows.",
        ("benchmarks/live.py",),
        "make bench",
        _live,
    ),
    Promise(
        "commits",
        "**Tables stay quick.** Commits do not slow down as they add up.",
        "1,000 runs of one file each.",
        ("benchmarks/commits.py",),
        "make bench",
        _commits,
    ),
    Promise(
        "queries",
        "**Queries.** The table format costs next to nothing.",
        "Five statements beside the same over the bare files.",
        ("benchmarks/query.py",),
        "make bench",
        _queries,
    ),
    Promise(
        "starting",
        "**Starting.** The command line answers at once.",
        "Whole processes, many times.",
        ("benchmarks/startup.py",),
        "make bench",
        _starting,
    ),
    Promise(
        "install",
        "**Nothing to first answer.**",
        "From an empty virtual environment to an answer, beside datasette, dlt and SQLMesh.",
        ("benchmarks/install.py",),
        "make bench",
        _install,
    ),
)


def table(suites: dict[str, dict[str, str]], measured: Measured) -> str:
    """The table as Markdown."""
    lines = ["| promise | how it is tested | repeat it | last figures |", "| --- | --- | --- | --- |"]
    for promise in PROMISES:
        where = ", ".join(f"`{path}`" for path in promise.where)
        figures = _figures(promise, suites, measured)
        lines.append(f"| {promise.text} | {promise.tested} {where} | `{promise.repeat}` | {figures} |")
    return "\n".join(lines) + "\n"


def _figures(promise: Promise, suites: dict[str, dict[str, str]], measured: Measured) -> str:
    if promise.figures is None:
        noted = suites.get(promise.key)
        return f"{noted['found']} ({noted['date']})" if noted else UNKNOWN
    try:
        return promise.figures(measured)
    except (KeyError, StopIteration):
        return UNKNOWN


def page(text: str, suites: dict[str, dict[str, str]], measured: Measured) -> str:
    """The page with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(suites, measured)}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write, check or note."""
    suites, measured = _read(SUITES), _read(FIGURES)
    notes = [argument for argument in arguments if argument != "--check"]
    for note in notes:
        key, _, found = note.partition("=")
        if key not in {promise.key for promise in PROMISES if promise.figures is None} or not found:
            print(f"unknown note: {note}; a note is KEY=TEXT, KEY as in PROMISES", file=sys.stderr)
            return 2
        suites[key] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "found": found}
    if notes:
        SUITES.write_text(json.dumps(suites, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    old = PAGE.read_text(encoding="utf-8")
    new = page(old, suites, measured)
    if "--check" in arguments:
        if new != old:
            print("docs/promises.md is not as its figures say: run scripts/promises.py", file=sys.stderr)
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
