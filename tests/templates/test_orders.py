from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import penstock
from penstock.templates.orders.sample import COLUMNS, CUSTOMER_COLUMNS, CUSTOMERS, write_sample
from tests.docs.replay import environment
from tests.templates import lakes, plain_orders
from tests.templates.plain import Reading

TABLE = "orders"
NOTE = "Orders-notes.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake with its sample data, before its first run."""
    return lakes.make("orders", tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def truth(made: Path) -> Reading:
    """What the sample data comes to, worked out without the product."""
    return plain_orders.read(made / "raw")


@pytest.fixture(scope="module")
def before(made: Path) -> dict[str, str]:
    """The raw zone as delivered: the digest of each file."""
    return lakes.digests(made / "raw")


@pytest.fixture(scope="module")
def lake(made: Path, before: dict[str, str]) -> Iterator[penstock.Lake]:
    """The lake after one run."""
    assert before
    with penstock.open(made) as opened:
        summary = opened.run()
        assert [arrival.reason for arrival in summary.dead] == []
        yield opened


def cells(path: Path, encoding: str) -> list[list[str]]:
    """Every record of a sample file."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file, strict=True))


# --- The sample data


def test_the_files_of_the_sample(made: Path) -> None:
    """Orders of two years, customers, and a note that is no CSV; one file as a spreadsheet saves it."""
    assert sorted(path.name for path in (made / "raw").iterdir()) == [
        NOTE,
        "Orders.csv",
        "Orders_2018.csv",
        "customers.csv",
    ]
    assert (made / "raw" / "Orders.csv").read_bytes().startswith(b"\xef\xbb\xbfOrder ID,Order Date,")
    assert (made / "raw" / "Orders.csv").read_bytes().endswith(b"\r\n")
    assert b"\r" not in (made / "raw" / "Orders_2018.csv").read_bytes()
    for name, encoding in plain_orders.FILES.items():
        header, *rows = cells(made / "raw" / name, encoding)
        assert tuple(header) == COLUMNS
        assert {len(row) for row in rows} == {len(COLUMNS)}
    header, *customers = cells(made / "raw" / "customers.csv", "utf-8")
    assert tuple(header) == CUSTOMER_COLUMNS
    assert len(customers) == CUSTOMERS


@pytest.mark.parametrize(
    ("column", "shape"),
    [
        ("Order Date", r"\d\d-[A-Z][a-z]{2}-\d\d"),
        ("Order Date", r"\d{4}/\d\d/\d\d"),
        ("Order Date", r"\d{4}-\d\d-\d\d"),
        ("Order Date", r"\d\d/\d\d/\d{4}"),
        ("Unit Price", r"\$ ?\d.*"),
        ("Unit Price", r"\d,\d{3}\.\d\d USD"),
        ("Unit Price", r"€.*"),
        ("Quantity", r"\d+ pcs"),
        ("Quantity", ""),
        ("Customer ID", ""),
        ("Product", " +"),
        ("Region", "[A-Z]{4,5} ?"),
        ("Status", "(?i) *canceled *"),
    ],
)
def test_the_sample_is_messy_as_exports_are(column: str, shape: str, made: Path) -> None:
    """Each kind of mess that the documentation of the sample names stands in it."""
    import re

    at = COLUMNS.index(column)
    rows = [row for name, encoding in plain_orders.FILES.items() for row in cells(made / "raw" / name, encoding)]
    assert [row for row in rows if re.fullmatch(shape, row[at])]


def test_same_bytes_every_time(tmp_path: Path) -> None:
    """Writing again, over the files of before, gives the same bytes; a known line stays as it is for good."""
    first = [path.read_bytes() for path in write_sample(tmp_path, 500)]
    assert [path.read_bytes() for path in write_sample(tmp_path, 500)] == first
    lines = (tmp_path / "Orders.csv").read_text(encoding="utf-8-sig").splitlines()
    assert (
        lines[1]
        == 'CA-2017-100001,09-May-17,C015,Farid Nguyen,E,Delivered,"Monitor 27""",10,319.99,2017-05-15 09:27:00'
    )


@pytest.mark.parametrize("rows", [1, 2, 37, 500])
def test_any_number_of_rows_is_a_lake(rows: int, tmp_path: Path) -> None:
    """The number of rows asked for is the number of orders written, in both files together."""
    written = [path for path in write_sample(tmp_path, rows) if path.name in plain_orders.FILES]
    counted = [len(cells(path, plain_orders.FILES[path.name])) - 1 for path in written]
    assert sum(counted) == rows
    assert 0 not in counted


# --- R2.2: filtered, cleaned, standardised


def test_the_plain_reading_agrees_with_the_written_expectations(truth: Reading) -> None:
    """R2.2: what plain Python makes of the sample is what is written down, to the row and to the cent."""
    wanted = lakes.expected("orders")
    found = lakes.outcome_of(truth)
    assert found == {name: wanted[name] for name in found}
    assert {column: lakes.total(truth.rows, column) for column in wanted["sums"]} == wanted["sums"]


def test_every_row_is_accounted_for(lake: penstock.Lake) -> None:
    """R2.2: incomplete orders are dropped and counted by what they lack; all other numbers are those written down."""
    wanted = lakes.expected("orders")
    found = lakes.outcome(lake, TABLE)
    assert found == {name: wanted[name] for name in found}
    assert lakes.account(lake, TABLE).adds_up


def test_quarantined_rows_are_the_right_ones(lake: penstock.Lake, truth: Reading) -> None:
    """R2.2: each order set aside is named by its file, its line and the column to blame; there is no other."""
    assert lakes.set_aside(lake, TABLE) == sorted(truth.quarantined)


def test_rows_are_the_right_ones(lake: penstock.Lake, truth: Reading) -> None:
    """R2.2: every cell of every row is what plain Python read: dates of four layouts, prices, regions, names."""
    found = [tuple(row[name] for name in plain_orders.COLUMNS) for row in lakes.rows_of(lake, TABLE)]
    wanted = [tuple(row[name] for name in plain_orders.COLUMNS) for row in truth.rows]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def test_dates_are_read_in_the_declared_order(tmp_path: Path) -> None:
    """R2.2: each way to write a date is read; 12/05 is the twelfth of May because the declaration says so."""
    written = ["05-Dec-17", "2017/12/05", "2017-12-05", "12/05/2017", "25/12/2017", "12/25/2017"]
    with penstock.open(lake_of([{"Order Date": text} for text in written], tmp_path)) as lake:
        lake.run()
        dates = [day for (day,) in lake.query("SELECT order_date::VARCHAR FROM orders ORDER BY order_id")]
        assert dates == ["2017-12-05", "2017-12-05", "2017-12-05", "2017-05-12", "2017-12-25"]
        ((line, reason),) = lake.query("SELECT line, reason FROM penstock.quarantine").fetchall()
        assert (line, '"12/25/2017"' in reason) == (7, True)


def lake_of(orders: list[dict[str, str]], folder: Path) -> Path:
    """A lake with one file of sound orders, some of their cells as given."""
    sound = ["", "2017-12-05", "C001", "A B", "N", "Shipped", "Lamp", "2", "$3.50", "2017-12-06 10:00:00"]
    rows = [dict(zip(COLUMNS, sound, strict=True)) | cells for cells in orders]
    lines = [",".join(row.values()) for row in rows]
    numbered = [f"CA-2017-{number:06}{line}" for number, line in enumerate(lines, start=1)]
    lakes.make("orders", folder, rows=1)
    (folder / "raw" / "Orders_2018.csv").write_text("\n".join([",".join(COLUMNS), *numbered, ""]), encoding="utf-8")
    return folder


def test_incomplete_orders_are_filtered_out(tmp_path: Path) -> None:
    """R2.2: an order without customer, product, quantity or price is dropped under the name of what it lacks."""
    lacking = ["Customer ID", "Product", "Quantity", "Unit Price"]
    with penstock.open(lake_of([{column: ""} for column in lacking], tmp_path)) as lake:
        lake.run()
        found = lakes.account(lake, TABLE)
        rules = {f"require {column.lower().replace(' ', '_')}": 1 for column in lacking}
        assert {rule: count for rule, count in found.dropped.items() if count} == rules
        assert (found.rows_in, found.rows_out, found.quarantined) == (4, 0, 0)


def test_sales_per_month_are_as_written(lake: penstock.Lake) -> None:
    """R2.2: number of orders and sales of each month, as SQL gives them, are those written down, to the cent."""
    sql = "SELECT order_month, count(*), sum(sales_amount) FROM orders GROUP BY ALL"
    found = {month: {"orders": count, "sales": str(sales)} for month, count, sales in lake.query(sql)}
    assert found == lakes.expected("orders")["by_month"]


def test_regions_and_statuses_are_standardised(lake: penstock.Lake) -> None:
    """R2.2: of all ways to write a region or a status one is left, as often as written down."""
    wanted = lakes.expected("orders")
    rows = lakes.rows_of(lake, TABLE)
    assert lakes.counts(rows, "region") == wanted["by_region"]
    assert lakes.counts(rows, "status") == wanted["by_status"]
    assert {column: Decimal(lakes.total(rows, column)) for column in wanted["sums"]} == {
        column: Decimal(text) for column, text in wanted["sums"].items()
    }


def test_customers_are_a_table_of_their_own(lake: penstock.Lake, made: Path) -> None:
    """R2.2: customers keep their ids, and their names are put right; every known order finds its customer."""
    found = lake.query("SELECT customer_id, name, city FROM customers ORDER BY customer_id").fetchall()
    assert found == plain_orders.customers(made / "raw")
    assert len(found) == lakes.expected("orders")["customers"]
    missing = "SELECT count(*) FROM orders ANTI JOIN customers USING (customer_id)"
    wanted = lakes.expected("orders")["warned"]["check references customer_id customers.customer_id"]
    assert lake.query(missing).fetchall() == [(wanted,)]


# --- R2.3: what triggers


def test_only_csv_files_become_rows(tmp_path: Path) -> None:
    """R2.3: a file in `raw/` that does not end in `.csv` starts nothing, and the run says that no table wants it."""
    folder = lakes.make("orders", tmp_path, rows=40)
    (folder / "raw" / "Orders_2019.csv.bak").write_bytes((folder / "raw" / "Orders.csv").read_bytes())
    with penstock.open(folder) as lake:
        assert lake.discover().unclaimed == [NOTE, "Orders_2019.csv.bak"]
        lake.run()
        files = {file for (file,) in lake.query("SELECT file FROM penstock.arrivals")}
        assert files == {"customers.csv", "Orders.csv", "Orders_2018.csv"}


def test_the_command_line_says_what_no_table_wants(tmp_path: Path) -> None:
    """R2.3: `penstock run` names the file that no table wants, for people and in JSON, and ends well."""
    folder = lakes.make("orders", tmp_path, rows=40)
    call = ["penstock", "-C", str(folder), "run"]
    first = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert first.returncode == 0, first.stderr
    assert f"no table wants: {NOTE}" in first.stdout + first.stderr
    again = [*call, "--json"]
    second = subprocess.run(again, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(second.stdout)["unclaimed"] == [NOTE]


# --- R2.4: the catalogue


def test_the_catalogue_is_discovered(lake: penstock.Lake) -> None:
    """R2.4: tables and columns of `processed/` are catalogued with their types; nobody wrote them down."""
    assert sorted(lake.tables) == ["customers", "orders"]
    sql = "SELECT column_name, type FROM penstock.columns WHERE table_name = 'orders' ORDER BY position"
    columns = lake.query(sql).fetchall()
    assert columns == [
        ("order_id", "VARCHAR"),
        ("order_date", "DATE"),
        ("customer_id", "VARCHAR"),
        ("customer_name", "VARCHAR"),
        ("region", "VARCHAR"),
        ("status", "VARCHAR"),
        ("product", "VARCHAR"),
        ("quantity", "BIGINT"),
        ("unit_price", "DECIMAL(10,2)"),
        ("updated_at", "TIMESTAMP"),
        ("sales_amount", "DECIMAL(14,2)"),
        ("order_month", "VARCHAR"),
    ]


def test_other_engines_read_the_catalogue(lake: penstock.Lake, made: Path) -> None:
    """R2.4: pyiceberg, by itself, finds both tables in the catalog of `processed/` and reads the same rows."""
    from pyiceberg.catalog.sql import SqlCatalog

    database = made / "processed" / "catalog.db"
    catalog = SqlCatalog("penstock", uri=f"sqlite:///{database}", warehouse=str(made / "processed"))
    try:
        assert sorted(catalog.list_tables("main")) == [("main", "customers"), ("main", "orders")]
        table = catalog.load_table("main.orders")
        assert [field.name for field in table.schema().fields] == list(plain_orders.COLUMNS)
        arrow = table.scan().to_arrow()
    finally:
        catalog.close()
    found = lake.query("SELECT count(*), sum(sales_amount) FROM orders").fetchall()
    assert found == [(arrow.num_rows, sum(arrow["sales_amount"].to_pylist()))]


# --- R2.1: zones


def test_raw_stays_byte_for_byte(lake: penstock.Lake, made: Path, before: dict[str, str], truth: Reading) -> None:
    """R2.1: no run changes, adds or removes a file in `raw/`, nor does processing all again, which doubles no row."""
    assert lakes.digests(made / "raw") == before
    lake.run(reprocess=["orders", "customers"])
    assert lakes.digests(made / "raw") == before
    assert sorted(row["order_id"] for row in lakes.rows_of(lake, TABLE)) == sorted(
        row["order_id"] for row in truth.rows
    )


def test_zones_are_folders(lake: penstock.Lake, made: Path) -> None:
    """R2.1: delivered files stand in `raw/`, tables in `processed/`, and queries may read what `enriched/` keeps."""
    assert lake.declaration.zones.model_dump() == {"raw": "raw", "processed": "processed", "enriched": "enriched"}
    assert {path.suffix for path in (made / "raw").rglob("*.*")} == {".csv", ".txt"}
    assert list((made / "processed").rglob("*.parquet"))
    (made / "enriched").mkdir(exist_ok=True)
    kept = made / "enriched" / "sales.csv"
    kept.write_text("month,sales\n2017-01,12.50\n", encoding="utf-8")
    assert lake.query(f"SELECT sales FROM read_csv('{kept}')").fetchall() == [(12.5,)]
