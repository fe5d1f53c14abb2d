"""`penstock query`: formats, piping, terminals, and hostile contents."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, ROWS, call, line_of, on_terminal, started

AGES = "SELECT age_group, count(*) AS n FROM consultations GROUP BY age_group ORDER BY age_group NULLS LAST"


def test_table_is_aligned_and_closed_by_a_count(filled: Path) -> None:
    """Titles, a line, rows; numbers to the right; the count goes to standard error."""
    outcome = call("-C", filled, "query", "SELECT 'a' AS name, 1 AS n UNION ALL SELECT NULL, 1000 ORDER BY n")
    assert outcome.code == 0
    assert outcome.out == "name     n\n────  ────\na        1\nNULL  1000\n"
    assert outcome.err.startswith("2 rows in ")


def test_json_is_one_array_of_objects(filled: Path) -> None:
    """JSON keeps types: numbers as numbers with all digits, times in ISO 8601, nested values nested."""
    sql = (
        "SELECT 1.50::DECIMAL(5,2) AS d, [1, NULL] AS l, {'k': DATE '2026-01-31'} AS s, NULL AS nothing, "
        "TIMESTAMP '2026-01-31 08:00:00' AS t, 'nan'::DOUBLE AS f, 'é\"' AS x, 2 AS d, true AS b"
    )
    outcome = call("-C", filled, "query", sql, "--format", "json")
    assert '"d": 1.50' in outcome.out
    assert outcome.json() == [
        {
            "d": 1.5,
            "l": [1, None],
            "s": {"k": "2026-01-31"},
            "nothing": None,
            "t": "2026-01-31T08:00:00",
            "f": "nan",
            "x": 'é"',
            "d_2": 2,
            "b": True,
        }
    ]
    assert call("-C", filled, "query", "SELECT 1 WHERE false", "--format", "json").json() == []


def test_csv_follows_rfc_4180(filled: Path) -> None:
    """Quotes are doubled, line ends are CRLF, a null is nothing and an empty text is two quotes."""
    sql = "SELECT 'a,\"b\"' AS x, NULL AS y, '' AS z, 'two' || chr(10) || 'lines' AS w"
    process = subprocess.run(
        [*COMMAND, "-C", str(filled), "query", sql, "--format", "csv"], capture_output=True, check=True
    )
    assert process.stdout == b'x,y,z,w\r\n"a,""b""",,"","two\nlines"\r\n'
    assert process.stderr == b""
    rows = list(csv.reader(io.StringIO(call("-C", filled, "query", AGES, "--format", "csv").out)))
    assert rows[0] == ["age_group", "n"]


def test_parquet_needs_a_file_or_a_pipe(filled: Path, tmp_path: Path) -> None:
    """Parquet is written whole to a file or piped; a terminal is refused."""
    import pyarrow.parquet as pq

    target = tmp_path / "ages.parquet"
    outcome = call("-C", filled, "query", AGES, "--format", "parquet", "--output", target)
    assert outcome.code == 0
    assert f"written to {target}" in outcome.err
    assert pq.read_table(target).column_names == ["age_group", "n"]
    assert [path.name for path in tmp_path.iterdir()] == ["ages.parquet"]
    command = [*COMMAND, "-C", str(filled), "query", AGES, "--format", "parquet"]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    assert pq.read_table(io.BytesIO(piped)).equals(pq.read_table(target))
    assert "a terminal cannot show Parquet" in on_terminal("-C", filled, "query", AGES, "--format", "parquet")


def test_output_file_appears_only_whole(filled: Path, tmp_path: Path) -> None:
    """A query that fails leaves no file and keeps the old one."""
    target = tmp_path / "rows.csv"
    target.write_text("before")
    sql = "SELECT error('stop') FROM consultations"
    assert call("-C", filled, "query", sql, "--format", "csv", "--output", target).code == 1
    assert target.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_sql_from_standard_input(filled: Path) -> None:
    """`-` reads the statement from standard input."""
    outcome = call("-C", filled, "query", "-", "--format", "json", stdin="SELECT 1 AS one -- a comment\n;\n")
    assert outcome.json() == [{"one": 1}]


def test_sql_in_any_locale(filled: Path) -> None:
    """Accents arrive whatever the locale; bytes that are no text are refused."""
    outcome = call(
        "-C",
        filled,
        "query",
        "SELECT 'é' AS x",
        "--format",
        "json",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert (outcome.code, outcome.json()) == (0, [{"x": "é"}])
    command: list[str | bytes] = [*COMMAND, "-C", str(filled), "query", b"SELECT '\xe9'"]
    refused = subprocess.run(command, capture_output=True, check=False)
    assert (refused.returncode, refused.stderr) == (1, b"error: the SQL is not UTF-8 text (byte 8)\n")


def test_ctrl_c_ends_a_long_query(filled: Path, tmp_path: Path) -> None:
    """An interrupted query ends at once with 130, no complaint, and no file."""
    sql = "SELECT sum(hash(range)) FROM range(1000000000000)"
    with started("-C", filled, "query", sql, "--format", "csv", "--output", tmp_path / "x.csv") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "")
    assert not list(tmp_path.iterdir())


def test_piped_table_is_whole(filled: Path) -> None:
    """Without a terminal nothing is cut, left out or coloured, however long."""
    outcome = call("-C", filled, "query", "SELECT range AS n, repeat('x', 300) AS x, NULL AS e FROM range(1500)")
    lines = outcome.out.splitlines()
    assert len(lines) == 1502
    assert all("x" * 300 in line for line in lines[2:])
    assert "\x1b" not in outcome.out + outcome.err


def test_terminal_shows_at_most_a_thousand_rows(filled: Path) -> None:
    """The rest is counted and named; `--limit` changes the number."""
    shown = on_terminal("-C", filled, "query", "SELECT range AS n FROM range(1500)")
    assert "\n999\n" in shown
    assert "\n1000\n" not in shown
    assert "500 more rows left out" in shown
    assert "1000 rows in" not in call("-C", filled, "query", "SELECT 1", "--limit", "5").err
    assert "7 more rows left out" in on_terminal("-C", filled, "query", "SELECT * FROM range(10)", "--limit", "3")


def test_narrow_terminal_keeps_lines_whole(filled: Path) -> None:
    """At 80 columns no line wraps: text is shortened, and columns without room are named."""
    shown = on_terminal("-C", filled, "query", "SELECT * FROM consultations LIMIT 3", NO_COLOR="1")
    table = shown.split("no room for ")[0]
    assert "…" in table
    assert max(map(len, table.splitlines())) <= 80
    assert "age_group; --format csv writes all" in shown


def test_colours_only_on_a_terminal_that_wants_them(filled: Path) -> None:
    """Nulls are dim on a terminal; `NO_COLOR` and pipes get plain text."""
    assert "\x1b[2mNULL" in on_terminal("-C", filled, "query", "SELECT NULL AS x")
    assert "\x1b" not in on_terminal("-C", filled, "query", "SELECT NULL AS x", NO_COLOR="1")
    assert "\x1b" not in call("-C", filled, "query", "SELECT NULL AS x").out


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_hostile_values_reach_no_terminal(filled: Path, form: str) -> None:
    """Escape sequences and direction marks in values and column names become visible text."""
    sql = "SELECT chr(27) || ']0;owned' || chr(7) || chr(155) || '31m' || chr(8238) AS \"x\x1b[31m\""
    shown = on_terminal("-C", filled, "query", sql, "--format", form, NO_COLOR="1")
    assert "owned" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_errors_are_one_sentence_with_a_next_step(filled: Path) -> None:
    """Wrong names are answered with the closest ones, writing is refused, nothing shows a traceback."""
    table = call("-C", filled, "query", "SELECT * FROM consultation")
    assert (table.code, table.out) == (1, "")
    assert table.err.startswith('error: no table "consultation"; did you mean "consultations"?\n  tables: ')
    column = call("-C", filled, "query", "SELECT patient_ag FROM consultations")
    assert "patient_age" in column.err
    writing = call("-C", filled, "query", "DROP TABLE consultations")
    assert writing.code == 1
    assert "queries only read" in writing.err
    assert "Traceback" not in table.err + column.err + writing.err


def test_a_reader_that_leaves_is_no_error(filled: Path) -> None:
    """`| head` ends the command quietly."""
    with started("-C", filled, "query", "SELECT * FROM range(1000000)", "--format", "csv") as process:
        line_of(process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert err == ""


def test_plans_are_drawn(filled: Path) -> None:
    """EXPLAIN keeps its lines."""
    outcome = call("-C", filled, "query", "EXPLAIN SELECT 1")
    assert "┌────" in outcome.out
    assert "\\n" not in outcome.out


def test_system_tables_answer(filled: Path) -> None:
    """What the product knows of itself is SQL too."""
    sql = "SELECT sum(rows_in) AS n FROM penstock.runs"
    assert call("-C", filled, "query", sql, "--format", "json").json() == [{"n": ROWS}]


def test_next_steps_work_as_they_are_printed(make: Callable[[str, dict[str, str]], Path], tmp_path: Path) -> None:
    """A command that is suggested can be pasted where one stands."""
    make('lake: shop\ntables:\n  orders: {files: "*.csv"}\n', {"a.csv": "id\n1\n"})
    shown = call("-C", "lake", "run", cwd=tmp_path).out
    suggested = next(line.strip() for line in shown.splitlines() if "LIMIT 5" in line)
    assert suggested == 'penstock -C lake query "SELECT * FROM orders LIMIT 5"'
