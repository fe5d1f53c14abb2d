"""Making a lake from a template: what is written, and what is refused before anything is written."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from penstock.errors import PenstockError
from penstock.templates import TEMPLATES, create

if TYPE_CHECKING:
    from pathlib import Path


def contents(directory: Path) -> dict[str, bytes]:
    """Give every file below a folder by its relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_lake_has_its_files(template: str, tmp_path: Path) -> None:
    """Every template makes a declaration that is YAML, an empty `raw/` and a `.gitignore`."""
    lake = tmp_path / "deep" / "lake"
    assert create(template, lake) == [lake / "lake.yaml", lake / ".gitignore"]
    assert list((lake / "raw").iterdir()) == []
    assert set(yaml.safe_load((lake / "lake.yaml").read_text(encoding="utf-8"))) >= {"lake", "tables"}


def test_what_penstock_makes_is_ignored_by_git(tmp_path: Path) -> None:
    """`.gitignore` names the folders that can be made again, under a comment that says so."""
    create("blank", tmp_path)
    comment, *ignored = (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert comment.startswith("# ")
    assert ignored == [".penstock/", "processed/", "enriched/"]


def test_a_gitignore_of_before_is_kept(tmp_path: Path) -> None:
    """Lines that are missing are added to a `.gitignore` that exists; nothing of it is lost."""
    (tmp_path / ".gitignore").write_bytes(b"*.log\nprocessed/")
    create("blank", tmp_path)
    lines = (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["*.log", "processed/"]
    assert lines[-2:] == [".penstock/", "enriched/"]
    assert lines.count("processed/") == 1


def test_a_complete_gitignore_is_not_touched(tmp_path: Path) -> None:
    """A `.gitignore` that names everything already is neither changed nor listed as written."""
    text = b"enriched/\n.penstock/\nprocessed/\n"
    (tmp_path / ".gitignore").write_bytes(text)
    assert create("blank", tmp_path) == [tmp_path / "lake.yaml"]
    assert (tmp_path / ".gitignore").read_bytes() == text


def test_consultations_is_declared(tmp_path: Path) -> None:
    """The template `consultations` declares one table with six steps; its name is not the folder's."""
    create("consultations", tmp_path / "clinic")
    declaration = yaml.safe_load((tmp_path / "clinic" / "lake.yaml").read_text(encoding="utf-8"))
    assert declaration["lake"] == "consultations"
    assert declaration["tags"] == {"supnum:Lab": "PROJET-5", "supnum:Group": "G1", "supnum:Owner": "21031"}
    table = declaration["tables"]["consultations"]
    assert table["files"] == "consultations*.csv"
    kinds = [next(iter(step)) for step in table["steps"]]
    assert kinds == ["parse", "derive", "filter", "bucket", "require", "rename"]


def test_sample_data_goes_to_raw(tmp_path: Path) -> None:
    """Sample data with a number of rows makes the files after the declaration."""
    written = create("consultations", tmp_path, sample_data=True, rows=100)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "lake.yaml",
        ".gitignore",
        "raw/consultations-2024.csv",
        "raw/consultations-2025.csv",
    ]
    assert all(path.is_file() for path in written)


@pytest.mark.parametrize(
    ("template", "files"),
    [
        ("immobilier", [f"annonces-2025-{month}" for month in ("09.csv", "10.csv", "11.csv.gz", "12.csv")]),
        ("orders", ["customers.csv", "Orders.csv", "Orders_2018.csv", "Orders-notes.txt"]),
    ],
)
@pytest.mark.parametrize("rows", [None, 100])
def test_each_template_brings_its_files(template: str, files: list[str], rows: int | None, tmp_path: Path) -> None:
    """The sample files of a template are all written, and few rows make small files."""
    _, _, *samples = create(template, tmp_path, sample_data=True, rows=rows)
    assert [path.name for path in samples] == files
    assert {path.parent for path in samples} == {tmp_path / "raw"}
    size = sum(path.stat().st_size for path in samples)
    assert size < 20_000 if rows else size > 100_000


def test_the_declarations_are_sound(tmp_path: Path) -> None:
    """`penstock check` finds nothing wrong with the declaration of any template."""
    for template in TEMPLATES:
        create(template, tmp_path / template)
        done = subprocess.run(
            [sys.executable, "-m", "penstock", "-C", str(tmp_path / template), "check"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


def test_sample_data_has_a_number_of_rows_of_its_own(tmp_path: Path) -> None:
    """Without a number of rows the template's own applies."""
    *_, first, second = create("consultations", tmp_path, sample_data=True)
    assert first.read_bytes().count(b"\n") + second.read_bytes().count(b"\n") > 50_000


@pytest.mark.parametrize("sample_data", [False, True])
def test_a_lake_is_never_overwritten(tmp_path: Path, *, sample_data: bool) -> None:
    """A folder with a `lake.yaml` is refused and stays byte for byte as it was."""
    (tmp_path / "lake.yaml").write_text("lake: mine\n", encoding="utf-8")
    with pytest.raises(PenstockError, match="exists already; a lake is never overwritten") as caught:
        create("consultations", tmp_path, sample_data=sample_data)
    assert caught.value.where == str(tmp_path / "lake.yaml")
    assert contents(tmp_path) == {"lake.yaml": b"lake: mine\n"}
    assert not (tmp_path / "raw").exists()


def test_a_dangling_link_counts_as_a_lake(tmp_path: Path) -> None:
    """A `lake.yaml` that links to nowhere is refused: writing through it would make a file elsewhere."""
    (tmp_path / "lake.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(PenstockError, match="exists already"):
        create("blank", tmp_path)
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A folder with other files, also in `raw/`, becomes a lake; the files stay as they are."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine.csv").write_bytes(b"a\n1\n")
    create("blank", tmp_path)
    assert contents(tmp_path)["raw/mine.csv"] == b"a\n1\n"


def test_sample_data_needs_an_empty_raw(tmp_path: Path) -> None:
    """Sample data never mixes with, or replaces, files that are in `raw/` already."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "consultations-2024.csv").write_bytes(b"mine\n")
    with pytest.raises(PenstockError, match="holds files already"):
        create("consultations", tmp_path, sample_data=True, rows=10)
    assert contents(tmp_path) == {"raw/consultations-2024.csv": b"mine\n"}


def test_an_unknown_template_gets_a_suggestion(tmp_path: Path) -> None:
    """A name that is close is suggested, all names are listed, and nothing is written."""
    with pytest.raises(PenstockError) as caught:
        create("consultation", tmp_path / "lake")
    assert str(caught.value) == (
        'unknown template "consultation"; did you mean "consultations"?\n'
        "  templates: blank, consultations, immobilier, orders"
    )
    assert not (tmp_path / "lake").exists()


def test_an_unknown_template_without_likeness_gets_the_list(tmp_path: Path) -> None:
    """A name that is close to none gets no suggestion."""
    with pytest.raises(PenstockError) as caught:
        create("zzz", tmp_path / "lake")
    assert str(caught.value) == 'unknown template "zzz"\n  templates: blank, consultations, immobilier, orders'


@pytest.mark.parametrize(
    ("template", "sample_data", "rows", "what"),
    [
        ("consultations", True, 0, "sample data needs at least 1 row, found 0"),
        ("consultations", True, -5, "sample data needs at least 1 row, found -5"),
        ("consultations", False, 10, "a number of rows goes with sample data, and none was asked for"),
        ("blank", True, None, 'the template "blank" has no sample data'),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    template: str, rows: int | None, what: str, tmp_path: Path, *, sample_data: bool
) -> None:
    """Rows without sample data, fewer than one row and sample data that does not exist are errors."""
    with pytest.raises(PenstockError) as caught:
        create(template, tmp_path / "lake", sample_data=sample_data, rows=rows)
    assert caught.value.what == what
    assert caught.value.hint
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_not_a_lake(below: str, tmp_path: Path) -> None:
    """A path that is a file, or goes through one, is refused with an error that names it."""
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(PenstockError) as caught:
        create("blank", tmp_path / "notes.txt" / below)
    assert "notes.txt" in caught.value.where


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("sales", "sales"),
        ("my_lake_2", "my_lake_2"),
        ("Données 2024!", "donnees_2024"),
        ("2024-sales", "lake_2024_sales"),
        ("été--Œuvre", "ete_uvre"),
        ("数据", "lake"),
        ("null", "lake_null"),
        ("_-_", "lake"),
    ],
)
def test_a_blank_lake_is_named_after_its_folder(folder: str, name: str, tmp_path: Path) -> None:
    """The folder's name becomes lower-case letters, digits and underscores, starting with a letter."""
    create("blank", tmp_path / folder)
    assert f"\nlake: {name}\n" in (tmp_path / folder / "lake.yaml").read_text(encoding="utf-8")


def test_a_blank_lake_in_the_current_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` stands for the folder's own name."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    create("blank", type(tmp_path)())
    assert "\nlake: here\n" in (tmp_path / "here" / "lake.yaml").read_text(encoding="utf-8")


def test_the_example_in_blank_is_right(tmp_path: Path) -> None:
    """With the comment marks removed, the example in `blank` is a table with every step it shows."""
    create("blank", tmp_path)
    text = (tmp_path / "lake.yaml").read_text(encoding="utf-8")
    head, example = text.replace("tables: {}\n", "").split("#\n")
    uncommented = [line.removeprefix("# ") for line in example.splitlines()]
    declaration = yaml.safe_load("\n".join([head, *uncommented]))
    assert [next(iter(step)) for step in declaration["tables"]["orders"]["steps"]] == [
        "parse",
        "derive",
        "filter",
        "bucket",
        "require",
        "rename",
    ]


def test_importing_templates_is_cheap() -> None:
    """The list of templates can be shown without loading DuckDB."""
    script = "import sys, penstock.templates; sys.exit('duckdb' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
