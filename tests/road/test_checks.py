"""Checks on the whole road: what breaks one is kept with a warning, set aside, or refused, and nothing else changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import penstock
from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from tests.road.lakes import ask, run

T = TableName.parse("t")
LakeOf = Callable[..., Path]


@pytest.fixture
def lake_of(tmp_path: Path) -> LakeOf:
    """Make a lake whose table `t` has the checks (and other keys) given, in YAML's flow style."""

    def make(*checks: str, more: str = "", tables: str = "") -> Path:
        folder = tmp_path / "lake"
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        declared = "".join(f"      - {check}\n" for check in checks)
        body = f'lake: l\ntables:\n  t:\n    files: "t*.csv"\n{more}    checks:\n{declared}{tables}'
        (folder / "lake.yaml").write_text(body, encoding="utf-8")
        return folder

    return make


def land(lake: Path, key: str, *lines: str) -> None:
    """Put a file into raw/."""
    (lake / "raw" / key).write_text("\n".join(lines) + "\n", encoding="utf-8")


def state_of(lake: Path) -> tuple[Any, ...]:
    """Everything that a commit would change: pointer, snapshot, columns and live files."""
    with penstock.open(lake) as opened:
        head = opened.catalog.head(T)
    assert head is not None
    return head.pointer, head.snapshot, head.columns, head.files


ASIDE = "SELECT file, line, column_name, rule, reason, raw FROM penstock.{} ORDER BY file, line, rule"


def test_warned_rows_stay_and_are_spoken_of(lake_of: LakeOf) -> None:
    """They are in the table, counted by check, and kept as warnings with file, line, column, reason and raw text."""
    lake = lake_of("between: {age: [0, 120]}", "not_null: name")
    land(lake, "t1.csv", "name,age", "Ann,30", "Ben,130", ",-1")
    summary = run(lake)
    assert ask(lake, "SELECT count(*) FROM t") == [(3,)]
    figures = summary.accounts[T]
    assert (figures.rows_in, figures.rows_out, figures.quarantined) == (3, 3, 0)
    assert figures.warned == {"check between age 0..120": 2, "check not_null name": 1}
    assert ask(lake, ASIDE.format("warnings")) == [
        ("t1.csv", 3, "age", "check between age 0..120", 'age: "130" is not between 0 and 120', "Ben,130"),
        ("t1.csv", 4, "age", "check between age 0..120", 'age: "-1" is not between 0 and 120', ",-1"),
        ("t1.csv", 4, "name", "check not_null name", "name has no value", ",-1"),
    ]
    assert ask(lake, "SELECT count(*) FROM penstock.quarantine") == [(0,)]


def test_examples_are_limited_counts_are_not(lake_of: LakeOf) -> None:
    """Of very many breaches all are counted, and a thousand of each check and file are kept."""
    lake = lake_of("between: {n: [null, -1]}", "{not_null: n, on_breach: quarantine}", "length: {s: 1}")
    land(lake, "t1.csv", "n,s", *(f"{at},ab" for at in range(2500)))
    assert run(lake).accounts[T].warned == {"check between n ..-1": 2500, "check length s 1": 2500}
    counts = ask(lake, "SELECT rule, count(*), count(DISTINCT raw) FROM penstock.warnings GROUP BY ALL ORDER BY ALL")
    assert counts == [("check between n ..-1", 1000, 1000), ("check length s 1", 1000, 1000)]


def test_quarantined_rows_leave(lake_of: LakeOf) -> None:
    """They are in quarantine by the check's name, and the account adds up."""
    lake = lake_of("{between: {age: [0, 120]}, on_breach: quarantine, name: plausible}", more="")
    land(lake, "t1.csv", "name,age", "Ann,30", "Ben,130", "Cem,")
    figures = run(lake).accounts[T]
    assert (figures.rows_in, figures.rows_out, figures.quarantined) == (3, 2, 1)
    assert figures.adds_up
    assert ask(lake, ASIDE.format("quarantine")) == [
        ("t1.csv", 3, "age", "check plausible", 'age: "130" is not between 0 and 120', "Ben,130")
    ]


@pytest.mark.parametrize(
    ("check", "bad", "reason"),
    [
        (
            "between: {n: [0, 9]}",
            ["n", "1", "10", "11"],
            'check between n 0..9: 2 rows break it, line 3: n: "10" is not between 0 and 9',
        ),
        (
            "unique: n",
            ["n", "5", "5"],
            'check unique n: 1 row breaks it, line 3: n: "5" is in an earlier row of the file',
        ),
        ("unique: n", ["n", "5", "1"], 'check unique n: 1 row breaks it, line 3: n: "1" is in the table already'),
        ("row_count: [2, null]", ["n", "5"], "check row_count 2..: the file gives 1 row, at least 2 expected"),
        ("{row_count: [2, 3], when: before}", ["n", "5"], "check row_count 2..3: the file holds 1 row, at least 2"),
        ("references: {n: u.n}", ["n", "5"], 'check references n u.n: 1 row breaks it, line 2: n: "5" is not in u.n'),
        ("sql: n < 9", ["n", "9"], "check sql n < 9: 1 row breaks it, line 2: n < 9 is not true"),
        ("not_null: m", ["n", "1"], "check not_null m: 1 row breaks it, line 2: m has no value"),
    ],
)
def test_a_halted_file_changes_nothing(lake_of: LakeOf, check: str, bad: list[str], reason: str) -> None:
    """Pointer, snapshot, columns and files of the table stay; the dead letter says why; a later good file goes in."""
    declared = check.removeprefix("{").removesuffix("}") if "when" in check else check
    lake = lake_of(f"{{{declared}, on_breach: halt}}", tables="  u: {files: u.csv}\n")
    land(lake, "u.csv", "n", "1", "2", "3")
    land(lake, "t0.csv", "n,m", "1,a", "2,b")
    run(lake)
    before = state_of(lake)
    land(lake, "t1.csv", *bad)
    (dead,) = run(lake).dead
    assert dead.key == "t1.csv"
    assert (dead.reason or "").startswith(reason)
    assert "nothing of the file is in the table" in (dead.reason or "")
    assert state_of(lake) == before
    assert ask(lake, "SELECT count(*) FROM t") == [(2,)]
    for name in ("quarantine", "warnings"):
        assert ask(lake, f"SELECT * FROM penstock.{name}") == []
    data = {str(path) for path in (lake / "processed").rglob("data/*.parquet")}
    assert {file.path for file in before[3]} <= data
    assert len(data) == 2  # of u and of t: the refused file left none behind
    assert [result for (result,) in ask(lake, "SELECT result FROM penstock.checks WHERE file = 't1.csv'")] == ["halted"]
    land(lake, "t2.csv", "n,m", "3,c", "3,c" if "unique" not in check else ",c")
    summary = run(lake)
    assert not summary.dead
    assert ask(lake, "SELECT count(*) FROM t") == [(4,)]


def test_a_first_file_that_is_refused_makes_no_table(lake_of: LakeOf) -> None:
    """Where there was no table there is none, and the next file decides its columns."""
    lake = lake_of("{not_null: n, on_breach: halt}")
    land(lake, "t1.csv", "n", "1", '""')
    assert len(run(lake).dead) == 1
    assert ask(lake, "SELECT count(*) FROM penstock.tables") == [(0,)]
    land(lake, "t2.csv", "n,m", "1,2")
    run(lake)
    assert ask(lake, "SELECT * FROM t") == [(1, 2)]


def test_a_refused_file_gets_in_when_the_check_is_mended(lake_of: LakeOf) -> None:
    """A changed declaration lets the dead letter try again; outcomes of both runs are kept."""
    lake = lake_of("{between: {n: [0, 9]}, on_breach: halt}")
    land(lake, "t1.csv", "n", "10")
    assert len(run(lake).dead) == 1
    lake_of("{between: {n: [0, 10]}, on_breach: halt}")
    assert not run(lake).dead
    assert ask(lake, "SELECT check_name, result FROM penstock.checks ORDER BY checked, run") == [
        ("between n 0..9", "halted"),
        ("between n 0..10", "held"),
    ]


def test_before_and_after_the_steps(lake_of: LakeOf) -> None:
    """Before, the file's columns are looked at, and what is set aside never reaches the steps; after, the table's."""
    steps = "    steps: [{rename: {n: number}}, {derive: {half: number / 2}}, {require: [s]}]\n"
    lake = lake_of(
        "{between: {n: [0, 9]}, when: before, on_breach: quarantine}",
        "{between: {half: [null, 4]}, on_breach: quarantine}",
        "{not_null: s, when: before}",
        "{row_count: [6, null], when: before}",
        more=steps,
    )
    land(lake, "t1.csv", "n,s", "1,a", "10,a", "9,a", "10,", "2,")
    summary = run(lake)
    assert ask(lake, "SELECT number FROM t") == [(1,)]
    assert [(line, rule) for _, line, _, rule, _, _ in ask(lake, ASIDE.format("quarantine"))] == [
        (3, "check between n 0..9"),
        (4, "check between half ..4"),
        (5, "check between n 0..9"),
    ]
    figures = summary.accounts[T]
    assert figures.dropped == {"require s": 1}
    assert figures.adds_up
    assert figures.warned == {}  # the row that broke it was dropped: what does not stay is not spoken of
    assert summary.notes == [("t1.csv", "check row_count 6..: the file holds 5 rows, at least 6 expected")]
    warned = ask(lake, "SELECT line, rule, reason FROM penstock.warnings")
    assert warned == [(None, "check row_count 6..", "the file holds 5 rows, at least 6 expected")]


def test_unique_across_files_and_versions(lake_of: LakeOf) -> None:
    """A new row leaves when another file's is in the table; the same file again never stands in its own way."""
    lake = lake_of("{unique: id, on_breach: quarantine}")
    land(lake, "t1.csv", "id,v", "1,a", "2,a")
    land(lake, "t2.csv", "id,v", "2,b", "3,b", "3,bb")
    run(lake)
    assert sorted(ask(lake, "SELECT id, v FROM t")) == [(1, "a"), (2, "a"), (3, "b")]
    land(lake, "t1.csv", "id,v", "1,c", "2,c", "3,c")
    run(lake)
    assert sorted(ask(lake, "SELECT id, v FROM t")) == [(1, "c"), (2, "c"), (3, "b")]
    assert [(file, line, reason) for file, line, _, _, reason, _ in ask(lake, ASIDE.format("quarantine"))] == [
        ("t1.csv", 4, 'id: "3" is in the table already'),
        ("t2.csv", 2, 'id: "2" is in the table already'),
        ("t2.csv", 4, 'id: "3" is in an earlier row of the file'),
    ]
    before = ask(lake, "SELECT id, v FROM t ORDER BY id")
    run(lake, reprocess=["t"])
    assert ask(lake, "SELECT id, v FROM t ORDER BY id") == before


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(
        st.lists(st.tuples(st.sampled_from(["", "1", "2", "3"]), st.sampled_from(["", "-5", "5", "x"])), max_size=5),
        min_size=1,
        max_size=4,
    ),
    done=st.sampled_from(["warn", "quarantine"]),
)
def test_accounts_add_up_and_keys_stay_unique(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[str, str]]], done: str
) -> None:
    """Whatever comes: rows in are rows out plus dropped plus quarantined, and each row is in exactly one place."""
    lake = tmp_path_factory.mktemp("lake")
    (lake / "raw").mkdir()
    (lake / "lake.yaml").write_text(
        'lake: l\ntables:\n  t:\n    files: "*.csv"\n    steps: [{require: [k]}, {cast: {v: integer}}]\n    checks:\n'
        f"      - {{unique: k, on_breach: {done}}}\n      - {{sql: v > 0, on_breach: {done}}}\n      - not_null: v\n"
    )
    for at, rows in enumerate(files):
        land(lake, f"{at}.csv", "k,v,place", *(f"{k},{v},{at}-{n}" for n, (k, v) in enumerate(rows)))
    summary = run(lake)
    total = summary.accounts.get(T)
    if total is None:
        return
    assert total.adds_up
    assert total.rows_in == sum(map(len, files))
    kept = ask(lake, "SELECT k, v, place FROM t") if total.rows_out else []
    assert len(kept) == total.rows_out
    aside = ask(lake, "SELECT rule, raw FROM penstock.quarantine")
    assert len(aside) == total.quarantined
    places = Counter([row[2] for row in kept] + [raw.rpartition(",")[2] for _, raw in aside])
    assert set(places.values()) <= {1}
    keys = Counter(str(row[0]) for row in kept)
    doubled = sum(count - 1 for count in keys.values())
    assert doubled == (0 if done == "quarantine" else total.warned.get("check unique k", 0))
    negative = sum(1 for row in kept if row[1] is not None and int(row[1]) <= 0)
    assert negative == (0 if done == "quarantine" else total.warned.get("check sql v > 0", 0))
    assert total.warned.get("check not_null v", 0) == sum(row[1] is None for row in kept)


def test_two_workers_do_not_both_let_a_key_in(lake_of: LakeOf) -> None:
    """Files with the same keys that are taken in at the same time by several workers: each key is in the table once."""
    lake = lake_of("{unique: id, on_breach: quarantine}")
    for at in range(12):
        land(lake, f"t{at}.csv", "id,v", *(f"{number},{at}" for number in range(at // 2, at // 2 + 3)))
    with penstock.open(lake) as first:
        first.discover()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: run(lake), range(4)):
            pass
    assert ask(lake, "SELECT count(*), count(DISTINCT id) FROM t") == [(8, 8)]
    assert ask(lake, "SELECT count(*) FROM penstock.quarantine") == [(12 * 3 - 8,)]


def test_tables_that_others_refer_to_are_filled_first(lake_of: LakeOf) -> None:
    """In one run, whatever the order of declaration; until the other table exists, every value dangles."""
    lake = lake_of("{references: {c: customers.id}, on_breach: quarantine}", tables='  customers: {files: "c*.csv"}\n')
    land(lake, "t1.csv", "o,c", "1,7", "2,", "3,9")
    run(lake)
    assert {reason for *_, reason, _ in ask(lake, ASIDE.format("quarantine"))} == {
        'c: "7" cannot be in customers: that table does not exist yet',
        'c: "9" cannot be in customers: that table does not exist yet',
    }
    land(lake, "c1.csv", "id,name", "7,Ann")
    land(lake, "t2.csv", "o,c", "4,7", "5,9")
    run(lake)
    assert sorted(ask(lake, "SELECT o FROM t")) == [(2,), (4,)]


def test_a_stale_file_is_refused(lake_of: LakeOf) -> None:
    """Freshness goes by the lake's clock."""
    lake = lake_of("{fresh: {column: at, within: 36h}, on_breach: halt}")
    clock = HeldClock(1_704_628_800.0)  # 2024-01-07 12:00 UTC
    land(lake, "t1.csv", "n,at", "1,2024-01-06 00:00:00", "2,2024-01-01 00:00:00")
    land(lake, "t2.csv", "n,at", "3,2024-01-05 23:59:59")
    with Lake(lake, clock) as opened:
        summary = opened.run()
    assert [(dead.key, (dead.reason or "").split(";")[0]) for dead in summary.dead] == [
        ("t2.csv", "check fresh at 36h: the newest at is 2024-01-05T23:59:59.000Z, older than 36h")
    ]
    assert ask(lake, "SELECT count(*) FROM t") == [(2,)]


def test_an_expression_that_fails_for_some_row(lake_of: LakeOf) -> None:
    """It ends no run: the rows for which it cannot be computed break the check."""
    lake = lake_of("{sql: cast(s as integer) > 0, on_breach: quarantine}")
    land(lake, "t1.csv", "s", "a", "1", "-1", '""')
    run(lake)
    assert [(line, reason) for _, line, _, _, reason, _ in ask(lake, ASIDE.format("quarantine"))] == [
        (2, "cast(s as integer) > 0 cannot be computed"),
        (4, "cast(s as integer) > 0 is not true"),
    ]
    assert ask(lake, "SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("matches: {n: a.*}", "tables.t.checks[0].matches: a regular expression needs text, but n holds BIGINT"),
        ("between: {s: [0, 5]}", "tables.t.checks[0].between: 0 is not text, but the column holds VARCHAR"),
        ("sql: n", "tables.t.checks[0].sql: n gives BIGINT, not true or false"),
        ("fresh: {column: s, within: 1d}", "tables.t.checks[0].fresh: s holds VARCHAR, not dates or timestamps"),
    ],
)
def test_a_check_that_does_not_fit_is_named(lake_of: LakeOf, check: str, reason: str) -> None:
    """The file is a dead letter, and its reason is the check's place, what was found and the next step."""
    lake = lake_of(check)
    land(lake, "t1.csv", "n,s", "1,a")
    (dead,) = run(lake).dead
    assert (dead.reason or "").startswith(reason)
    assert "correct the check" in (dead.reason or "")


# --- What people see ---------------------------------------------------------------------------


def penstock_says(lake: Path, *arguments: str) -> str:
    """What the command line prints."""
    command = [sys.executable, "-P", "-m", "penstock", "-C", str(lake), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_the_command_line_speaks_of_checks(lake_of: LakeOf) -> None:
    """A run says which checks were broken and how many held; status and show add up what the table holds now."""
    lake = lake_of(
        "not_null: n",
        "{between: {n: [0, 9]}, on_breach: quarantine}",
        "{row_count: [3, null]}",
        "{in: {s: [a, b]}, on_breach: halt}",
    )
    land(lake, "t1.csv", "n,s", "1,a", "10,a", ",b")
    land(lake, "t2.csv", "n,s", "1,c", "2,c")
    said = penstock_says(lake, "run")
    assert "t: check not_null n: 1 row kept, with a warning\n" in said
    assert "t: check between n 0..9: 1 row quarantined\n" in said
    assert "t: check in s: 1 file refused\n" in said
    assert "t: check row_count 3..: 1 file kept, with a warning\n" in said
    assert "note: t1.csv: check row_count 3..: the file gives 2 rows, at least 3 expected\n" in said
    assert "0 checks of 4 held\n" in said
    assert 'check in s: 2 rows break it, line 2: s: "c" is none of a, b' in said
    assert 'query "SELECT * FROM penstock.warnings"' in said
    status = penstock_says(lake, "status")
    assert "warned" in status
    facts = json.loads(penstock_says(lake, "status", "--json"))["tables"][0]
    assert (facts["quarantined"], facts["warned"]) == (1, 1)
    shown = json.loads(penstock_says(lake, "show", "t", "--json"))["checks"]
    assert [(check["check"], check["files"], check["broken"], check["breaches"]) for check in shown] == [
        ("not_null n", 1, 1, 1),
        ("between n 0..9", 1, 1, 1),
        ("row_count 3..", 1, 1, 1),
        ("in s", 1, 0, 0),
    ]
    assert "between n 0..9  quarantine" in penstock_says(lake, "show", "t")


def test_a_run_in_which_all_checks_hold_says_so(lake_of: LakeOf) -> None:
    """One line; a lake without checks has none. A check that was added later is shown as not having looked."""
    lake = lake_of("not_null: n", "unique: n")
    land(lake, "t1.csv", "n", "1")
    assert "all 2 checks held\n" in penstock_says(lake, "run")
    lake_of("not_null: n", "unique: n", "between: {n: [0, 1]}")
    shown = json.loads(penstock_says(lake, "show", "t", "--json"))["checks"]
    assert [(check["check"], check["files"]) for check in shown] == [
        ("not_null n", 1),
        ("unique n", 1),
        ("between n 0..1", 0),
    ]
