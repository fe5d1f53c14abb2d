from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import penstock
from penstock.errors import PenstockError
from penstock.templates.immobilier.sample import COLUMNS, write_sample
from tests.templates import lakes, plain_immobilier
from tests.templates.plain import Reading

TABLE = "annonces"
NEW_MONTH = "annonces-2026-01.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake with its sample data, before its first run."""
    return lakes.make("immobilier", tmp_path_factory.mktemp("immobilier"))


@pytest.fixture(scope="module")
def truth(made: Path) -> Reading:
    """What the sample data comes to, worked out without the product."""
    return plain_immobilier.read(made / "raw")


@pytest.fixture(scope="module")
def lake(made: Path) -> Iterator[penstock.Lake]:
    """The lake after one run."""
    before = lakes.digests(made / "raw")
    with penstock.open(made) as opened:
        summary = opened.run()
        assert [arrival.reason for arrival in summary.dead] == []
        assert lakes.digests(made / "raw") == before
        yield opened


def content(path: Path) -> bytes:
    """What stands in a file, decompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def cells(path: Path) -> list[list[str]]:
    """Every record of a sample file."""
    delimiter, encoding = plain_immobilier.FILES[path.name]
    return list(csv.reader(io.StringIO(content(path).decode(encoding), newline=""), delimiter=delimiter, strict=True))


# --- The sample data


def test_the_sample_has_the_scrapers_columns(made: Path) -> None:
    """Every file has the eight columns, `terrassse` with its three s, and each row as many cells."""
    assert COLUMNS == ("titre", "prix", "surface", "chambres", "salles_bain", "source", "garage", "terrassse")
    for name in plain_immobilier.FILES:
        header, *rows = cells(made / "raw" / name)
        assert tuple(header) == COLUMNS
        assert {len(row) for row in rows} == {len(COLUMNS)}


def test_each_month_is_written_in_another_way(made: Path) -> None:
    """Two delimiters, a byte-order mark, Windows-1252 with CR LF, and gzip: four files, no two alike."""
    september, october, november, december = (made / "raw" / name for name in plain_immobilier.FILES)
    assert september.read_bytes().startswith(b"\xef\xbb\xbftitre;prix;")
    assert october.read_bytes().startswith(b"titre,prix,")
    assert b"\x80" in october.read_bytes()  # the euro sign in Windows-1252
    assert b"\r\n" in october.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        october.read_bytes().decode("utf-8")
    assert november.read_bytes().startswith(b"\x1f\x8b")
    assert content(november).startswith(b"titre;prix;")
    assert december.read_bytes().startswith(b"titre,prix,")
    assert "€" in december.read_bytes().decode("utf-8")


@pytest.mark.parametrize("value", ["120 000 €", "85 m²", "85,5", "oui", "NON", "", "n.c.", "0 m²", "peut-être"])
def test_the_sample_is_dirty_as_scraped_data_is(value: str, made: Path) -> None:
    """What scraping brings stands in the files: units, currency signs, decimal commas, blanks, words for truth."""
    found = [cell for name in plain_immobilier.FILES for row in cells(made / "raw" / name) for cell in row]
    same_kind = [cell for cell in found if shape(cell) == shape(value)]
    assert same_kind


def shape(cell: str) -> str:
    """A cell with every digit made 0 and runs of them made one, so that prices of any size look alike."""
    digits = "".join("0" if letter.isdigit() else letter for letter in cell)
    while "00" in digits:
        digits = digits.replace("00", "0")
    return digits


def test_same_text_every_time(tmp_path: Path) -> None:
    """Writing again, over the files of before, gives the same text; a known line stays as it is for good."""
    first = [content(path) for path in write_sample(tmp_path, 400)]
    assert [content(path) for path in write_sample(tmp_path, 400)] == first
    lines = first[0].decode("utf-8-sig").split("\n")
    assert (
        lines[1]
        == '"Appartement Paris, Sacré-Cœur ""coup de cœur"" (réf. 000001)";779\u202f000 €;77 m²;4;1;leboncoin;Non;OUI'
    )


@pytest.mark.parametrize("rows", [1, 2, 37, 400])
def test_any_number_of_rows_is_a_lake(rows: int, tmp_path: Path) -> None:
    """The number of rows asked for is the number of rows written, in all files together, none of them empty."""
    counted = [len(cells(path)) - 1 for path in write_sample(tmp_path, rows)]
    assert sum(counted) == rows
    assert 0 not in counted


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Where one file's place is taken by a folder, no unfinished file stays behind."""
    (tmp_path / NEW_MONTH.replace("2026-01", "2025-12")).mkdir()
    with pytest.raises(OSError, match=r"annonces-2025-12\.csv"):
        write_sample(tmp_path, 40)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


# --- R0.6: integrity before analysis


def test_the_plain_reading_agrees_with_the_written_expectations(truth: Reading) -> None:
    """R0.6: what plain Python makes of the sample is what is written down, to the row and to the cent."""
    wanted = lakes.expected("immobilier")
    found = lakes.outcome_of(truth)
    assert found == {name: wanted[name] for name in found}
    assert {column: lakes.total(truth.rows, column) for column in wanted["sums"]} == wanted["sums"]


def test_every_row_is_accounted_for(lake: penstock.Lake) -> None:
    """R0.6: rows in, out, dropped by rule, quarantined by column and warned by check are those written down."""
    wanted = lakes.expected("immobilier")
    found = lakes.outcome(lake, TABLE)
    assert found == {name: wanted[name] for name in found}
    assert lakes.account(lake, TABLE).adds_up


def test_quarantined_rows_are_the_right_ones(lake: penstock.Lake, truth: Reading) -> None:
    """R0.6: each row set aside is named by its file, its line and the column to blame; there is no other."""
    assert lakes.set_aside(lake, TABLE) == sorted(truth.quarantined)


def test_quarantined_rows_keep_their_text(lake: penstock.Lake, made: Path) -> None:
    """R0.6: the raw text of a row set aside is the line of its file, whatever the file's encoding."""
    rows = lake.query("SELECT file, line, raw FROM penstock.quarantine").fetchall()
    assert {file for file, _, _ in rows} == set(plain_immobilier.FILES)
    for file, line, raw in rows:
        encoding = plain_immobilier.FILES[file][1]
        lines = content(made / "raw" / file).decode(encoding).splitlines()
        assert raw.rstrip("\r\n") == lines[line - 1]


def test_reasons_name_what_was_found(lake: penstock.Lake) -> None:
    """R0.6: the reason of a row set aside quotes the cell."""
    reasons = [reason for (reason,) in lake.query("SELECT DISTINCT reason FROM penstock.quarantine")]
    for found in ('"peut-être"', "pieds", "O 000", "1 €"):
        assert [reason for reason in reasons if found in reason], (found, reasons)


# --- R0.3: the schema is catalogued and stays current


def test_the_schema_is_catalogued(lake: penstock.Lake) -> None:
    """R0.3: the table is in the catalog with every column of the files and the derived one, each with its type."""
    assert lake.tables == [TABLE]
    columns = lake.query("SELECT column_name, type FROM penstock.columns ORDER BY position").fetchall()
    assert dict(columns) == {
        "titre": "VARCHAR",
        "prix": "DECIMAL(18,2)",
        "surface": "DECIMAL(8,2)",
        "chambres": "BIGINT",
        "salles_bain": "BIGINT",
        "source": "VARCHAR",
        "garage": "BOOLEAN",
        "terrassse": "BOOLEAN",
        "prix_m2": "DOUBLE",
    }
    assert [name for name, _ in columns] == list(plain_immobilier.COLUMNS)


def test_the_schema_stays_current_as_files_change(tmp_path: Path) -> None:
    """R0.3: a later file with one more column brings it into the catalog; earlier rows have no value there."""
    folder = lakes.make("immobilier", tmp_path, rows=100)
    with penstock.open(folder) as lake:
        lake.run()
        before = lake.query(f"SELECT count(*), sum(prix) FROM {TABLE}").fetchall()
        header = ";".join([*reversed(COLUMNS), "dpe"])
        row = "oui;non;PAP;1;3;85,5 m²;120 000 €;Maison à Sète;C"
        (folder / "raw" / NEW_MONTH).write_text(f"{header}\n{row}\n", encoding="utf-8")
        lake.run()
        columns = lake.query("SELECT column_name, type FROM penstock.columns ORDER BY position").fetchall()
        assert ("dpe", "VARCHAR") in columns
        assert lake.query(f"SELECT count(*), sum(prix) FROM {TABLE} WHERE dpe IS NULL").fetchall() == before
        row_found = lake.query(f"SELECT titre, prix, surface, prix_m2, garage, dpe FROM {TABLE} WHERE dpe IS NOT NULL")
        assert row_found.fetchall() == [("Maison à Sète", Decimal(120_000), Decimal("85.50"), 1403.51, False, "C")]


# --- R0.4: prix_m2


def test_rows_are_the_right_ones(lake: penstock.Lake, truth: Reading) -> None:
    """R0.3, R0.4: every cell of every row is what plain Python read, whatever file it came from."""
    names = [name for name in plain_immobilier.COLUMNS if name != "prix_m2"]
    found = [tuple(row[name] for name in names) for row in lakes.rows_of(lake, TABLE)]
    assert sorted(found, key=repr) == sorted((normal(row, names) for row in truth.rows), key=repr)


def normal(row: dict[str, object], names: list[str]) -> tuple[object, ...]:
    """A row of the plain reading with its decimals at the table's two digits."""
    cells = [row[name] for name in names]
    return tuple(cell.quantize(Decimal("0.01")) if isinstance(cell, Decimal) else cell for cell in cells)


def test_the_price_per_square_metre_is_right(lake: penstock.Lake, truth: Reading) -> None:
    """R0.4: `prix_m2` is price over surface, rounded to the cent, in every row."""
    by_key = {(row["titre"], row["source"], row["prix"]): row["prix_m2"] for row in truth.rows}
    for row in lakes.rows_of(lake, TABLE):
        exact = by_key[row["titre"], row["source"], row["prix"]]
        if exact is None:
            assert row["prix_m2"] is None
        else:
            assert abs(Decimal(row["prix_m2"]) - exact) <= Decimal("0.005000001")
            assert row["prix_m2"] == round(row["prix_m2"], 2)


def test_no_surface_no_price_per_square_metre(lake: penstock.Lake) -> None:
    """R0.4: where the surface is 0 or missing `prix_m2` is null, as often as written down; no such row is lost."""
    sql = f"""SELECT count(*) FILTER (surface = 0), count(*) FILTER (surface IS NULL), count(*) FROM {TABLE}
              WHERE prix_m2 IS NULL"""
    ((zero, missing, nulls),) = lake.query(sql).fetchall()
    assert {"surface 0": zero, "surface missing": missing} == lakes.expected("immobilier")["prix_m2_nulls"]
    assert nulls == zero + missing


def test_totals_are_as_written(lake: penstock.Lake) -> None:
    """R0.6: sums and counts that SQL gives are those written down."""
    wanted = lakes.expected("immobilier")
    rows = lakes.rows_of(lake, TABLE)
    assert {column: Decimal(lakes.total(rows, column)) for column in wanted["sums"]} == {
        column: Decimal(text) for column, text in wanted["sums"].items()
    }
    assert lakes.counts(rows, "source") == wanted["by_source"]
    assert lakes.counts(rows, "garage") == wanted["garage"]
    assert lakes.counts(rows, "terrassse") == wanted["terrassse"]


def test_a_second_run_changes_nothing(lake: penstock.Lake) -> None:
    """R0.3: with nothing new in `raw/` the table and its account stay as they are."""
    before = (lakes.outcome(lake, TABLE), sorted(map(repr, lakes.rows_of(lake, TABLE))))
    assert lake.run().files == {}
    assert (lakes.outcome(lake, TABLE), sorted(map(repr, lakes.rows_of(lake, TABLE)))) == before


# --- R0.5: Parquet, SQL, and no parasitic tables


def test_rows_are_parquet(lake: penstock.Lake, made: Path) -> None:
    """R0.5: the table's data files are Parquet, compressed with Snappy, and hold its rows."""
    import pyarrow.parquet as pq

    (live,) = lake.query("SELECT rows FROM penstock.tables").fetchall()
    files = list((made / "processed" / "main" / TABLE).rglob("*.parquet"))
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in files) == live[0]
    assert {pq.ParquetFile(path).metadata.row_group(0).column(0).compression for path in files} == {"SNAPPY"}


def test_results_of_queries_never_become_tables(lake: penstock.Lake, made: Path) -> None:
    """R0.5: no query makes a table, and results that are kept anywhere in the lake are not taken in by a run."""
    for statement in (
        f"CREATE TABLE parasite AS SELECT * FROM {TABLE}",
        f"CREATE VIEW parasite AS SELECT * FROM {TABLE}",
        f"COPY {TABLE} TO '{made}/raw/annonces-parasite.csv'",
        f"INSERT INTO {TABLE} SELECT * FROM {TABLE}",
    ):
        with pytest.raises(PenstockError):
            lake.query(statement).fetchall()
    (made / "enriched").mkdir(exist_ok=True)
    result = lake.query(f"SELECT source, avg(prix_m2) AS prix_m2 FROM {TABLE} GROUP BY ALL").arrow()
    import pyarrow.parquet as pq

    pq.write_table(result, made / "enriched" / "annonces-moyennes.parquet")
    pq.write_table(result, made / "processed" / "annonces-moyennes.parquet")
    before = lakes.outcome(lake, TABLE)
    assert lake.run().files == {}
    assert lake.tables == [TABLE]
    assert lakes.outcome(lake, TABLE) == before
    assert not (made / "raw" / "annonces-parasite.csv").exists()
