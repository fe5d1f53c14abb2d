"""Readmission: corrected rows come back, each once, whatever happens in between."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import faults
from penstock.arrivals import Readmission
from penstock.arrivals.settle import table_for
from penstock.clock import HeldClock
from penstock.errors import QuarantineError, SupersededError, TableNotFoundError
from penstock.lake import Lake
from tests.road.lakes import ask

MakeLake = Callable[..., Path]
ORDERS = """
lake: shop
tables:
  orders:
    files: "*.csv"
    steps:
      - parse: {n: integer}
      - require: [word]
"""
BAD = 'n,word\n1,a\nx,b\n3\n4,"d,d"\ny,\n'


@pytest.fixture
def make_lake(tmp_path: Path) -> MakeLake:
    """Make a lake from its declaration and files, and run it."""

    def make(declaration: str = ORDERS, **files: str) -> Path:
        folder = tmp_path / "lake"
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        (folder / "lake.yaml").write_text(declaration, encoding="utf-8")
        for name, text in files.items():
            (folder / "raw" / name.replace("_", ".")).write_text(text, encoding="utf-8")
        run(folder)
        return folder

    return make


def run(lake: Path, **options: Any) -> list[str]:
    """Run the lake once; gives the notes."""
    with penstock.open(lake) as opened:
        return [note for _, note in opened.run(**options).notes]


def taken_out(lake: Path, table: str = "orders") -> list[dict[str, Any]]:
    """Rows of a table in quarantine, as they are exported, by line."""
    with penstock.open(lake) as opened:
        rows = opened.query(f'SELECT * FROM quarantine."{table}"').arrow().to_pylist()
    return sorted(rows, key=lambda row: row["_line"])


def readmit(lake: Path, rows: list[dict[str, Any]], table: str = "orders", **options: Any) -> Readmission:
    """Bring rows back."""
    file = lake / "fix.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    with penstock.open(lake) as opened:
        return opened.readmit(table, file, **options)


def why(done: Readmission) -> list[tuple[int, str]]:
    """Corrections that were not taken, with the kind of reason."""
    return [(refused.number, refused.why) for refused in done.refused]


def test_corrected_rows_come_back(make_lake: MakeLake) -> None:
    """Cells or the raw record, corrected, become rows; they leave the quarantine and stand in `penstock.readmitted`."""
    lake = make_lake(a_csv=BAD)
    bad, short, blank = taken_out(lake)
    done = readmit(lake, [bad | {"n": "2"}, short | {"_raw": "3,c"}, blank])
    assert (done.rows, done.readmitted, why(done)) == (3, 2, [(3, "failed")])
    assert ask(lake, "SELECT * FROM orders ORDER BY n") == [(1, "a"), (2, "b"), (3, "c"), (4, "d,d")]
    assert ask(lake, "SELECT line FROM penstock.quarantine") == [(6,)]
    found = ask(lake, "SELECT line, raw, corrected, corrections, run FROM penstock.readmitted ORDER BY line")
    assert found == [
        (3, "x,b", '{"n": "2", "word": "b"}', "fix.json", done.runs[0]),
        (4, "3", '{"n": "3", "word": "c"}', "fix.json", done.runs[0]),
    ]


def test_runs_of_readmissions_add_up(make_lake: MakeLake) -> None:
    """A readmission is a run of its own; the arrival keeps its account."""
    lake = make_lake(a_csv=BAD)
    rows = taken_out(lake)
    readmit(lake, [rows[0] | {"n": "2"}, rows[2]])
    figures = "rows_in, rows_out, rows_quarantined"
    assert ask(lake, f"SELECT {figures} FROM penstock.runs ORDER BY started DESC LIMIT 1") == [(2, 1, 1)]
    assert ask(lake, f"SELECT {figures} FROM penstock.arrivals") == [(5, 2, 3)]
    with penstock.open(lake) as opened:
        newest, *_ = opened.state.runs.list()
        assert newest.arrivals == ["quarantine:fix.json"]
        assert newest.accounting.adds_up


def test_a_run_whose_process_died_is_noted_with_its_event(make_lake: MakeLake) -> None:
    """Rows that are in while their run was not recorded: the next readmission records it, and that it committed."""
    lake = make_lake(a_csv=BAD)
    bad, short, _ = taken_out(lake)

    def die(place: str) -> None:
        if place == "tables.committed":
            raise KeyboardInterrupt

    faults.install(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            readmit(lake, [bad | {"n": "2"}])
    finally:
        faults.install(None)
    readmit(lake, [short | {"_raw": "3,c"}])
    with penstock.open(lake) as opened:
        runs = {run.run: run.accounting.rows_out for run in opened.state.runs.list()}
        told = {e.facts["run"]: e.facts["rows_out"] for e in opened.state.events.after(0) if e.name == "committed"}
    assert told == runs
    assert sorted(runs.values()) == [1, 1, 2]


def test_the_same_corrections_twice_bring_nothing_in_twice(make_lake: MakeLake) -> None:
    """Rows that are in the table already are told and left out; others of the same file are still taken."""
    lake = make_lake(a_csv=BAD)
    bad, short, _ = taken_out(lake)
    readmit(lake, [bad | {"n": "2"}])
    done = readmit(lake, [bad | {"n": "2"}, short | {"_raw": "3,c"}])
    assert (done.readmitted, why(done)) == (1, [(1, "readmitted")])
    again = readmit(lake, [bad | {"n": "9"}, short | {"_raw": "9,c"}])
    assert (again.readmitted, why(again), again.runs) == (0, [(1, "readmitted"), (2, "readmitted")], ())
    assert ask(lake, "SELECT n FROM orders ORDER BY n") == [(1,), (2,), (3,), (4,)]


def test_what_fails_again_stays_with_the_new_reason(make_lake: MakeLake) -> None:
    """The reason is that of the correction and says so; the record stands there as it was delivered."""
    lake = make_lake(a_csv=BAD)
    bad, _, blank = taken_out(lake)
    done = readmit(lake, [bad | {"n": "2.5"}, blank | {"n": "5"}])
    assert why(done) == [(1, "failed"), (2, "failed")]
    assert ask(lake, "SELECT line, rule, reason, raw FROM penstock.quarantine WHERE line <> 4 ORDER BY line") == [
        (3, "parse n", 'n: "2.5" is not an integer (as corrected in fix.json, row 1)', "x,b"),
        (
            6,
            "require word",
            "would be dropped: word is null or blank (as corrected in fix.json, row 2)",
            "y,",
        ),
    ]
    assert readmit(lake, [blank | {"n": "5", "word": "e"}]).readmitted == 1


def test_a_dry_run_changes_nothing(make_lake: MakeLake) -> None:
    """It says what would come of it, and leaves table, quarantine, runs and files as they were."""
    lake = make_lake(a_csv=BAD)
    rows = taken_out(lake)
    before = sorted(path for path in (lake / "processed").rglob("*.parquet"))
    done = readmit(lake, [rows[0] | {"n": "2"}, rows[2]], dry_run=True)
    assert (done.readmitted, why(done), done.dry_run) == (1, [(2, "failed")], True)
    assert taken_out(lake) == rows
    assert ask(lake, "SELECT count(*) FROM penstock.runs") == [(1,)]
    assert sorted(path for path in (lake / "processed").rglob("*.parquet")) == before


def test_ids_that_mean_no_row_are_told(make_lake: MakeLake) -> None:
    """Unknown ids, ids of other tables, repeated ones and rows without any are each named."""
    declaration = ORDERS + '  others: {files: "*.csv", steps: [{parse: {n: integer}}]}\n'
    lake = make_lake(declaration, a_csv=BAD)
    (bad, short, _), (other, *_) = taken_out(lake), taken_out(lake, "others")
    rows: list[dict[str, Any]] = [
        {"_id": "nonsense"},
        {"_id": None, "n": "1"},
        other | {"n": "2"},
        bad | {"n": "2"},
        bad | {"n": "3"},
        short | {"_raw": "3,c"},
        short | {"_raw": "3,c"},
        {"_id": bad["_id"].rpartition("-")[0] + "-99", "n": "1"},
    ]
    done = readmit(lake, rows)
    told = ["unknown", "unknown", "other_table", "repeated", "repeated", "repeated", "unknown"]
    assert why(done) == list(zip([1, 2, 3, 4, 5, 7, 8], told, strict=True))
    assert done.readmitted == 1
    assert ask(lake, "SELECT count(*) FROM others") == [(2,)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n": "2", "_raw": "2,b"}, "gives both cells and _raw"),
        ({"n": None, "word": None, "_raw": None}, "gives neither cells nor _raw"),
        ({"_raw": '3,"c"d'}, "_raw cannot be cut into fields for sure: text after a closing quote"),
        ({"_raw": "3,c,d"}, "_raw has too many fields: 2 expected, 3 found"),
        ({"_raw": "3,c\n4"}, "_raw is more than one record"),
        ({"n": "3", "_raw": None}, 'gives no cell for "word"'),
    ],
)
def test_a_correction_that_is_no_record_is_told(make_lake: MakeLake, change: dict[str, Any], reason: str) -> None:
    """What stands for no record of the files stays in quarantine, and it is said why."""
    lake = make_lake(a_csv=BAD)
    _, short, _ = taken_out(lake)
    short = {name: cell for name, cell in short.items() if name not in {"n", "word"}}
    done = readmit(lake, [short | change])
    assert why(done) == [(1, "unfit")]
    assert reason in done.refused[0].reason
    assert ask(lake, "SELECT count(*) FROM orders") == [(2,)]


def test_columns_left_out_keep_what_they_had(make_lake: MakeLake) -> None:
    """A file of corrections may hold ids and the corrected column alone; a strange column is refused."""
    lake = make_lake(a_csv=BAD)
    bad, *_ = taken_out(lake)
    assert readmit(lake, [{"_id": bad["_id"], "N": 2}]).readmitted == 1
    assert ask(lake, "SELECT word FROM orders WHERE n = 2") == [("b",)]
    with pytest.raises(QuarantineError, match='no column "wrod"; did you mean "word"'):
        readmit(lake, [{"_id": bad["_id"], "wrod": "b"}])


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_every_form_of_a_file_of_corrections(make_lake: MakeLake, ending: str) -> None:
    """CSV as spreadsheets write it, JSON and Parquet are alike."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    lake = make_lake(a_csv='n,word\nx,"b;\nb"\n')
    (row,) = taken_out(lake)
    row["n"], file = "2", lake / f"fix.{ending}"
    if ending == "csv":
        with file.open("w", encoding="utf-8-sig", newline="") as text:
            writer = csv.DictWriter(text, row, delimiter=";")
            writer.writeheader()
            writer.writerow(row)
    elif ending == "json":
        file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist([row]), file)
    with penstock.open(lake) as opened:
        assert opened.readmit("orders", file).readmitted == 1
    assert ask(lake, "SELECT * FROM orders") == [(2, "b;\nb")]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("fix.txt", "", "its name must end in one of .csv"),
        ("fix.csv", None, "there is no such file"),
        ("fix.csv", "n,word\n1,a\n", "no column _id; found n, word"),
        ("fix.csv", "_id,n\na,b,c\n", "3 fields, 2 expected"),
        ("fix.csv", '_id,n\n"a"b,c\n', "not CSV"),
        ("fix.csv", "_id,_id\na,b\n", 'two columns are called "_id"'),
        ("fix.json", "{", "not JSON"),
        ("fix.json", "[1]", "expected objects"),
        ("fix.parquet", "none", "not Parquet"),
    ],
)
def test_a_file_that_is_no_file_of_corrections(make_lake: MakeLake, name: str, content: str | None, text: str) -> None:
    """Each is refused in words that name the file and say what is wrong."""
    lake = make_lake(a_csv=BAD)
    if content is not None:
        (lake / name).write_text(content, encoding="utf-8")
    with penstock.open(lake) as opened, pytest.raises(QuarantineError, match=text) as caught:
        opened.readmit("orders", lake / name)
    assert name in str(caught.value)


def test_a_table_that_is_not_declared(make_lake: MakeLake) -> None:
    """It is refused with the closest name."""
    lake = make_lake(a_csv=BAD)
    with penstock.open(lake) as opened, pytest.raises(TableNotFoundError, match='did you mean "orders"'):
        opened.readmit("order", lake / "fix.csv")


def test_rows_of_a_version_that_was_replaced_stay_out(make_lake: MakeLake) -> None:
    """A later upload takes base and readmitted rows away in one commit; ids of the old version mean nothing then."""
    lake = make_lake(a_csv=BAD)
    bad, short, _ = taken_out(lake)
    readmit(lake, [bad | {"n": "2"}])
    (lake / "raw" / "a.csv").write_text("n,word\n7,a\n", encoding="utf-8")
    with penstock.open(lake) as opened:
        opened.discover()
    assert why(readmit(lake, [short | {"_raw": "3,c"}])) == [(1, "waiting")]
    assert "rows readmitted into the version before that are replaced with it: 1" in run(lake)
    assert ask(lake, "SELECT * FROM orders") == [(7, "a")]
    assert ask(lake, "SELECT * FROM penstock.readmitted") == []
    assert why(readmit(lake, [short | {"_raw": "3,c"}, bad | {"n": "2"}])) == [(1, "superseded"), (2, "superseded")]


def test_reprocessing_keeps_corrections(make_lake: MakeLake) -> None:
    """The corrected rows are there after it, under the steps as they are now; it is said what became of each."""
    lake = make_lake(a_csv=BAD)
    bad, short, blank = taken_out(lake)
    readmit(lake, [bad | {"n": "2"}, short | {"_raw": "3,c"}, blank | {"n": "5", "word": "e"}])
    (lake / "lake.yaml").write_text(
        ORDERS.replace("- require", "- derive: {twice: n * 2}\n      - filter: n > 2\n      - require"),
        encoding="utf-8",
    )
    notes = run(lake, reprocess=["orders"])
    assert notes == [
        "corrected rows of the quarantine that are in the table again: 2",
        "corrected rows that the steps no longer take, in quarantine again: 1 (line 3)",
    ]
    assert ask(lake, "SELECT n, word, twice FROM orders ORDER BY n") == [(3, "c", 6), (4, "d,d", 8), (5, "e", 10)]
    assert ask(lake, "SELECT line FROM penstock.quarantine") == [(3,)]
    assert ask(lake, "SELECT line, corrections FROM penstock.readmitted ORDER BY line") == [
        (4, "fix.json"),
        (6, "fix.json"),
    ]


def test_corrections_that_are_no_longer_needed(make_lake: MakeLake) -> None:
    """Where the record as delivered is taken now, it counts; the run says that the correction does not."""
    lake = make_lake(ORDERS.replace("integer", "date"), a_csv="n,word\n2024-01-01,a\n2024-02-30,b\n5,c\n")
    first, second = taken_out(lake)
    readmit(lake, [first | {"n": "2024-02-29"}, second | {"n": "2024-01-05"}])
    steps = "- filter: word <> 'b'\n      - parse: {n: date}"
    (lake / "lake.yaml").write_text(ORDERS.replace("- parse: {n: integer}", steps), encoding="utf-8")
    assert run(lake, reprocess=["orders"]) == [
        "corrected rows of the quarantine that are in the table again: 1",
        "corrections that no longer apply, because the rows as delivered are not set aside any more: 1 (line 3)",
    ]
    assert ask(lake, "SELECT word FROM orders ORDER BY word") == [("a",), ("c",)]


def test_a_table_that_only_had_bad_rows(make_lake: MakeLake) -> None:
    """The first rows to come back make the table."""
    lake = make_lake(a_csv="n,word\nx,a\ny,b\n", b_csv="n,word\nz,c\n")
    assert ask(lake, "SELECT * FROM penstock.tables") == []
    rows = taken_out(lake)
    done = readmit(lake, [row | {"n": str(at)} for at, row in enumerate(rows)])
    assert (done.readmitted, len(done.runs)) == (3, 2)
    assert ask(lake, "SELECT count(*), sum(n) FROM orders") == [(3, 3)]
    again = "corrected rows of the quarantine that are in the table again"
    assert run(lake, reprocess=["orders"]) == [f"{again}: 2", f"{again}: 1"]
    assert ask(lake, "SELECT count(*), sum(n) FROM orders") == [(3, 3)]


def test_rows_of_many_files_come_back_in_one_snapshot(make_lake: MakeLake) -> None:
    """One readmission is one snapshot, with one data file for each file that rows come from."""
    files = {f"f{at}_csv": f"n,word\n{at},a\nx,b\n" for at in range(5)}
    lake = make_lake(**files)
    with penstock.open(lake) as opened:
        before = opened.query("SELECT files FROM penstock.tables").fetchall()
        snapshots = len((opened.catalog.metadata(opened.catalog.tables()[0]) or {})["snapshots"])
    done = readmit(lake, [row | {"n": "9"} for row in taken_out(lake)])
    assert (done.readmitted, len(done.runs)) == (5, 1)
    with penstock.open(lake) as opened:
        metadata = opened.catalog.metadata(opened.catalog.tables()[0]) or {}
        assert opened.query("SELECT files FROM penstock.tables").fetchall() == [(before[0][0] + 5,)]
    assert len(metadata["snapshots"]) == snapshots + 1


def test_checks_on_rows_hold_for_readmitted_ones(make_lake: MakeLake) -> None:
    """`unique` looks at the table's rows and at those that come back together; `halt` keeps a row in quarantine."""
    checks = (
        "    checks:\n      - {unique: n, on_breach: quarantine}\n      - {between: {n: [0, 100]}, on_breach: halt}\n"
    )
    lake = make_lake(ORDERS + checks, a_csv="n,word\n1,a\nx,b\ny,c\nz,d\nw,e\n")
    rows = taken_out(lake)
    done = readmit(lake, [row | {"n": n} for row, n in zip(rows, ["1", "2", "2", "101"], strict=True)])
    assert [refused.number for refused in done.refused if refused.why == "failed"][-1] == 4
    found = [n for (n,) in ask(lake, "SELECT n FROM orders ORDER BY n")]
    assert found in ([1], [1, 2])
    assert len(found) + ask(lake, "SELECT count(*) FROM penstock.quarantine")[0][0] == 5


def test_rows_of_records_that_are_in_part_in_the_table(make_lake: MakeLake) -> None:
    """A record of which other rows were kept cannot come back: it would double them."""
    steps = ORDERS.replace("- parse: {n: integer}", "- explode: {column: n, on: ';'}\n      - parse: {n: integer}")
    lake = make_lake(steps, a_csv="n,word\n1;x,a\n2,b\n3\n")
    part, short = taken_out(lake)
    done = readmit(lake, [part | {"n": "1;9"}, short | {"_raw": "3;4,c"}])
    assert (done.readmitted, why(done)) == (1, [(1, "partial")])
    assert ask(lake, "SELECT n FROM orders ORDER BY n") == [(1,), (2,), (3,), (4,)]
    assert done.accounting.added == 1


def test_a_missing_record_of_what_came_back_is_an_error(make_lake: MakeLake) -> None:
    """What stands in quarantine is never guessed."""
    lake = make_lake(a_csv=BAD)
    readmit(lake, [taken_out(lake)[0] | {"n": "2"}])
    (record,) = (lake / "processed" / "_quarantine").rglob("*.readmitted.parquet")
    record.unlink()
    with pytest.raises(QuarantineError, match=r"is missing, which says what .* holds"):
        ask(lake, "SELECT * FROM penstock.quarantine")


def test_a_file_that_is_processed_again_meanwhile(make_lake: MakeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file is asked for again before the commit, nothing is changed; the rows can come back after it."""
    lake = make_lake(a_csv=BAD)
    bad, *_ = taken_out(lake)

    def requeue(*arguments: Any) -> Any:
        with penstock.open(lake) as other:
            other.worker().reprocess(other.catalog.tables()[0])
        return table_for(*arguments)

    monkeypatch.setattr("penstock.arrivals.readmission.readmit.table_for", requeue)
    with pytest.raises(SupersededError, match="delivered or processed again"):
        readmit(lake, [bad | {"n": "2"}])
    monkeypatch.undo()
    run(lake)
    assert ask(lake, "SELECT n FROM orders ORDER BY n") == [(1,), (4,)]
    assert readmit(lake, [taken_out(lake)[0] | {"n": "2"}]).readmitted == 1


def test_json_records_come_back_as_json(make_lake: MakeLake) -> None:
    """Cells of JSON records keep their kinds; what was not corrected is byte for byte what it was."""
    declaration = 'lake: shop\ntables:\n  orders: {files: "*.ndjson", steps: [{parse: {n: integer}}]}\n'
    records = ['{"n": "1", "o": {"a": 1, "b": "x"}, "f": 1.5}', '{"n": "x", "o": {"a": 2, "b": "y"}, "f": 2.250}']
    lake = make_lake(declaration, a_ndjson="\n".join(records) + "\n")
    (row,) = taken_out(lake)
    assert readmit(lake, [row | {"n": "2"}]).readmitted == 1
    corrected = '{"n": "2", "o": {"a": 2, "b": "y"}, "f": 2.250}'
    assert ask(lake, "SELECT corrected FROM penstock.readmitted") == [(corrected,)]
    assert ask(lake, "SELECT * FROM orders ORDER BY n") == [(1, {"a": 1, "b": "x"}, 1.5), (2, {"a": 2, "b": "y"}, 2.25)]


def test_rows_are_kept_for_as_long_as_declared(make_lake: MakeLake) -> None:
    """A minute before the time nothing is removed; at it, all of that file's rows are, and the log says so."""
    lake = make_lake("lake: none\n")
    (lake / "lake.yaml").write_text(ORDERS + "    quarantine: {keep: 90d}\n", encoding="utf-8")
    clock = HeldClock()
    for name in ("a", "b"):
        (lake / "raw" / f"{name}.csv").write_text(f"n,word\n1,{name}\nx,a\ny,a\n", encoding="utf-8")
        with Lake(lake, clock) as opened:
            opened.run()
        clock.sleep(3600)
    corrected = taken_out(lake)[0] | {"n": "5"}
    readmit(lake, [corrected])
    clock.seconds += 90 * 86_400 - 2 * 3600 - 60
    with Lake(lake, clock) as opened:
        assert opened.run().notes == []
        assert opened.query("SELECT count(*) FROM penstock.quarantine").fetchall() == [(3,)]
        clock.sleep(60)
        assert opened.run().notes == [("a.csv", "quarantined rows removed, kept for 90d: 2")]
        assert opened.query("SELECT DISTINCT file FROM penstock.quarantine").fetchall() == [("b.csv",)]
        assert opened.query("SELECT count(*) FROM orders").fetchall() == [(3,)]
        (event,) = [event for event in opened.journal.tail(50) if event["event"] == "purged"]
        assert (event["table"], event["file"], event["rows"]) == ("orders", "a.csv", 2)
    assert len(list((lake / "processed" / "_quarantine").rglob("*.parquet"))) == 2


def test_what_attempts_left_goes_with_time(make_lake: MakeLake) -> None:
    """Files of quarantined rows that nothing names are removed, but not the newest, nor any that is named."""
    lake = make_lake(ORDERS + "    quarantine: {keep: 1h}\n", a_csv=BAD)
    (named,) = (lake / "processed" / "_quarantine").rglob("*.parquet")
    left, fresh = (named.with_name(named.name.replace("-g0-", f"-g{at}-")) for at in (7, 8))
    for copy in (left, fresh):
        copy.write_bytes(named.read_bytes())
    os.utime(left, (1_600_000_000, 1_600_000_000))
    with penstock.open(lake) as opened:
        (found,) = opened.purge(opened.declared).values()
    assert [(purged.file, purged.rows) for purged in found] == [(None, 3)]
    assert (named.exists(), left.exists(), fresh.exists()) == (True, False, True)
