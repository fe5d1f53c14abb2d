"""What `partition` may say, and what is said of what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.declaration import Transform, json_schema, loads, parse_transform
from penstock.errors import BadFileError, DeclarationError
from penstock.state.store import Column
from penstock.tables.partition import planned_spec
from tests.cli.conftest import call
from tests.partitioning.layouts import declare, land, run

COLUMNS = [
    Column(1, "id", "BIGINT"),
    Column(2, "at", "TIMESTAMP"),
    Column(3, "x", "DOUBLE"),
    Column(4, "at_day", "DATE"),
]


@pytest.mark.parametrize(
    ("text", "transform"),
    [
        ("country", Transform("identity", "country")),
        (" pays d'origine ", Transform("identity", "pays d'origine")),
        ('"a, b (c) ""d"""', Transform("identity", 'a, b (c) "d"')),
        ("month(at)", Transform("month", "at")),
        ('hour( "at" )', Transform("hour", "at")),
        ("bucket(16, id)", Transform("bucket", "id", 16)),
        ("truncate(3,name)", Transform("truncate", "name", 3)),
    ],
)
def test_forms(text: str, transform: Transform) -> None:
    """A column or a transform of one; what is written of it reads as the same again."""
    assert parse_transform(text) == transform
    assert parse_transform(str(transform)) == transform


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        ("[mnth(at)]", '5:17 tables.t.partition[0]: unknown transform "mnth"; did you mean "month"?'),
        ("[at, bucket(16, id)]", '5:21 tables.t.partition[1]: "bucket(16" is cut at the comma'),
        ("[bucket(id)]", '5:17 tables.t.partition[0]: bucket needs a number before the column: "bucket(16, id)"'),
        ('["day(3, at)"]', '5:17 tables.t.partition[0]: day takes a column alone: "day(at)"'),
        ('["bucket(0, id)"]', "5:17 tables.t.partition[0]: the number of bucket is from 1 to 2,147,483,647, found 0"),
        ("[day(at), month(AT)]", '"month(AT)" stands beside "day(at)"; one time of a column is enough'),
        ("[a, b, A]", '"A" stands beside "a"; an entry stands once'),
        ("[a, a]", '"a" stands beside "a"; an entry stands once'),
        ("['']", '"" is nothing to lay files out by'),
        ("country", "5:16 tables.t.partition: must be a list"),
        ("[7]", "5:17 tables.t.partition[0]: must be text, found the number 7"),
    ],
)
def test_mistakes(partition: str, said: str) -> None:
    """Each says where it stands, what was found, and what would be right."""
    with pytest.raises(DeclarationError) as caught:
        loads(f"lake: x\ntables:\n  t:\n    files: a.csv\n    partition: {partition}\n")
    assert said in str(caught.value)


def test_the_schema_for_editors_knows_it() -> None:
    """Editors complete the key and say what it is for."""
    found = json_schema()["$defs"]["Table"]["properties"]["partition"]
    assert found["type"] == "array"
    assert "data files are laid out" in found["description"]


def test_types_that_cannot_be_partitioned_by() -> None:
    """A type for which readers do not agree, or that has no such part, is refused with those that do."""
    with pytest.raises(BadFileError, match='partitioned by x, but "x" is DOUBLE; identity takes VARCHAR, INTEGER'):
        planned_spec([Transform("identity", "x")], COLUMNS)
    with pytest.raises(BadFileError, match=r'month\(id\), but "id" is BIGINT; month takes DATE'):
        planned_spec([Transform("month", "id")], COLUMNS)
    with pytest.raises(BadFileError, match=r'has no column "idd"; did you mean "id"\?'):
        planned_spec([Transform("identity", "idd")], COLUMNS)


def test_names_of_partitions_are_unlike_columns() -> None:
    """A partition is not called like a column, which the format forbids, whatever its source is called."""
    columns = [*COLUMNS, Column(5, "pays d'origine", "VARCHAR"), Column(6, "pays_d_origine", "VARCHAR")]
    wanted = [Transform("day", "at"), Transform("identity", "pays d'origine"), Transform("bucket", "id", 4)]
    names = [field.name for field in planned_spec(wanted, columns).fields]
    assert names == ["at_day_2", "pays_d_origine_identity", "id_bucket_4"]


def check(lake: Path) -> str:
    """What `penstock check` says."""
    return call("-C", lake, "check").out


def test_check_names_unknown_columns(tmp_path: Path) -> None:
    """A misspelt column is told at its place, with the one that was meant; a derived one is known."""
    lake = declare(tmp_path, "[contry, when]", "    steps: [{derive: {when: at}}]\n")
    land(lake, "a.csv", "id,country,at\n1,FR,2024-01-01\n")
    said = check(lake)
    assert 'lake.yaml:5:17 tables.t.partition[0]: no column "contry"; did you mean "country"?' in said
    assert "partition[1]" not in said


def test_check_says_what_changes(tmp_path: Path) -> None:
    """Before the next run changes the layout of a table that exists, `check` says so; of a wrong type, too."""
    lake = declare(tmp_path, "[country]")
    land(lake, "a.csv", "id,country,at\n1,FR,2024-01-01\n")
    run(lake)
    assert "new data files" not in check(lake)
    declare(lake, "[month(at)]")
    assert "t: new data files will be partitioned by month(at); those that are there stay as they are" in check(lake)
    declare(lake, "[month(id)]")
    assert 'tables.t.partition[0]: the table is partitioned by month(id), but "id" is BIGINT' in check(lake)
