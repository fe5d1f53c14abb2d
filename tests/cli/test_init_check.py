"""`penstock init`, `check`, `schema`, and what the command line says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import call

ORDERS = 'lake: shop\ntables:\n  orders:\n    files: "*.csv"\n'


def test_help_lists_every_command_in_the_order_of_use() -> None:
    """`--help` names all commands, whether asked for or shown because nothing was asked."""
    asked, bare = call("--help"), call()
    names = [line.split()[0] for line in asked.out.split("Commands:")[1].split("\n\n")[0].strip().splitlines()]
    assert names == [
        "init",
        "check",
        "run",
        "up",
        "query",
        "queries",
        "tables",
        "show",
        "why",
        "quarantine",
        "dead",
        "status",
        "alarms",
        "notices",
        "runs",
        "logs",
        "schedule",
        "workflow",
        "snapshots",
        "verify",
        "maintain",
        "repair",
        *("synth", "plan", "deploy", "destroy", "bundle", "cost"),
        "schema",
        "completion",
    ]
    assert asked.code == 0
    assert "Commands:" in bare.out + bare.err


def test_every_command_has_help_and_its_own_table_entry() -> None:
    """The listed short help is not alone: every command explains itself."""
    from penstock.cli.main import COMMANDS

    for name in COMMANDS:
        outcome = call(name, "--help")
        assert outcome.code == 0, outcome.err
        assert outcome.out.startswith(f"Usage: penstock {name}")


def test_version() -> None:
    """`--version` gives the package's version."""
    import penstock

    assert call("--version").out == f"penstock {penstock.__version__}\n"


def test_mistyped_command_and_option_are_suggested() -> None:
    """A wrong name is answered with the closest right one and exit code 2."""
    command, option = call("quary"), call("run", "--jsn")
    assert (command.code, option.code) == (2, 2)
    assert "Did you mean 'query'?" in command.err
    assert "Did you mean '--json'?" in option.err
    assert "see penstock run --help" in option.err


def test_init_lists_templates() -> None:
    """Without arguments, `init` says what there is."""
    outcome = call("init")
    assert outcome.code == 0
    assert "blank" in outcome.out
    assert "consultations" in outcome.out


def test_init_makes_a_sound_lake_and_says_what_is_next(tmp_path: Path) -> None:
    """`init` names the files it made and the next commands, and `check` agrees with the result."""
    outcome = call("init", "consultations", "my lake", "--sample-data", "--rows", "10", cwd=tmp_path)
    assert outcome.code == 0
    assert "lake.yaml" in outcome.out
    assert "raw/consultations-2024.csv" in outcome.out
    assert outcome.out.endswith(
        "next:\n  cd 'my lake'\n  penstock run\n  penstock query \"SELECT * FROM consultations LIMIT 5\"\n"
    )
    checked = call("check", cwd=tmp_path / "my lake")
    assert (checked.code, checked.out) == (0, "lake.yaml is sound: 1 table, 6 steps\n\nnext:\n  penstock run\n")


def test_init_refuses_an_unknown_template_and_a_missing_folder(tmp_path: Path) -> None:
    """What cannot be made is refused with the closest name, or with the argument that is missing."""
    unknown, missing = call("init", "consultation", tmp_path / "x"), call("init", "blank")
    assert unknown.code == 1
    assert unknown.err.startswith('error: unknown template "consultation"; did you mean "consultations"?\n')
    assert missing.code == 2
    assert "missing argument DIR" in missing.err


def test_check_names_every_problem_at_its_place(make: Callable[[str, dict[str, str]], Path]) -> None:
    """Problems of the declaration and of its SQL come together, in file order, with line and column."""
    steps = (
        "    stepz: []\n"
        "    steps:\n"
        '      - derive: {a: "1 + )", b: sum(x)}\n'
        "      - filter: x > now()\n"
        "      - filtre: 3\n"
    )
    outcome = call("-C", make(ORDERS + steps, {}), "check")
    assert outcome.code == 1
    places = [line.split(": ", 1)[0] for line in outcome.out.split("\n\n")[0].splitlines()]
    assert places == [
        "lake.yaml:5:5 tables.orders",
        "lake.yaml:7:26 tables.orders.steps[0].derive.a",
        "lake.yaml:7:33 tables.orders.steps[0].derive.b",
        "lake.yaml:8:21 tables.orders.steps[1].filter",
        "lake.yaml:9:9 tables.orders.steps[2]",
        "5 problems found",
    ]
    assert 'did you mean "filter"?' in outcome.out


def test_check_counts_into_blocks(make: Callable[[str, dict[str, str]], Path]) -> None:
    """In a block that keeps its lines, the very line and character are named; where lines are joined, the start."""
    steps = (
        "    steps:\n      - filter: |\n          é =\n\n            )\n      - filter: >\n          x >\n          >\n"
    )
    lines = call("-C", make(ORDERS + steps, {}), "check").out.splitlines()
    assert lines[0].startswith("lake.yaml:9:13 tables.orders.steps[0].filter: ")
    assert lines[1].startswith("lake.yaml:10:17 tables.orders.steps[1].filter: ")


def test_check_json(make: Callable[[str, dict[str, str]], Path]) -> None:
    """Programs get every problem with its parts; people's words go to standard error."""
    outcome = call("-C", make(ORDERS + "    filez: x\n", {}), "check", "--json")
    assert outcome.code == 1
    assert outcome.json() == {
        "sound": False,
        "tables": 0,
        "steps": 0,
        "checks": 0,
        "columns": [{"table": "orders", "source": None}],
        "notes": [],
        "problems": [
            {
                "file": "lake.yaml",
                "line": 5,
                "column": 5,
                "path": "tables.orders",
                "text": 'unknown key "filez"; did you mean "files"?',
            }
        ],
    }
    assert "\n1 problem found\n" in outcome.err


def test_a_broken_declaration_stops_every_other_command(make: Callable[[str, dict[str, str]], Path]) -> None:
    """Commands that need the lake print every problem to standard error, as JSON on request, and end with 1."""
    folder = make(ORDERS + "    filez: x\n", {})
    human, program = call("-C", folder, "run"), call("-C", folder, "status", "--json")
    assert (human.code, human.out) == (1, "")
    assert human.err.endswith("1 problem found\n")
    assert program.code == 1
    assert program.json()["error"]["code"] == "declaration"
    assert program.json()["error"]["problems"][0]["line"] == 5


def test_no_lake(tmp_path: Path) -> None:
    """A folder without `lake.yaml` is refused with the next step, without a traceback."""
    outcome = call("run", cwd=tmp_path)
    assert outcome.code == 1
    assert outcome.err.startswith(f"error: {tmp_path}: no lake.yaml in this folder\n  make a lake with")
    as_json = call("tables", "--json", cwd=tmp_path).json()
    assert as_json["error"]["code"] == "lake_not_found"
    assert as_json["error"]["where"] == str(tmp_path)


def test_a_file_where_a_folder_should_be(make: Callable[[str, dict[str, str]], Path]) -> None:
    """What the system refuses is one clear line."""
    folder = make(ORDERS, {"a.csv": "x\n1\n"})
    (folder / ".penstock").write_text("in the way")
    outcome = call("-C", folder, "run")
    assert outcome.code == 1
    assert outcome.err.startswith(f"error: {folder}/.penstock: File exists\n")
    assert "Traceback" not in outcome.err


def test_schema_is_a_json_schema() -> None:
    """`schema` prints what editors need."""
    schema = json.loads(call("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "tables" in schema["properties"]
