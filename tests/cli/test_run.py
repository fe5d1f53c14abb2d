"""`penstock run`: texts, exit codes, and that stopping it loses and doubles nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import call, line_of, started

Make = Callable[[str, dict[str, str]], Path]

ORDERS = """lake: shop
tables:
  orders:
    files: "*.csv"
    steps:
      - require: [customer]
"""
MANY = 40
ROWS_EACH = 6000


def _rows(folder: Path, table: str = "orders") -> list[int]:
    sql = f"SELECT count(*) AS n, count(DISTINCT id) AS d FROM {table}"
    row = call("-C", folder, "query", sql, "--format", "json").json()[0]
    return [row["n"], row["d"]]


def _many(make: Make) -> Path:
    files = {
        f"o{at:02}.csv": "id,customer\n" + "".join(f"{at * ROWS_EACH + n},c{n}\n" for n in range(ROWS_EACH))
        for at in range(MANY)
    }
    return make(ORDERS, files)


def test_run_says_where_every_row_went(tmp_path: Path) -> None:
    """The account adds up, the closing line sums it up, and the next steps follow."""
    folder = tmp_path / "clinic"
    call("init", "consultations", folder, "--sample-data", "--rows", "2000")
    outcome = call("run", cwd=folder)
    assert outcome.code == 0
    assert outcome.err == ""
    assert "consultations  consultations-2024.csv  1,200 rows in, " in outcome.out
    assert "\n  2,000  rows in, from 2 files\n" in outcome.out
    assert "  dropped: require diagnostic\n" in outcome.out
    closing = next(line for line in outcome.out.splitlines() if line.startswith("2 files, 2,000 rows in: "))
    words = closing.replace(",", "").split()
    figures = [int(words[at]) for at in (2, 5, 7, 9)]
    assert figures[0] == sum(figures[1:])
    assert 'next:\n  penstock query "SELECT * FROM consultations LIMIT 5"\n' in outcome.out
    again = call("run", cwd=folder)
    assert (again.code, again.out) == (0, "nothing new in raw/\n")


def test_run_json_has_the_documented_fields(make: Make) -> None:
    """Standard output is one object with stable names; people's words stand on standard error."""
    folder = make(ORDERS, {"a.csv": "id,customer\n1,x\n2,\n", "notes.txt": "no table wants this"})
    outcome = call("-C", folder, "run", "--json")
    facts = outcome.json()
    assert facts.pop("duration_ms") >= 0
    assert facts.pop("bytes_out") == facts["tables"][0].pop("bytes_out") > 0
    account = {
        "rows_in": 2,
        "rows_out": 1,
        "rows_added": 0,
        "rows_dropped": {"require customer": 1},
        "rows_quarantined": 0,
        "warnings": {},
        "bytes_in": 19,
    }
    assert facts == {
        "files": 1,
        **account,
        "tables": [{"table": "orders", "files": 1, **account}],
        "checks": [],
        "dead": [],
        "notes": [],
        "growing": [],
        "unclaimed": ["notes.txt"],
        "stopped": False,
        "waiting": 0,
    }
    assert "no table wants: notes.txt\n" in outcome.err
    assert "1 file, 2 rows in: 1 out, 1 dropped, 0 quarantined in " in outcome.err


def test_run_quiet_prints_nothing(make: Make) -> None:
    """`--quiet` is silent when all is well."""
    outcome = call("-C", make(ORDERS, {"a.csv": "id,customer\n1,x\n"}), "run", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_run_names_dead_files_and_ends_with_3(make: Make) -> None:
    """A file that cannot become rows is named with its reason; the others are in."""
    folder = make(ORDERS, {"a.csv": "id,customer\n1,x\n", "b.csv": "", "\x1b[31mc.csv": ""})
    outcome = call("-C", folder, "run")
    assert outcome.code == 3
    assert "dead: b.csv: the file is empty" in outcome.out
    assert "dead: \\x1b[31mc.csv: the file is empty" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err
    assert "; 2 files dead\n" in outcome.out
    assert " dead list" in outcome.out
    assert _rows(folder) == [1, 1]


def test_run_says_when_no_row_was_left(make: Make) -> None:
    """A file of which nothing remains is said to have written nothing."""
    folder = make(ORDERS, {"a.csv": "id,customer\n1,x\n", "b.csv": "id,customer\n2,\n"})
    assert "note: b.csv: nothing written: no row was left\n" in call("-C", folder, "run").out


def test_run_notes_new_and_missing_columns(make: Make) -> None:
    """Columns that come and go are noted by file."""
    folder = make(ORDERS, {"a.csv": "id,customer,city\n1,x,y\n"})
    call("-C", folder, "run")
    (folder / "raw" / "b.csv").write_text("id,customer,colour\n2,y,red\n")
    outcome = call("-C", folder, "run")
    assert 'note: b.csv: new column "colour"' in outcome.out
    assert 'note: b.csv: column "city" is missing; its values are null\n' in outcome.out


def test_run_only_some_tables(make: Make) -> None:
    """`--table` leaves the others waiting; an unknown name is refused with the closest one."""
    declaration = 'lake: shop\ntables:\n  a: {files: "a*.csv"}\n  b: {files: "b*.csv"}\n'
    folder = make(declaration, {"a1.csv": "x\n1\n", "b1.csv": "x\n1\n"})
    assert "1 file, 1 row in: 1 out" in call("-C", folder, "run", "--table", "a").out
    waiting = {facts["table"]: facts["waiting"] for facts in call("-C", folder, "status", "--json").json()["tables"]}
    assert waiting == {"a": 0, "b": 1}
    unknown = call("-C", make(ORDERS, {}), "run", "--table", "order")
    assert unknown.code == 1
    assert 'no table "order"; did you mean "orders"?' in unknown.err


def test_reprocess_reads_all_files_again(make: Make) -> None:
    """After its steps changed, a table's files are processed again and replace their own rows."""
    folder = make(ORDERS, {"a.csv": "id,customer\n1,x\n2,y\n"})
    call("-C", folder, "run")
    make(ORDERS + "      - filter: id > 1\n", {})
    assert call("-C", folder, "run").out == "nothing new in raw/\n"
    assert "1 file, 2 rows in: 1 out, 1 dropped" in call("-C", folder, "run", "--reprocess", "orders").out
    assert _rows(folder) == [1, 1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_file_at_hand_and_the_next_run_the_rest(
    make: Make, number: signal.Signals, code: int
) -> None:
    """Stopping in the middle says how many files wait; afterwards every row is there exactly once."""
    folder = _many(make)
    with started("-C", folder, "run") as process:
        assert "o00.csv" in line_of(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    closing = next(line for line in out.splitlines() if "stopped; " in line)
    waiting = int(closing.split("stopped; ")[1].split()[0])
    assert 0 < waiting < MANY
    assert "stopping after the file at hand" in err
    status = call("-C", folder, "status", "--json").json()["tables"][0]
    assert (status["waiting"], status["finished"]) == (waiting, MANY - waiting)
    assert call("-C", folder, "run").code == 0
    assert _rows(folder) == [MANY * ROWS_EACH] * 2


def test_a_second_ctrl_c_leaves_at_once_and_harms_nothing(make: Make) -> None:
    """Two interrupts end the process without waiting; the next run completes the lake."""
    folder = _many(make)
    with started("-C", folder, "run") as process:
        line_of(process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in {130, -signal.SIGINT}  # the latter when the interpreter was ending already
    assert call("-C", folder, "run").code == 0
    assert _rows(folder) == [MANY * ROWS_EACH] * 2


def test_two_runs_at_once_share_the_work(make: Make) -> None:
    """Both end well, and every row is in the table once."""
    folder = _many(make)
    arguments = ("-C", folder, "run", "--json")
    with started(*arguments) as one, started(*arguments) as other:
        ended = [process.communicate(timeout=90) for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], ended
    assert sum(json.loads(out)["files"] for out, _ in ended) == MANY
    assert _rows(folder) == [MANY * ROWS_EACH] * 2


def test_a_killed_run_is_completed_by_the_next(make: Make) -> None:
    """The fault hook kills the process inside its work; the next run leaves every row once."""
    folder = make(ORDERS, {"a.csv": "id,customer\n1,x\n2,y\n", "b.csv": "id,customer\n3,x\n"})
    assert call("-C", folder, "run", PENSTOCK_FAULT_KILL_AT="12").code == -signal.SIGKILL
    assert call("-C", folder, "run").code == 0
    assert _rows(folder) == [3, 3]
