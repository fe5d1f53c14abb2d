"""The `orders` lake in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.templates import plain
from tests.templates.plain import Reading, Row, SetAsideError, day, english, records, whole

FILES = {"Orders.csv": "utf-8-sig", "Orders_2018.csv": "utf-8"}
COLUMNS = (
    "order_id",
    "order_date",
    "customer_id",
    "customer_name",
    "region",
    "status",
    "product",
    "quantity",
    "unit_price",
    "updated_at",
    "sales_amount",
    "order_month",
)
REGIONS = {"N": "North", "S": "South", "E": "East", "W": "West"}
STATUSES = {"canceled": "cancelled", "complete": "delivered"}
LAYOUTS = ("%Y-%m-%d", "%Y/%m/%d", "%d-%b-%y", "%d/%m/%Y")
CELLS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "order_id": ("Order ID", plain.text),
    "customer_id": ("Customer ID", plain.text),
    "customer_name": ("Customer Name", plain.text),
    "region": ("Region", plain.text),
    "status": ("Status", plain.text),
    "product": ("Product", plain.text),
    "order_date": ("Order Date", lambda cell: day(cell, LAYOUTS)),
    "quantity": ("Quantity", lambda cell: whole(cell, ("pcs", "pc"), ("n/a",))),
    "unit_price": ("Unit Price", lambda cell: english(cell, ("$", "USD"), ("n/a",))),
    "updated_at": ("Updated At", datetime.fromisoformat),
}


def customers(raw: Path) -> list[tuple[str, str, str]]:
    """Read the customers, with their names put right."""
    lines = records(raw / "customers.csv", ",", "utf-8")
    return [(cells["customer_id"], cells["name"].strip().title(), cells["city"].strip()) for _, cells in lines]


def read(raw: Path) -> Reading:
    """Read both files of orders, the older one first."""
    known = {customer for customer, _, _ in customers(raw)}
    reading = Reading()
    for name, encoding in FILES.items():
        earlier = {row["order_id"] for row in reading.rows}
        live: dict[str, list[tuple[int, Row]]] = {}
        for line, cells in records(raw / name, ",", encoding):
            reading.rows_in[name] += 1
            row = _read_row(reading, name, line, cells)
            if row is not None:
                live.setdefault(row["order_id"], []).append((line, row))
        for same in live.values():
            line, row = max(same, key=lambda pair: pair[1]["updated_at"])
            reading.dropped["dedupe"] += len(same) - 1
            _check(reading, name, line, row, earlier, known)
    return reading


def _read_row(reading: Reading, name: str, line: int, cells: dict[str, str]) -> Row | None:
    row: Row = {}
    for column, (original, read_cell) in CELLS.items():
        try:
            row[column] = read_cell(cells[original])
        except SetAsideError:
            reading.quarantined.append((name, line, original))
            return None
    for column in ("order_id", "customer_id", "product", "quantity", "unit_price"):
        if row[column] is None:
            reading.dropped[f"require {column}"] += 1
            return None
    region, status = row["region"].title(), row["status"].lower()
    row |= {
        "customer_name": row["customer_name"].title(),
        "region": REGIONS.get(region, region),
        "status": STATUSES.get(status, status),
        "sales_amount": row["quantity"] * row["unit_price"],
        "order_month": row["order_date"].strftime("%Y-%m"),
    }
    return row


def _check(reading: Reading, name: str, line: int, row: Row, earlier: set[str], known: set[str]) -> None:
    broken = {
        "Quantity": not 1 <= row["quantity"] <= 1_000,
        "Region": row["region"] not in REGIONS.values(),
        "Order ID": row["order_id"] in earlier,
    }
    blamed = [column for column, breaks in broken.items() if breaks]
    if blamed:
        reading.quarantined.append((name, line, blamed[0]))
        return
    reading.rows.append(row)
    reading.warned["check in status"] += row["status"] not in {"pending", "shipped", "delivered", "cancelled"}
    reading.warned["check references customer_id customers.customer_id"] += row["customer_id"] not in known
