"""`penstock tables`, `show`, `status`, `runs`, `logs`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import ROWS, call, line_of, started

Make = Callable[[str, dict[str, str]], Path]
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
TWO = 'lake: shop\ntables:\n  orders: {files: "o*.csv"}\n  returns: {files: "r*.csv"}\n'


def test_tables_lists_what_is_and_what_is_not_yet(make: Make) -> None:
    """A declared table without rows is shown as not yet there."""
    folder = make(TWO, {"o1.csv": "id\n1\n2\n"})
    call("-C", folder, "run")
    human = call("-C", folder, "tables").out
    assert re.search(r"^orders +2 +1 +\S+ bytes  \d{4}-", human, re.MULTILINE)
    assert re.search(r"^returns +not yet$", human, re.MULTILINE)
    orders, returns = call("-C", folder, "tables", "--json").json()
    assert ISO.match(orders.pop("committed"))
    assert orders.pop("bytes") > 0
    assert orders == {"table": "orders", "exists": True, "declared": True, "rows": 2, "files": 1}
    assert returns == {
        "table": "returns",
        "exists": False,
        "declared": True,
        "rows": 0,
        "files": 0,
        "bytes": 0,
        "committed": None,
    }


def test_a_table_that_is_no_longer_declared_stays_visible(make: Make) -> None:
    """What was taken out of `lake.yaml` is still listed, with that remark."""
    folder = make(TWO, {"o1.csv": "id\n1\n"})
    call("-C", folder, "run")
    make('lake: shop\ntables:\n  returns: {files: "r*.csv"}\n', {})
    assert "no longer declared" in call("-C", folder, "tables").out
    assert "no longer declared" in call("-C", folder, "show", "orders").out


def test_show_gives_types_with_their_reasons(filled: Path) -> None:
    """Columns, how the files' columns are read and why, and the snapshots."""
    human = call("-C", filled, "show", "consultations").out
    assert re.search(r"^consultation_id +BIGINT$", human, re.MULTILINE)
    assert re.search(r"^date_consultation +VARCHAR +read as text: a step declares its type$", human, re.MULTILINE)
    assert "CSV:     comma between values: 100% of the first records" in human
    facts = call("-C", filled, "show", "consultations", "--json").json()
    assert set(facts) == {
        "table",
        "declared",
        "exists",
        "description",
        "pattern",
        "on_reupload",
        "partition",
        "partitions",
        "rows",
        "files",
        "bytes",
        "committed",
        "snapshot",
        "columns",
        "checks",
        "source",
        "snapshots",
    }
    assert facts["columns"][0] == {"name": "consultation_id", "type": "BIGINT"}
    assert facts["source"]["dialect"]["delimiter"] == ","
    assert sum(snapshot["rows_added"] for snapshot in facts["snapshots"]) == facts["rows"]
    assert all(ISO.match(snapshot["committed"]) for snapshot in facts["snapshots"])


def test_show_of_a_table_without_files_and_of_no_table(make: Make) -> None:
    """A table that waits for its first file is told so; an unknown one is refused with the closest name."""
    folder = make(TWO, {})
    assert "none; no file has filled it yet" in call("-C", folder, "show", "orders").out
    assert call("-C", folder, "show", "orders", "--json").json()["exists"] is False
    unknown = call("-C", folder, "show", "order")
    assert unknown.code == 1
    assert unknown.err == 'error: no table "order"; did you mean "orders"?\n  tables: orders, returns\n'
    as_json = call("-C", folder, "show", "order", "--json").json()
    assert as_json["error"]["code"] == "table_not_found"


def test_status_counts_files_by_state(make: Make) -> None:
    """Finished and dead files, rows, quarantined rows and the last run."""
    files = {"o1.csv": "id,n\n1,1\n2,2,2\n", "o2.csv": ""}
    folder = make(TWO, files)
    call("-C", folder, "run")
    facts = call("-C", folder, "status", "--json").json()
    orders, returns = facts["tables"]
    assert ISO.match(orders.pop("committed"))
    assert orders == {
        "table": "orders",
        "waiting": 0,
        "working": 0,
        "finished": 1,
        "dead": 1,
        "rows": 1,
        "quarantined": 1,
        "warned": 0,
        "waiting_since": None,
    }
    assert returns["committed"] is None
    assert facts["lake"] == "shop"
    assert facts["last_run"]["state"] == "failed"
    human = call("-C", folder, "status").out
    assert "last run: " in human
    assert "dead list" in human
    assert "penstock.quarantine" in human


def test_tables_are_listed_as_people_count(make: Make) -> None:
    """t7 comes before t59, wherever tables are listed; layers stay together."""
    names = ["t59", "t6", "t07", "t7", "a10.b", "a9.b", "zone.t1"]
    tables = "".join(f"  {name}: {{files: '{name}*.csv'}}\n" for name in names)
    folder = make(f"lake: shop\ntables:\n{tables}", {})
    expected = ["a9.b", "a10.b", "t6", "t07", "t7", "t59", "zone.t1"]
    for asked in ("status", "tables"):
        told = call("-C", folder, asked, "--json").json()
        listed = told["tables"] if asked == "status" else told
        assert [table["table"] for table in listed] == expected, asked
    assert call("-C", folder, "show", "t8").err.splitlines()[-1] == f"  tables: {', '.join(expected)}"


def test_status_before_the_first_run(make: Make) -> None:
    """A new lake has no run, and is told how to get one."""
    outcome = call("-C", make(TWO, {}), "status")
    assert outcome.code == 0
    assert "no run yet\n" in outcome.out
    assert "run\n" in outcome.out.split("next:")[1]


def test_runs_json_has_exactly_the_documented_fields(filled: Path) -> None:
    """These names are the interface for programs."""
    runs = call("-C", filled, "runs", "--json").json()
    assert list(runs[0]) == [
        "run",
        "table",
        "state",
        "rows_in",
        "rows_out",
        "rows_added",
        "rows_dropped",
        "rows_quarantined",
        "warnings",
        "bytes_in",
        "bytes_out",
        "started",
        "duration_ms",
        "arrivals",
        "snapshot",
        "error",
    ]
    assert sum(run["rows_in"] for run in runs) == ROWS
    for run in runs:
        assert ISO.match(run["started"])
        assert run["rows_in"] == run["rows_out"] + sum(run["rows_dropped"].values()) + run["rows_quarantined"]
    assert runs[-1]["arrivals"] == ["consultations-2024.csv"]


def test_runs_for_people(make: Make) -> None:
    """Failed runs say so and why; `--limit` and `--table` choose."""
    folder = make(TWO, {"o1.csv": "id\n1\n", "r1.csv": ""})
    call("-C", folder, "run")
    human = call("-C", folder, "runs").out
    assert re.search(r"^\S+ \S+  returns +failed ", human, re.MULTILINE)
    assert "failed: r1.csv: the file is empty" in human
    assert "returns" not in call("-C", folder, "runs", "--table", "orders").out
    assert len(call("-C", folder, "runs", "--limit", "1", "--json").json()) == 1
    assert call("-C", make('lake: n\ntables:\n  q: {files: "q"}\n', {}), "runs", "--table", "x").code == 1


def test_logs_are_one_line_per_file_with_its_rows(filled: Path) -> None:
    """When, table, file, and where the rows went; JSON is one object a line."""
    lines = call("-C", filled, "logs").out.splitlines()
    assert re.match(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  consultations  consultations-2024\.csv  1,200 rows in, [\d,]+ out, ",
        lines[1],
    )
    assert len(lines) == 3
    events = [json.loads(line) for line in call("-C", filled, "logs", "--json").out.splitlines()]
    assert [event["rows_in"] for event in events if event["event"] == "finished"] == [1200, 800]
    assert ISO.match(events[0]["time"])
    assert len(call("-C", filled, "logs", "--lines", "1").out.splitlines()) == 1


def test_logs_can_be_followed_until_ctrl_c(make: Make) -> None:
    """New lines appear as files are processed; Ctrl-C ends with 0."""
    folder = make(TWO, {"o1.csv": "id\n1\n"})
    call("-C", folder, "run")
    with started("-C", folder, "logs", "--follow") as process:
        assert "o1.csv arrived" in line_of(process)
        assert "o1.csv  1 row in, 1 out" in line_of(process)
        (folder / "raw" / "o2.csv").write_text("id\n2\n3\n")
        call("-C", folder, "run")
        assert "o2.csv arrived" in line_of(process)
        assert "o2.csv  2 rows in, 2 out" in line_of(process)
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
