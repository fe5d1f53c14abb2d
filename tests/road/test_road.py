"""The road of a file, end to end over the real parts: what lands, what becomes a row, what is said of the rest."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import penstock
from penstock.arrivals import Worker
from penstock.errors import CatalogError, StateError
from tests.road.lakes import ask, run

MakeLake = Callable[..., Path]
CONSULTATIONS = """
lake: hospital
tags: {"supnum:Lab": PROJET-5}
tables:
  consultations:
    files: "*.csv"
    steps:
      - parse: {date_consultation: date}
      - derive: {year: year(date_consultation), month: month(date_consultation)}
      - bucket: {column: patient_age, into: age_group, upto: {enfant: 12, adolescent: 17, adulte: 64, senior: null}}
      - require: [diagnostic]
      - rename: {id_consultation: consultation_id, id_centre: centre_id, sexe: gender, absent: nowhere}
"""
HEADER = "id_consultation,id_centre,patient_age,sexe,diagnostic,date_consultation\n"
PLAIN = 'lake: plain\ntables:\n  t: {files: "*.csv"}\n'


@pytest.fixture
def make_lake(tmp_path: Path) -> MakeLake:
    """Make a lake with a declaration and files in raw/."""

    def make(declaration: str = PLAIN, **files: str | bytes) -> Path:
        raw = tmp_path / "lake" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lake" / "lake.yaml").write_text(declaration, encoding="utf-8")
        for name, content in files.items():
            land(tmp_path / "lake", f"{name}.csv", content)
        return tmp_path / "lake"

    return make


def land(lake: Path, key: str, content: str | bytes) -> None:
    """Put a file into raw/."""
    target = lake / "raw" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)


def test_consultations_become_rows_as_declared(make_lake: MakeLake) -> None:
    """Dates are parsed, year and month derived, ages bucketed inclusively, names changed (R1.2, R1.3, R1.5)."""
    ages = [0, 12, 13, 17, 18, 64, 65, 110]
    rows = [f"{at},7,{age},F,Grippe,2024-03-0{at + 1}" for at, age in enumerate(ages)]
    lake = make_lake(CONSULTATIONS, a=HEADER + "\n".join(rows) + "\n")
    run(lake)
    found = ask(lake, "SELECT patient_age, age_group, year, month, gender, centre_id FROM consultations ORDER BY 1")
    groups = ["enfant", "enfant", "adolescent", "adolescent", "adulte", "adulte", "senior", "senior"]
    assert found == [(age, group, 2024, 3, "F", 7) for age, group in zip(ages, groups, strict=True)]
    columns = [
        row[0] for row in ask(lake, "SELECT column_name FROM penstock.columns WHERE table_name = 'consultations'")
    ]
    assert columns == [
        "consultation_id",
        "centre_id",
        "patient_age",
        "gender",
        "diagnostic",
        "date_consultation",
        "year",
        "month",
        "age_group",
    ]


def test_rows_without_diagnostic_are_dropped_and_counted(make_lake: MakeLake) -> None:
    """Null, empty and blank diagnostics are dropped under the rule's name; every row is accounted for (R1.4, R0.6)."""
    rows = "1,7,3,F,Grippe,2024-03-01\n2,7,3,F,,2024-03-01\n3,7,3,F,  ,2024-03-01\n4,7,3,F,\u00a0,2024-03-01\n"
    lake = make_lake(CONSULTATIONS, a=HEADER + rows)
    (account,) = run(lake).accounts.values()
    assert (account.rows_in, account.rows_out, account.dropped) == (4, 1, {"require diagnostic": 3})
    assert account.adds_up


def test_data_files_are_snappy_parquet_with_field_ids(make_lake: MakeLake) -> None:
    """What is written is Parquet, Snappy, each column with its Iceberg field id (R1.6)."""
    lake = make_lake(a="id,name\n1,x\n")
    run(lake)
    (file,) = (lake / "processed" / "main" / "t" / "data").glob("*.parquet")
    metadata = pq.read_metadata(file)
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    schema = pq.read_schema(file)
    assert [schema.field(name).metadata[b"PARQUET:field_id"] for name in ("id", "name")] == [b"1", b"2"]


def test_a_file_uploaded_again_replaces_its_own_rows(make_lake: MakeLake) -> None:
    """The same key with other bytes replaces its rows in one snapshot and leaves other files' rows alone (R1.6)."""
    lake = make_lake(a="id\n1\n2\n", b="id\n10\n")
    run(lake)
    land(lake, "a.csv", "id\n3\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(3,), (10,)]
    assert ask(lake, "SELECT state, count(*) FROM penstock.arrivals GROUP BY state ORDER BY state") == [
        ("finished", 2),
        ("superseded", 1),
    ]


def test_going_back_to_an_earlier_content_is_a_new_version(make_lake: MakeLake) -> None:
    """A, then B, then A again under one key ends with the rows of A."""
    lake = make_lake(a="id\n1\n")
    for content in ("id\n2\n", "id\n1\n"):
        run(lake)
        land(lake, "a.csv", content)
    run(lake)
    assert ask(lake, "SELECT id FROM t") == [(1,)]


def test_touching_a_file_changes_nothing(make_lake: MakeLake) -> None:
    """New times without new bytes are no new version: nothing is processed."""
    lake = make_lake(a="id\n1\n")
    run(lake)
    os.utime(lake / "raw" / "a.csv", (1_600_000_000, 1_600_000_000))
    assert run(lake).files == {}
    assert ask(lake, "SELECT count(*) FROM penstock.runs") == [(1,)]


@pytest.mark.parametrize(("option", "expected"), [("replace", [2]), ("append", [1, 2]), ("ignore", [1])])
def test_on_reupload_decides_what_a_new_version_does(make_lake: MakeLake, option: str, expected: list[int]) -> None:
    """A new version replaces, is added to, or does not touch the rows of the old one, as declared."""
    lake = make_lake(f'lake: x\ntables:\n  t: {{files: "*.csv", on_reupload: {option}}}\n', a="id\n1\n")
    run(lake)
    land(lake, "a.csv", "id\n2\n")
    run(lake)
    assert [row[0] for row in ask(lake, "SELECT id FROM t ORDER BY id")] == expected


def test_nothing_is_written_when_no_row_is_left(make_lake: MakeLake) -> None:
    """A file all of whose rows are dropped makes no table and no data file, and its run says so (R1.7)."""
    lake = make_lake(CONSULTATIONS, a=HEADER + "1,7,3,F,,2024-03-01\n")
    run(lake)
    assert ask(lake, "SELECT state, rows_in, rows_out FROM penstock.runs") == [("empty", 1, 0)]
    assert not list((lake / "processed").rglob("*.parquet"))
    assert ask(lake, "SELECT * FROM penstock.tables") == []


def test_a_replacement_without_rows_removes_the_old_rows(make_lake: MakeLake) -> None:
    """A new version of which no row is left takes the rows of the old version away."""
    lake = make_lake(a="id\n1\n", b="id\n2\n")
    run(lake)
    land(lake, "a.csv", "id\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t") == [(2,)]


def test_one_log_line_per_file_with_its_rows(make_lake: MakeLake) -> None:
    """The log has a line for each file with rows in and out (R1.8)."""
    lake = make_lake(a="id\n1\n2\n", b="id\n3\n")
    run(lake)
    with penstock.open(lake) as opened:
        lines = opened.journal.tail(10)
    lines = [line for line in lines if line["event"] == "finished"]
    assert [(line["file"], line["rows_in"], line["rows_out"]) for line in lines] == [("a.csv", 2, 2), ("b.csv", 1, 1)]


def test_snapshots_carry_the_arrivals_and_the_tags_stand_in_the_properties(make_lake: MakeLake) -> None:
    """One snapshot per group names its arrivals; the declaration's tags are properties of the table (R1.13)."""
    lake = make_lake(CONSULTATIONS, a=HEADER + "1,7,3,F,x,2024-03-01\n", b=HEADER + "2,7,3,F,x,2024-03-01\n")
    run(lake)
    with penstock.open(lake) as opened:
        (name,) = opened.catalog.tables()
        metadata = opened.catalog.metadata(name)
        arrivals = {str(arrival.name) for arrival in opened.state.arrivals.find()}
    assert metadata is not None
    carried = [snapshot["summary"]["penstock.arrivals"].split(",") for snapshot in metadata["snapshots"]]
    assert {arrival for group in carried for arrival in group} == arrivals
    assert metadata["properties"]["penstock.tag.supnum:Lab"] == "PROJET-5"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"id,\n1,2\n", "column 2 has no name"),
        (b"id,ID\n1,2\n", 'columns 1 and 2 are both called "ID"'),
    ],
)
def test_a_file_that_cannot_become_rows_ends_as_a_dead_letter(make_lake: MakeLake, content: bytes, reason: str) -> None:
    """A bad file ends dead with a reason that names line and rule; good files are not held up; raw/ is untouched."""
    lake = make_lake(good="id\n1\n", bad=content)
    summary = run(lake)
    assert [arrival.key for arrival in summary.dead] == ["bad.csv"]
    assert reason in str(summary.dead[0].reason)
    assert ask(lake, "SELECT file FROM penstock.dead_letters") == [("bad.csv",)]
    assert ask(lake, "SELECT file FROM penstock.arrivals WHERE state = 'finished'") == [("good.csv",)]
    assert (lake / "raw" / "bad.csv").read_bytes() == content


@pytest.mark.parametrize(
    ("content", "rows", "quarantined"),
    [
        ("id,x\n1,é\n".encode("utf-16"), [(1, "é")], []),
        ("id,x\n1,é\n".encode("cp1252"), [(1, "é")], []),
        (gzip.compress(b"id,x\n1,a\n"), [(1, "a")], []),
        (b"id,x\n1,a\n2,\x00\n3,c\n", [(1, "a"), (3, "c")], [(3, 9, "2,\x00")]),
        (b"id,x\r\n1,a\n2,b\r\n3,c\n", [(1, "a"), (2, "b"), (3, "c")], []),
        (b'id,x\n1,"a\n2,b\n3,c\n', [(2, "b"), (3, "c")], [(2, 5, '1,"a')]),
        (b"id,fee,x\n1,5,a\n2,1,b,\n3,9,c\n", [(1, 5, "a"), (3, 9, "c")], [(3, 15, "2,1,b,")]),
    ],
    ids=["utf-16", "cp1252", "gzip", "nul", "line ends", "unclosed quote", "one field too many"],
)
def test_only_damaged_rows_are_lost(
    make_lake: MakeLake, content: bytes, rows: list[tuple[Any, ...]], quarantined: list[tuple[Any, ...]]
) -> None:
    """What is written in another way is read as it is meant; a damaged record is set aside alone, with its place."""
    lake = make_lake(bad=content)
    assert run(lake).dead == []
    assert ask(lake, "SELECT * FROM t ORDER BY 1") == rows
    assert ask(lake, "SELECT line, byte_offset, raw FROM penstock.quarantine") == quarantined


def test_a_dead_letter_tries_again_when_its_declaration_or_its_file_changes(make_lake: MakeLake) -> None:
    """Dead letters stay dead run after run, until the table's declaration changes or the file is delivered anew."""
    declared = 'lake: x\ntables:\n  t: {{files: "*.csv", checks: [{{row_count: [{}, null], on_breach: halt}}]}}\n'
    lake = make_lake(declared.format(2), a="id,name\n1,x\n")
    assert "at least 2 expected" in str(run(lake).dead[0].reason)
    assert run(lake).dead == []
    make_lake(declared.format(1))
    assert run(lake).dead == []
    assert ask(lake, "SELECT * FROM t") == [(1, "x")]


def test_types_are_inferred_from_the_whole_first_file(make_lake: MakeLake) -> None:
    """A value far behind the sample decides: nothing is nulled, rounded or lost, and the reason is kept."""
    rows = [f"{at},{at}.5,2024-01-05,{at}" for at in range(30_000)]
    rows[29_000] = "007,text,2024-01-05,1.5"
    lake = make_lake(a="code,measure,day,count\n" + "\n".join(rows) + "\n")
    (account,) = run(lake).accounts.values()
    assert (account.rows_out, account.quarantined) == (30_000, 0)
    types = ask(lake, "SELECT column_name, type FROM penstock.columns WHERE table_name = 't'")
    assert types == [("code", "VARCHAR"), ("measure", "VARCHAR"), ("day", "DATE"), ("count", "DOUBLE")]
    assert ask(lake, "SELECT * FROM t WHERE code = '007'")[0][1] == "text"
    with penstock.open(lake) as opened:
        metadata = opened.catalog.metadata(opened.catalog.tables()[0])
    assert metadata is not None
    source = json.loads(metadata["properties"]["penstock.source"])
    assert source["columns"][0]["reason"] == 'the values of the first file fit no narrower type, for one "007"'


def test_later_files_follow_the_tables_types(make_lake: MakeLake) -> None:
    """A value that the table's type cannot hold sends its row to quarantine with line, column and value."""
    lake = make_lake(a="id,price\n1,2.5\n")
    run(lake)
    land(lake, "b.csv", 'id,price\n2,3.5\n007,1\n"x\ny",1\n3,12E4\n')
    run(lake)
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    found = ask(lake, "SELECT line, column_name, reason, raw FROM penstock.quarantine ORDER BY line")
    assert found == [
        (3, "id", 'id: "007" is not an integer', "007,1"),
        (4, "id", 'id: "x\ny" is not an integer', '"x\ny",1'),
        (6, "price", 'price: "12E4" is not a number', "3,12E4"),
    ]


def test_new_missing_and_reordered_columns(make_lake: MakeLake) -> None:
    """Columns are matched by name; new ones are added with their type, missing ones are null; both are noted."""
    lake = make_lake(a="id,name\n1,x\n")
    run(lake)
    land(lake, "b.csv", "score,NAME,id\n0.5,y,2\n")
    land(lake, "c.csv", "id\n3\n")
    notes = dict(run(lake).notes)
    assert ask(lake, "SELECT * FROM t ORDER BY id") == [(1, "x", None), (2, "y", 0.5), (3, None, None)]
    assert notes["b.csv"] == 'new column "score"'
    assert "is missing; its values are null" in notes["c.csv"]


def test_malformed_rows_are_set_aside_and_the_others_kept(make_lake: MakeLake) -> None:
    """Rows with too few or too many fields go to quarantine with line, byte offset and raw text."""
    lake = make_lake(a='id,name\n1,"a\nb"\n\n2\n3,x,y\n4,z\n')
    (account,) = run(lake).accounts.values()
    assert (account.rows_in, account.rows_out, account.quarantined) == (4, 2, 2)
    found = ask(lake, "SELECT line, byte_offset, rule, reason, raw FROM penstock.quarantine ORDER BY line")
    assert found == [
        (5, 17, "malformed", "too few fields: 2 expected, 1 found", "2"),
        (6, 19, "malformed", "too many fields: 2 expected, 3 found", "3,x,y"),
    ]


def test_an_expression_that_fails_for_a_row_sets_only_that_row_aside(make_lake: MakeLake) -> None:
    """A cast that fails in one row quarantines it; division by zero gives null (R0.4)."""
    declaration = """
lake: x
tables:
  t:
    files: "*.csv"
    steps: [{derive: {n: cast(code as integer), ratio: price / surface}}, {filter: n < 100}]
"""
    lake = make_lake(declaration, a="code,price,surface\na1,10,5\n2,10,0\n3,10,\n400,1,1\n")
    (account,) = run(lake).accounts.values()
    assert (account.rows_out, account.dropped, account.quarantined) == (2, {"filter n < 100": 1}, 1)
    assert ask(lake, "SELECT code, n, ratio FROM t ORDER BY n") == [("2", 2, None), ("3", 3, None)]


def test_reprocessing_doubles_nothing_where_versions_are_appended(make_lake: MakeLake) -> None:
    """Also where new versions add their rows, processing the same content again replaces its own."""
    lake = make_lake('lake: x\ntables:\n  t: {files: "*.csv", on_reupload: append}\n', a="id\n1\n2\n")
    run(lake)
    run(lake, reprocess=["t"])
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_changed_steps_are_applied_to_old_files_on_request(make_lake: MakeLake) -> None:
    """After a step is added, a plain run leaves old rows alone; reprocessing replaces them, once."""
    lake = make_lake(a="id\n1\n", b="id\n2\n")
    run(lake)
    make_lake('lake: plain\ntables:\n  t: {files: "*.csv", steps: [{derive: {twice: id * 2}}]}\n')
    assert run(lake).files == {}
    for _ in range(2):
        assert sum(run(lake, reprocess=["t"]).files.values()) == 2
        assert ask(lake, "SELECT id, twice FROM t ORDER BY id") == [(1, 2), (2, 4)]


@pytest.mark.parametrize("name", ["we'ird \n*[x]?.csv", "ünï \u202e.csv", "a;b&c$(x).csv", "x" * 251 + ".csv"])
def test_hostile_file_names_are_only_names(make_lake: MakeLake, name: str) -> None:
    """Quotes, line ends, glob characters, direction marks and 255 bytes in a name change nothing."""
    lake = make_lake(other="id\n1\n")
    land(lake, name, "id\n2\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert (name,) in ask(lake, "SELECT file FROM penstock.arrivals")


def test_folders_links_out_and_unfinished_files_are_left_alone(make_lake: MakeLake, tmp_path: Path) -> None:
    """A folder called x.csv, a link out of the zone, hidden and partial files are not read."""
    lake = make_lake(a="id\n1\n")
    (tmp_path / "secret.csv").write_text("id\n99\n")
    (lake / "raw" / "link.csv").symlink_to(tmp_path / "secret.csv")
    (lake / "raw" / "folder.csv").mkdir()
    land(lake, ".hidden.csv", "id\n98\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t") == [(1,)]


def test_files_of_no_table_are_named(make_lake: MakeLake) -> None:
    """A file that no table wants is reported, not passed over in silence."""
    lake = make_lake(a="id\n1\n")
    land(lake, "notes/readme.txt", "hello")
    with penstock.open(lake) as opened:
        assert opened.discover().unclaimed == ["notes/readme.txt"]


def test_many_small_files_share_commits(make_lake: MakeLake) -> None:
    """Fifty files that wait become far fewer than fifty snapshots."""
    lake = make_lake(**{f"f{at}": f"id\n{at}\n" for at in range(50)})
    run(lake)
    assert ask(lake, "SELECT count(*), sum(id) FROM t") == [(50, sum(range(50)))]
    with penstock.open(lake) as opened:
        metadata = opened.catalog.metadata(opened.catalog.tables()[0])
    assert metadata is not None
    assert len(metadata["snapshots"]) <= 10


def test_a_table_that_is_gone_is_made_again(make_lake: MakeLake) -> None:
    """When the processed zone was removed, a run makes its tables again from raw/ and says so."""
    lake = make_lake(a="id\n1\n", b="id\n2\n")
    run(lake)
    shutil.rmtree(lake / "processed")
    summary = run(lake)
    assert ("t", "the table was gone; its files are processed again: 2") in summary.notes
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_a_table_that_is_gone_is_made_again_in_parts(make_lake: MakeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is stopped while files of a lost table are made to wait puts nothing into it: the next one goes on with them.

    Else the table would be there, and nobody would know of the files that are still missing in it.
    """
    lake = make_lake(**{f"f{at}": f"id\n{at}\n" for at in range(7)})
    run(lake)
    shutil.rmtree(lake / "processed")
    monkeypatch.setattr("penstock.arrivals.work.RESTORED_AT_ONCE", 3)
    for left in (4, 1):
        with penstock.open(lake) as opened:
            worker, state = opened.worker(), opened.state
            requeue = state.arrivals.requeue

            def last(*of: Any, worker: Worker = worker, requeue: Callable[..., bool] = requeue) -> bool:
                worker.stop()
                return requeue(*of)

            monkeypatch.setattr(state.arrivals, "requeue", last)
            summary = worker.drain(opened.declared)
            assert [note for _, note in summary.notes] == [
                f"the table was gone; its files are processed again: 3; {left} more the next time"
            ]
            assert len(state.arrivals.find(states=("finished",))) == left
            assert opened.catalog.tables() == []
    summary = run(lake)
    assert ("t", "the table was gone; its files are processed again: 1") in summary.notes
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(at,) for at in range(7)]


@pytest.mark.parametrize(
    ("file", "error", "text"),
    [
        (".penstock/state.db", StateError, "the state store is damaged: file is not a database"),
        ("processed/catalog.db", CatalogError, "the catalog is damaged: file is not a database"),
    ],
)
def test_a_damaged_database_is_a_clear_error(
    make_lake: MakeLake, file: str, error: type[penstock.PenstockError], text: str
) -> None:
    """Bytes that are no database are never taken for an empty one: the error names the file and what to do."""
    lake = make_lake(a="id\n1\n")
    run(lake)
    for leftover in (f"{file}-wal", f"{file}-shm"):
        (lake / leftover).unlink(missing_ok=True)
    (lake / file).write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(error) as caught:
        ask(lake, "SELECT * FROM t")
    assert str(caught.value).startswith(f"{lake / file}: {text}")
    assert caught.value.hint
