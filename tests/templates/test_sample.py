"""Sample data of the template `consultations`: same bytes every time, realistic, dirty at stated rates."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from penstock.errors import PenstockError
from penstock.templates.consultations.sample import COLUMNS, write_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 50_000
Row = dict[str, str]


def read_lines(path: Path) -> list[list[str]]:
    """Read all records, the header included, with Python's own reader in its strict mode."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write the sample data once for all tests that only read it."""
    return write_sample(tmp_path_factory.mktemp("raw"), ROWS)


@pytest.fixture(scope="module")
def records(files: list[Path]) -> list[list[str]]:
    """Give the records of both files in order, ragged ones included, without the headers."""
    return [record for path in files for record in read_lines(path)[1:]]


@pytest.fixture(scope="module")
def rows(records: list[list[str]]) -> list[Row]:
    """Give the records that are not ragged, by column."""
    return [dict(zip(COLUMNS, record, strict=True)) for record in records if len(record) == len(COLUMNS)]


def is_date(text: str) -> bool:
    """Tell whether a text is a day that exists."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_two_files_share_the_rows(files: list[Path]) -> None:
    """One file a year, with a header each, 60 % of the rows in the first, and nothing else in the folder."""
    assert [path.name for path in files] == ["consultations-2024.csv", "consultations-2025.csv"]
    assert sorted(files[0].parent.iterdir()) == files
    assert [read_lines(path)[0] for path in files] == [list(COLUMNS)] * 2
    assert [len(read_lines(path)) - 1 for path in files] == [30_000, 20_000]


def test_same_bytes_every_time(tmp_path: Path) -> None:
    """Writing again, over the files of before, gives the same bytes."""
    first = [path.read_bytes() for path in write_sample(tmp_path, 3_000)]
    assert [path.read_bytes() for path in write_sample(tmp_path, 3_000)] == first


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_same_bytes_with_any_number_of_threads(
    threads: int, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of DuckDB's threads changes neither the values nor their order."""
    connect = duckdb.connect

    def connect_with_threads(config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        return connect(config=config | {"threads": threads})

    monkeypatch.setattr(duckdb, "connect", connect_with_threads)
    again = write_sample(tmp_path, ROWS)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


def test_first_line_never_changes(files: list[Path]) -> None:
    """The values are fixed for good, not only within one version of DuckDB: a known line stays as it is."""
    lines = files[0].read_text(encoding="utf-8").split("\n")
    assert lines[1] == "1,159,69,F,Tendinite de l'épaule,2024-08-05,26.50,Dr Le Goff,"
    expected = '4,133,4,F,"Vaccination, rappel",2024-12-25,122.50,Dr Joly,"Arrêt de travail, 5 jours"'
    assert lines[4] == expected


def test_text_is_rfc_4180_in_utf_8(files: list[Path]) -> None:
    """Lines end with a bare line feed, the last one too; quotes stand only where a value needs them."""
    text = files[0].read_bytes().decode("utf-8")
    assert "\r" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert '"Fièvre ""inexpliquée"""' in text
    assert '"Angine"' not in text


@pytest.mark.parametrize(
    ("column", "kind", "percent"),
    [
        ("diagnostic", lambda text: text == "", 1.5),
        ("diagnostic", lambda text: text != "" and text.isspace(), 0.5),
        ("patient_age", lambda text: text == "", 0.3),
        ("patient_age", lambda text: text in {"-1", "150", "999"}, 0.2),
        ("date_consultation", lambda text: not is_date(text), 0.1),
        ("notes", lambda text: "\n" in text, 0.3),
    ],
    ids=["no-diagnosis", "blank-diagnosis", "no-age", "age-out-of-range", "impossible-date", "line-break"],
)
def test_dirt_occurs_at_its_rate(column: str, kind: Callable[[str], bool], percent: float, rows: list[Row]) -> None:
    """Each kind of dirt occurs at the documented rate, within a third of it."""
    found = 100 * sum(kind(row[column]) for row in rows) / len(rows)
    assert found == pytest.approx(percent, rel=0.33)


def test_one_row_in_500_is_repeated(records: list[list[str]]) -> None:
    """A repeated row follows its original, value for value; every other id occurs once."""
    ids = Counter(record[0] for record in records)
    assert set(ids.values()) == {1, 2}
    assert sum(count == 2 for count in ids.values()) == ROWS // 500
    for before, after in pairwise(records):
        if before[0] == after[0] and len(before) == len(after):
            assert before == after


def test_one_line_in_5000_is_ragged(records: list[list[str]]) -> None:
    """Lines with one field too many (a decimal comma) and one too few (no notes) take turns."""
    lengths = Counter(len(record) for record in records)
    assert lengths == {9: ROWS - 10, 10: 6, 8: 4} or lengths == {9: ROWS - 10, 10: 5, 8: 5}
    longer = next(record for record in records if len(record) == 10)
    assert (longer[6] + longer[7]).isdigit()


@pytest.mark.parametrize("total", [2_500, 2_503, 12_499])
def test_small_files_hold_three_ragged_lines(total: int, tmp_path: Path) -> None:
    """A file of 1,000 rows or more holds both kinds of ragged lines, at least 3 in all."""
    for path in write_sample(tmp_path, total):
        lengths = Counter(len(record) for record in read_lines(path)[1:])
        assert lengths[8] >= 1
        assert lengths[10] >= 1
        assert lengths[8] + lengths[10] >= 3


def test_ages_cover_all_groups(rows: list[Row]) -> None:
    """Ages in range go from babies to past a hundred, with children, adults and seniors all common."""
    ages = [int(row["patient_age"]) for row in rows if row["patient_age"] not in {"", "-1", "150", "999"}]
    assert (min(ages), max(ages)) == (0, 101)
    groups = Counter("child" if age <= 17 else "adult" if age <= 64 else "senior" for age in ages)
    assert min(groups.values()) > 0.15 * len(ages)


def test_dates_fill_the_file_s_year(files: list[Path]) -> None:
    """Days that exist lie in the year that the file's name says, almost all of its days occur."""
    for path in files:
        year = path.stem[-4:]
        days = {record[5] for record in read_lines(path)[1:] if is_date(record[5])}
        assert {day[:4] for day in days} == {year}
        assert len(days) > 350


def test_flu_is_a_winter_disease(rows: list[Row]) -> None:
    """`Grippe` occurs from November to March and in no other month, pollen allergy the other way round."""
    winter = {"11", "12", "01", "02", "03"}
    dated = [(row["diagnostic"], row["date_consultation"][5:7]) for row in rows if is_date(row["date_consultation"])]
    assert {month for name, month in dated if name == "Grippe"} == winter
    assert not {month for name, month in dated if name == "Allergie saisonnière"} & winter


def test_diagnoses_are_varied_and_french(rows: list[Row]) -> None:
    """About forty diagnoses occur; accents, commas and quotes come through."""
    diagnoses = {row["diagnostic"] for row in rows if row["diagnostic"].strip()}
    assert 38 <= len(diagnoses) <= 45
    assert {"Diabète de type 2", "Entorse, cheville gauche", 'Fièvre "inexpliquée"'} <= diagnoses


def test_centres_are_skewed(rows: list[Row]) -> None:
    """There are 60 centres, and the largest has many times the rows of the smallest."""
    sizes = [count for _, count in Counter(row["id_centre"] for row in rows).most_common()]
    assert len(sizes) == 60
    assert sizes[0] > 5 * sizes[-1]


def test_amounts_have_two_decimals(rows: list[Row]) -> None:
    """Amounts are positive and written with a point and two decimals."""
    amounts = [row["montant"].split(".") for row in rows]
    assert all(euros.isdigit() and cents.isdigit() and len(cents) == 2 for euros, cents in amounts)
    assert all(int(euros) >= 12 for euros, _ in amounts)


def test_notes_are_mostly_empty_and_awkward(rows: list[Row]) -> None:
    """Most notes are empty; the others hold commas, quotes and letters beyond ASCII."""
    notes = [row["notes"] for row in rows if row["notes"]]
    assert len(notes) < 0.2 * len(rows)
    assert any("," in note for note in notes)
    assert any('"' in note for note in notes)
    assert any(not note.isascii() for note in notes)


@pytest.mark.parametrize("total", [1, 2, 7])
def test_a_few_rows_work(total: int, tmp_path: Path) -> None:
    """Very small numbers of rows give two files with headers and exactly that many rows in all."""
    assert sum(len(read_lines(path)) - 1 for path in write_sample(tmp_path, total)) == total


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """When writing fails halfway, neither file appears and no unfinished file stays."""
    resource = pytest.importorskip("resource", reason="file size limits are a Unix thing")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(PenstockError, match="sample data cannot be written"):
            write_sample(tmp_path, ROWS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """A folder that is not there is named in the error."""
    with pytest.raises(PenstockError) as caught:
        write_sample(tmp_path / "missing", 10)
    assert caught.value.where == str(tmp_path / "missing")


def test_a_folder_with_quotes_in_its_name_works(tmp_path: Path) -> None:
    """The folder's name is never read as SQL."""
    raw = tmp_path / "l'été; DROP"
    raw.mkdir()
    assert all(path.is_file() for path in write_sample(raw, 10))
