"""Starting: a command loads only what it needs, and a declaration that was found sound is not examined again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import penstock
from penstock.errors import DeclarationError, LakeNotFoundError
from penstock.naming import TableName
from penstock.state.known import Declared, KnownText
from tests.cli.conftest import call

HEAVY = ("pydantic", "pyiceberg", "pyarrow", "sqlglot", "pandas", "polars", "numpy", "rich", "yaml", "penstock.engines")
DECLARED = Declared("shop", "raw", "processed", "enriched", ("orders", "curated.sales"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with rows, whose declaration was read since."""
    folder = tmp_path_factory.mktemp("made") / "clinic"
    assert call("init", "consultations", folder, "--sample-data", "--rows", "200").code == 0
    for command in ("run", "tables"):
        assert call("-C", folder, command).code == 0
    return folder


@pytest.fixture
def lake(made: Path) -> Iterator[Path]:
    """The same lake; its declaration is afterwards as it was."""
    sound = (made / "lake.yaml").read_bytes()
    yield made
    (made / "lake.yaml").write_bytes(sound)
    assert call("-C", made, "tables").code == 0


def loaded(*arguments: str | Path, among: Iterable[str]) -> set[str]:
    """Which of some modules a call of the command line imports."""
    outcome = call(*arguments, PYTHONPROFILEIMPORTTIME="1")
    assert outcome.code == 0, outcome.out + outcome.err
    found = set(re.findall(r"^import time:[^|]*\|[^|]*\|\s*(\S+)$", outcome.err, re.MULTILINE))
    assert "penstock.cli.main" in found
    return found & set(among)


@pytest.mark.parametrize("asked", [["query", "SELECT count(*) FROM consultations"], ["tables"], ["status"], ["runs"]])
def test_looking_loads_nothing_that_only_work_needs(lake: Path, asked: list[str]) -> None:
    """Looking at a lake that was looked at before imports no model, no table format, no engine."""
    assert loaded("-C", lake, *asked, among=HEAVY) == set()


def test_help_loads_nothing_but_the_command_line(tmp_path: Path) -> None:
    """Help imports neither the database nor anything heavier."""
    assert loaded("-C", tmp_path, "--help", among=[*HEAVY, "duckdb", "penstock.lake", "sqlite3"]) == set()


def test_new_text_is_examined(lake: Path) -> None:
    """What was sound before says nothing of another text: a problem in it is named by every command."""
    declaration = lake / "lake.yaml"
    sound = declaration.read_text(encoding="utf-8")
    declaration.write_text(sound + "\ntabels: {}\n", encoding="utf-8")
    outcome = call("-C", lake, "query", "SELECT 1")
    assert outcome.code == 1
    assert 'unknown key "tabels"' in outcome.err
    declaration.write_text(sound, encoding="utf-8")
    assert call("-C", lake, "query", "SELECT 1").code == 0


def test_zones_of_the_new_text_count_at_once(lake: Path) -> None:
    """A lake whose zones moved is read where they are now."""
    before = call("-C", lake, "query", "SELECT count(*) AS n FROM consultations", "--format", "json").json()
    declaration = lake / "lake.yaml"
    declaration.write_text(declaration.read_text(encoding="utf-8") + "\nzones: {processed: other}\n", encoding="utf-8")
    assert call("-C", lake, "query", "SELECT count(*) FROM consultations").code == 1
    declaration.write_text(declaration.read_text(encoding="utf-8").replace("other", "processed"), encoding="utf-8")
    assert call("-C", lake, "query", "SELECT count(*) AS n FROM consultations", "--format", "json").json() == before


def test_opened_lake_tells_what_it_declares(lake: Path) -> None:
    """Names are known without examining; what is declared of a table is there when it is taken."""
    with penstock.open(lake) as opened:
        consultations = TableName.parse("consultations")
        assert "declaration" not in vars(opened)
        assert opened.name == "consultations"
        assert list(opened.declared) == [consultations]
        assert consultations in opened.declared
        assert TableName.parse("orders") not in opened.declared
        assert "declaration" not in vars(opened)
        assert opened.declared[consultations] == opened.declaration.tables["consultations"]
        assert opened.declared.get(TableName.parse("orders")) is None


def test_lake_keeps_the_declaration_it_was_opened_with(lake: Path) -> None:
    """A text that changes later does not mix with the zones that were read."""
    with penstock.open(lake) as opened:
        (lake / "lake.yaml").write_text("lake: another\n", encoding="utf-8")
        assert opened.declaration.lake == "consultations"


def test_bad_declarations_are_refused_when_opened(tmp_path: Path) -> None:
    """Opening names what is wrong with the file: missing, no text, or not a declaration."""
    with pytest.raises(LakeNotFoundError):
        penstock.open(tmp_path)
    for content in (b"lake: \xff\n", b"", b"lake: 3\n"):
        (tmp_path / "lake.yaml").write_bytes(content)
        with pytest.raises(DeclarationError):
            penstock.open(tmp_path)


def test_only_the_very_same_text_is_known(tmp_path: Path) -> None:
    """What is kept counts for the same bytes alone."""
    known = KnownText(tmp_path, "1")
    known.remember(b"lake: shop", DECLARED)
    assert known.recall(b"lake: shop") == DECLARED
    assert known.recall(b"lake: shop\n") is None
    known.remember(b"lake: ${NAME}", DECLARED)
    assert known.recall(b"lake: ${NAME}") is None
    assert known.recall(b"lake: shop") == DECLARED


def test_another_version_examines_anew(tmp_path: Path) -> None:
    """A newer Penstock may have other rules."""
    KnownText(tmp_path, "1").remember(b"lake: shop", DECLARED)
    assert KnownText(tmp_path, "2").recall(b"lake: shop") is None


def test_damage_counts_as_nothing_kept(tmp_path: Path) -> None:
    """Every flipped byte, every cut: what is kept is told exactly, or not at all."""
    KnownText(tmp_path, "1").remember(b"lake: shop", DECLARED)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    found = []
    for content in [*damaged, *(whole[:at] for at in range(len(whole) - 1)), b"[]", b"{}", b"null", b'"x"']:
        file.write_bytes(content)
        found.append(KnownText(tmp_path, "1").recall(b"lake: shop"))
    assert set(found) <= {None, DECLARED}
    assert found.count(DECLARED) <= 1  # the line end at the end may be another blank


def test_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking at a lake makes nothing in it for the sake of speed."""
    KnownText(tmp_path / "none", "1").remember(b"lake: shop", replace(DECLARED, lake="x"))
    assert list(tmp_path.iterdir()) == []
