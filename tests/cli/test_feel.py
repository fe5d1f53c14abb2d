"""How it feels, moment by moment: each row of the design's table has its test here, or a line in a benchmark.

Malformed rows in quarantine are tested in `tests/road`; the time of the first result, of `--help` and of `query` are
lines of `benchmarks/startup.py`; what is said of unknown keys at any depth is the snapshot in `tests/declaration`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, call, environment, on_terminal

Make = Callable[[str, dict[str, str]], Path]

HEAD = "id,patient_age,date_consultation,sexe\n"
ROW = "1,40,2024-01-05,F\n"
CLINIC = 'lake: clinic\ntables:\n  visits:\n    files: "*.csv"\n'
HEAVY = ("pydantic", "duckdb", "pyarrow", "pyiceberg", "sqlglot", "rich", "yaml", "sqlite3")


def clinic(*steps: str, checks: tuple[str, ...] = ()) -> str:
    """A declaration with these steps and checks, one a line, from line 6 on."""
    lines = ["    steps:", *(f"      - {step}" for step in steps)] if steps else []
    lines += ["    checks:", *(f"      - {check}" for check in checks)] if checks else []
    return CLINIC + "\n".join(lines) + "\n"


# --- Starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """What answers at once loads none of the libraries that make a command slow to start."""
    program = (
        "import sys; from penstock.cli import main; main(sys.argv[1:]);"
        f"print('loaded:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"


# --- Mistakes in the declaration ----------------------------------------------------------------


def test_unknown_key(make: Make) -> None:
    """An unknown key is told with its line, its column and the key that was meant."""
    folder = make("lake: shop\ntables:\n  orders:\n    files: x\n    keyy: id\n    fiels: y\n", {})
    lines = call("-C", folder, "check").out.splitlines()
    assert lines[0].startswith('lake.yaml:5:5 tables.orders: unknown key "keyy"')
    assert lines[1] == 'lake.yaml:6:5 tables.orders: unknown key "fiels"; did you mean "files"?'


def test_wrong_column_in_sql(make: Make) -> None:
    """A misspelt column is told before anything runs: the very character, what was meant, and how that is known."""
    folder = make(
        clinic("parse: {date_consultation: date}", "derive: {é: \"'é' || year(date_consultatoin)\"}"),
        {"a.csv": HEAD + ROW},
    )
    words = 'no column "date_consultatoin"; did you mean "date_consultation"?'
    problem = f"lake.yaml:7:34 tables.visits.steps[1].derive.é: {words}"
    checked = call("-C", folder, "check")
    assert checked.code == 1
    assert checked.out.splitlines()[:3] == [problem, "columns of visits are those of a.csv", "1 problem found"]
    assert not (folder / ".penstock").exists()
    ran = call("-C", folder, "run")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [problem, "1 problem found"]
    assert call("-C", folder, "status", "--json").json()["tables"][0]["waiting"] == 1
    line = (folder / "lake.yaml").read_text(encoding="utf-8").splitlines()[6]
    assert line[33:].startswith("date_consultatoin")


def test_columns_of_every_step_and_check(make: Make) -> None:
    """Each name is followed through the steps: renamed and dropped columns are told as such, in steps and checks."""
    steps = (
        "rename: {sexe: gender, absent: x}",
        "require: [id, sexe]",
        "bucket: {column: patient_aeg, into: group, upto: {all: null}}",
        "keep: [id, gender, group]",
        "sql: |\n          SELECT id, gender AS g\n          FROM input WHERE grop = 'é' AND patient_age > 1",
        "drop: [group]",
    )
    checks: tuple[str, ...] = (
        "{not_null: [id, gendr]}",
        "{between: {patient_age: [0, 120]}, when: before}",
        "{sql: g = h}",
    )
    checks = (*checks, "{unique: dat, when: before}", "{references: {id: vists.id}}")
    folder = make(clinic(*steps, checks=checks), {"a.csv": HEAD + ROW})
    text = (folder / "lake.yaml").read_text(encoding="utf-8").splitlines()
    *found, closing, count = call("-C", folder, "check").out.split("\n\n")[0].splitlines()
    said = [re.match(r'lake\.yaml:(\d+):(\d+) tables\.visits\.(\S+): (no \w+ "(\w+)".*)', line) for line in found]
    there = "there are id, g"
    assert [(match[3], match[4]) for match in said if match] == [
        ("steps[1].require[1]", 'no column "sexe" any more: steps[0] renames it to "gender"'),
        ("steps[2].bucket.column", 'no column "patient_aeg"; did you mean "patient_age"?'),
        ("steps[4].sql", 'no column "grop"; did you mean "group"?'),
        ("steps[4].sql", 'no column "patient_age" any more: steps[3] does not keep it'),
        ("steps[5].drop[0]", f'no column "group"; {there}'),
        ("checks[0].not_null[1]", f'no column "gendr"; {there}'),
        ("checks[2].sql", f'no column "h"; {there}'),
        ("checks[3].unique", 'no column "dat"; there are id, patient_age, date_consultation, sexe'),
        ("checks[4].references.id", 'no table "vists"; did you mean "visits"?'),
    ]
    assert all(match and text[int(match[1]) - 1][int(match[2]) - 1 :].startswith(match[5]) for match in said)
    assert (closing, count) == ("columns of visits are those of a.csv", "9 problems found")


def test_columns_of_a_table_that_exists(make: Make) -> None:
    """Once there is a table, its columns are what counts, also where no file is left in the raw zone."""
    folder = make(clinic("require: [id]"), {"a.csv": HEAD + ROW})
    assert call("-C", folder, "run").code == 0
    (folder / "raw" / "a.csv").unlink()
    (folder / "lake.yaml").write_text(clinic("require: [ID, idd]"))
    checked = call("-C", folder, "check", "--json")
    assert checked.json()["columns"] == [{"table": "visits", "source": "the table's files so far"}]
    assert [problem["column"] for problem in checked.json()["problems"]] == [23]
    assert call("-C", folder, "run").code == 1


def test_a_column_that_only_some_files_lack_stops_nothing(make: Make) -> None:
    """Where one waiting file has the column, the run begins: the files that lack it are told one by one."""
    folder = make(clinic("require: [town]"), {"a.csv": HEAD + ROW, "b.csv": f"town,{HEAD}Nice,{ROW}"})
    outcome = call("-C", folder, "run")
    assert outcome.code in {0, 3}
    assert "1 file" in outcome.out
    assert call("-C", folder, "query", "SELECT town FROM visits", "--format", "csv").out == "town\nNice\n"


def test_only_the_tables_of_a_run_are_looked_at(make: Make) -> None:
    """A mistake in one table leaves a run of another alone."""
    other = '  others:\n    files: "o*.csv"\n    steps: [{require: [nothing]}]\n'
    folder = make(clinic("require: [id]").replace('"*.csv"', '"a*.csv"') + other, {"a.csv": HEAD + ROW, "o.csv": HEAD})
    assert call("-C", folder, "run", "--table", "visits").code == 0
    assert call("-C", folder, "run").code == 1


def test_what_cannot_be_known_is_left_to_the_run(make: Make) -> None:
    """After a step whose result is only known when it runs, and with no file at hand, `check` says nothing wrong."""
    folder = make(clinic("sql: SELECT upper(sexe) FROM input", "require: [who, knows]"), {"a.csv": HEAD + ROW})
    assert call("-C", folder, "check").code == 0
    (folder / "raw" / "a.csv").unlink()
    (folder / "lake.yaml").write_text(clinic("require: [who, knows]"))
    assert call("-C", folder, "check").out == (
        f"lake.yaml is sound: 1 table, 1 step\n\nnext:\n  put files into raw/, then: penstock -C {folder} run\n"
    )


def test_columns_of_unusual_files(make: Make) -> None:
    """The header is found as intake finds it: below a preamble, in another encoding, or declared for files without."""
    folder = make(clinic("require: [né_le, idd]"), {})
    text = "Export of 2024\n\nid;né_le;sexe\n" + "".join(f"{at};2024-01-05;F\n" for at in range(40))
    for encoding in ("utf-8", "utf-16", "windows-1252"):
        (folder / "raw" / "a.csv").write_text(text, encoding=encoding)
        lines = call("-C", folder, "check").out.splitlines()
        assert 'no column "idd"; did you mean "id"?' in lines[0]
        assert "1 problem found" in lines
    declared = clinic("require: [né_le, idd]") + "    csv: {header: 0, columns: [idd, né_le]}\n"
    (folder / "lake.yaml").write_text(declared, encoding="utf-8")
    assert call("-C", folder, "check").code == 0


# --- After a command --------------------------------------------------------------------------


def test_two_commands_to_a_first_result_with_counts_and_next_steps(tmp_path: Path) -> None:
    """From nothing to rows in two commands, no file written by hand; counts and next steps follow, and those work."""
    made = call("init", "consultations", "c", "--sample-data", "--rows", "100", cwd=tmp_path)
    checked, ran, listed = (call(name, cwd=tmp_path / "c") for name in ("check", "run", "tables"))
    assert [outcome.code for outcome in (made, checked, ran, listed)] == [0] * 4
    assert all("\nnext:\n  " in outcome.out for outcome in (made, checked, ran, listed))
    assert "  penstock run\n" in made.out
    assert "lake.yaml is sound: 1 table, 6 steps\n" in checked.out
    assert re.search(r"^2 files, 100 rows in: \d+ out, \d+ dropped, \d+ quarantined in ", ran.out, re.MULTILINE)
    assert re.search(r"^1 table, \d+ rows$", listed.out, re.MULTILINE)
    query = re.search(r'penstock query "(.*?)"', ran.out)
    assert query is not None
    asked = call("query", query[1], "--format", "table", cwd=tmp_path / "c")
    assert re.fullmatch(r"5 rows in \d+\.\d+ s\n", asked.err)


@pytest.mark.parametrize(
    ("term", "no_color", "force_color", "coloured"),
    [
        ("xterm", "", "", True),
        ("xterm", "1", "", False),
        ("xterm", "1", "1", False),
        ("dumb", "", "", False),
        ("dumb", "", "1", True),
    ],
)
def test_colours_on_a_terminal(filled: Path, term: str, no_color: str, force_color: str, *, coloured: bool) -> None:
    """A terminal gets colours unless it is dumb or `NO_COLOR` is set to something."""
    shown = on_terminal("-C", filled, "status", TERM=term, NO_COLOR=no_color, FORCE_COLOR=force_color)
    assert ("\x1b[" in shown) == coloured


@pytest.mark.parametrize("arguments", [["check"], ["show", "consultations"], ["nope"]])
def test_no_colours_in_a_pipe(filled: Path, arguments: list[str]) -> None:
    """What is piped is plain text, errors included, unless `FORCE_COLOR` asks for more."""
    outcome = call("-C", filled, *arguments)
    assert "\x1b" not in outcome.out + outcome.err
    forced = call("-C", filled, *arguments, FORCE_COLOR="1")
    assert "\x1b[" in forced.out + forced.err
    assert "\x1b" not in call("-C", filled, *arguments, FORCE_COLOR="0").out


def test_progress_on_a_terminal(make: Make) -> None:
    """On a terminal a bar counts files, rows and bytes; a dumb one gets a line for each file."""
    folder = make(CLINIC, {f"{at}.csv": HEAD + ROW for at in range(3)})
    shown = on_terminal("-C", folder, "run", columns=120)
    assert re.search(r"3/3 files 0:00:\d\d 3 rows, \d+ bytes", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))
    assert "3 files, 3 rows in: 3 out" in shown
    (folder / "raw" / "x.csv").write_text(HEAD + ROW)
    plain = on_terminal("-C", folder, "run", columns=120, TERM="dumb")
    assert "\x1b" not in plain
    assert "visits  x.csv  1 row in, 1 out\n" in plain


@pytest.mark.parametrize("columns", [40, 80])
def test_tables_fit_the_terminal(filled: Path, columns: int) -> None:
    """Tables are cut to the terminal's width, not wrapped."""
    shown = on_terminal("-C", filled, "runs", columns=columns, NO_COLOR="1")
    table = [line for line in shown.splitlines() if not line.startswith("a wider terminal")]
    assert table
    assert max(map(len, table)) <= columns


def test_hostile_names_are_harmless(make: Make) -> None:
    """Control characters and direction marks in the declaration and in names reach no terminal."""
    folder = make(clinic('derive: {a: "id\x85 + 1", b: "\\e]0;owned\\a x", c: "\u202ex"}'), {"a.csv": HEAD + ROW})
    outcome = call("-C", folder, "check")
    assert outcome.code == 1
    assert not set(outcome.out + outcome.err) & {"\x1b", "\x07", "\x85", "\u202e"}


# --- Completion -------------------------------------------------------------------------------


def completed(line: str, cwd: Path, shell: str = "bash") -> list[str]:
    """What the shell is offered for the last word of a line."""
    words = line.split(" ")
    more = {"_PENSTOCK_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        COMMAND, cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return [entry.split(",", 1)[1] for entry in done.stdout.splitlines() if entry.strip()]


def test_completion_of_commands_and_options(tmp_path: Path) -> None:
    """Commands and options are offered as they are typed, also where there is no lake."""
    from penstock.cli.main import COMMANDS

    assert completed("penstock ", tmp_path) == list(COMMANDS)
    assert completed("penstock ru", tmp_path) == ["run", "runs"]
    assert "--reprocess" in completed("penstock run --", tmp_path)
    assert completed("penstock query --format j", tmp_path) == ["json"]
    assert completed("penstock init con", tmp_path) == ["consultations"]


def test_completion_of_tables(filled: Path, tmp_path: Path) -> None:
    """Tables are offered wherever one is named, of the lake that `-C` picks, declared or not."""
    for line in ("show ", "run --table ", "run --reprocess co", "runs --table ", "logs --table cons"):
        assert completed(f"penstock {line}", filled) == ["consultations"]
    assert completed(f"penstock -C {filled} show ", tmp_path) == ["consultations"]
    (tmp_path / "lake.yaml").write_text("lake: x\ntables: {a.b: {files: x}, c: {broken}}\n")
    (tmp_path / "processed").symlink_to(filled / "processed")
    assert completed("penstock show ", tmp_path) == ["a.b", "c", "consultations"]


@pytest.mark.parametrize("text", [None, "lake: [", "[]", "tables: 5", "\udcff"])
def test_completion_is_silent_about_what_is_wrong(tmp_path: Path, text: str | None) -> None:
    """Without a lake, or with a broken one, nothing is offered and nothing said."""
    if text is not None:
        (tmp_path / "lake.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert completed("penstock show ", tmp_path) == []


def test_completion_is_quick(tmp_path: Path) -> None:
    """Completing loads neither the models nor the engine: the time of `--help`, which the benchmarks hold."""
    (tmp_path / "lake.yaml").write_text("lake: x\ntables: {a: {files: x}}\n")
    program = (
        "import atexit, sys; from penstock.cli import main;"
        "heavy = ('pydantic', 'duckdb', 'pyarrow', 'pyiceberg', 'rich');"
        "atexit.register(lambda: print('loaded:', [name for name in heavy if name in sys.modules]));"
        "main()"
    )
    more = {"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": "penstock show ", "COMP_CWORD": "2"}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(**more), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == ["plain,a", "loaded: []"]


def test_completion_script() -> None:
    """The script says where it goes, and bash takes it."""
    for shell in ("bash", "zsh", "fish"):
        script = call("completion", shell).out
        assert script.startswith(f"# Completion of penstock for {shell}. ")
        assert f"_PENSTOCK_COMPLETE={shell}_complete" in script
    done = subprocess.run(
        ["bash", "-c", 'eval "$(cat)"; complete -p penstock'],
        input=call("completion", "bash").out,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("complete ")
    assert done.stdout.endswith(" penstock\n")
    wrong = call("completion", "tcsh")
    assert (wrong.code, wrong.err.splitlines()[-1]) == (2, "  see penstock completion --help")
