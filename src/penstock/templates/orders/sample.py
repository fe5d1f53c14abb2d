r"""Sample data of the template `orders`: a year and a half of orders and their customers, realistic and dirty.

| file | how it is written |
| --- | --- |
| `customers.csv` | 60 customers; UTF-8, LF |
| `Orders.csv` | 60 % of the orders, of 2017; UTF-8 with byte-order mark, CR LF, as spreadsheets save |
| `Orders_2018.csv` | the others, of 2018; UTF-8, LF |
| `Orders-notes.txt` | no table wants it: it does not end in `.csv` |

Dirty on purpose, one row in so many; which ones follows from the row's number:

| what | one in |
| --- | --- |
| order repeated on the next line with another status: every other time with an earlier `Updated At` | 25 |
| last order of the first file repeated on the first line of the second | once |
| `Customer ID` empty | 100 |
| `Product` blank | 100 |
| `Quantity` empty | 100 |
| `Unit Price` is `n/a` | 100 |
| `Order Date` impossible: `2017/02/30` | 100 |
| `Quantity` is 0 or negative | 100 |
| `Customer ID` unknown: `C9xx` | 100 |
| `Order Date` with the month first: `12/25/2017` | 200 |
| `Unit Price` with a letter in it: `12.5O` | 200 |
| `Unit Price` in another currency: `€12.00` | 200 |
| `Region` unknown: `Overseas` | 200 |
| `Status` unknown: `lost` | 200 |

Clean but awkward: dates as `05-Dec-17`, `2017/12/05`, `2017-12-05` and `05/12/2017`; prices as `$1,234.50`, `1234.50`
and `1,234.50 USD`; quantities as `3` and `3 pcs`; names, regions and statuses in any case and with spaces around them;
abbreviated regions; commas and doubled quotes in products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from penstock.templates.sampling import draw, line, pick, write_together

COLUMNS = (
    "Order ID",
    "Order Date",
    "Customer ID",
    "Customer Name",
    "Region",
    "Status",
    "Product",
    "Quantity",
    "Unit Price",
    "Updated At",
)
CUSTOMER_COLUMNS = ("customer_id", "name", "city")
DEFAULT_ROWS = 5_000
CUSTOMERS = 60

_FIRST_YEAR = 2017
_FIRST_FILE_PERCENT = 60
_REPEATED_EVERY = 25
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_FIRST_NAMES = ("Alice", "Bruno", "Chloé", "David", "Élodie", "Farid", "Grace", "Hugo", "Inès", "Jonas")
_LAST_NAMES = ("Martin", "Nguyen", "Petit", "Kowalski", "Müller", "Traore", "Silva", "Dubois")
_CITIES = ("Lille", "Porto", "Köln", "Bristol", "Málaga", "Łódź")
_REGIONS = ("North", "South", "East", "West")
_STATUSES = ("pending", "shipped", "delivered", "delivered", "cancelled", "canceled", "complete")
_PRODUCTS = (
    ("Desk, oak", 24900),
    ("Chair, swivel", 8950),
    ('Monitor 27"', 31999),
    ('Monitor 34", curved', 129900),
    ("Keyboard", 4500),
    ("Mouse", 1999),
    ("Lamp", 3250),
    ("Paper A4", 575),
    ("Cable; 2 m", 899),
    ("Meeting table", 245000),
)


def write_sample(raw: Path, rows: int = DEFAULT_ROWS) -> list[Path]:
    """Write customers, two files of orders with `rows` rows in all, and a note below `raw`; no file is empty.

    The files appear under their names only when all are complete; files of these names are replaced.

    Raises:
        OSError: The files cannot be written.
    """
    first = rows * _FIRST_FILE_PERCENT // 100
    customers = (_customer(number) for number in range(1, CUSTOMERS + 1))
    earlier = (_order(number, first) for number in range(1, first + 1))
    later = (_order(number, first) for number in range(first + 1, rows + 1))
    contents = {
        raw / "customers.csv": _lines(CUSTOMER_COLUMNS, customers, "\n"),
        raw / "Orders.csv": _lines(COLUMNS, earlier, "\r\n", mark=b"\xef\xbb\xbf"),
        raw / "Orders_2018.csv": _lines(COLUMNS, later, "\n"),
        raw / "Orders-notes.txt": [b"Orders.csv is the export of January 2018.\n"],
    }
    if first == 0:
        del contents[raw / "Orders.csv"]
    return write_together(contents)


def _lines(header: Sequence[str], records: Iterable[Sequence[str]], end: str, mark: bytes = b"") -> Iterator[bytes]:
    yield mark + (line(header, ",") + end).encode()
    for record in records:
        yield (line(record, ",") + end).encode()


def _customer(number: int) -> tuple[str, ...]:
    name = f" {_name(number).upper()}" if number % 7 == 0 else _name(number)
    return f"C{number:03}", name, pick(_CITIES, number, 1)


def _name(number: int) -> str:
    return f"{_FIRST_NAMES[number % len(_FIRST_NAMES)]} {_LAST_NAMES[number // 10 % len(_LAST_NAMES)]}"


def _order(number: int, first: int) -> tuple[str, ...]:
    """Write one row; one in 25, and the first of the second file, is the order of the row before."""
    repeated = number % _REPEATED_EVERY == _REPEATED_EVERY - 1 or number == first + 1
    order = number - 1 if repeated and number > 1 else number
    year = _FIRST_YEAR if order <= first else _FIRST_YEAR + 1
    day = date(year, 1, 1) + timedelta(days=draw(order, 2) % 365)
    customer = 1 + draw(order, 3) % CUSTOMERS
    product, cents = pick(_PRODUCTS, order, 4)
    age = number % 2 if order == number - 1 else 0
    cells = {
        "Order ID": f"CA-{year}-{100_000 + order}",
        "Order Date": _date(day, number),
        "Customer ID": f"C{customer:03}",
        "Customer Name": _cased(_name(customer), number, 5),
        "Region": _region(pick(_REGIONS, order, 6), number),
        "Status": _cased(pick(_STATUSES, number, 7), number, 8),
        "Product": product,
        "Quantity": pick(("{}", "{}", "{} pcs", " {}"), number, 9).format(1 + draw(order, 10) % 12),
        "Unit Price": _price(cents, number),
        "Updated At": _updated(day, order, -age if age else int(order != number)),
    }
    cells |= _dirt(number, year)
    return tuple(cells[column] for column in COLUMNS)


def _date(day: date, number: int) -> str:
    short = f"{day.day:02}-{_MONTHS[day.month - 1]}-{day.year % 100:02}"
    return pick((short, f"{day:%Y/%m/%d}", day.isoformat(), f"{day:%d/%m/%Y}"), number, 11)


def _updated(day: date, order: int, hours: int) -> str:
    """Give a moment a few days after the order, so many hours later or earlier."""
    noon = datetime.combine(day, time(12))  # a wall-clock time without a zone, as shops export it
    return (noon + timedelta(minutes=draw(order, 12) % 10_000, hours=hours)).isoformat(" ")


def _region(name: str, number: int) -> str:
    return pick((name, name, name.upper(), name.lower(), name[0], f"{name} "), number, 13)


def _cased(text: str, number: int, salt: int) -> str:
    return pick((text, text.title(), text.upper(), text.lower(), f" {text}  "), number, salt)


def _price(cents: int, number: int) -> str:
    plain = f"{cents // 100}.{cents % 100:02}"
    grouped = f"{cents // 100:,}.{cents % 100:02}"
    return pick((plain, f"${grouped}", f"$ {grouped}", f"{grouped} USD", grouped), number, 14)


def _dirt(number: int, year: int) -> dict[str, str]:
    """Give the cells that are spoiled in this row; repeated rows and those before them never are."""
    hundred = {
        7: {"Customer ID": ""},
        17: {"Product": pick((" ", "  "), number, 20)},
        27: {"Quantity": ""},
        37: {"Unit Price": "n/a"},
        47: {"Order Date": pick((f"{year}/02/30", f"31-Apr-{year % 100}", f"{year}-13-05"), number, 21)},
        67: {"Quantity": pick(("0", "-2"), number, 22)},
        77: {"Customer ID": f"C9{draw(number, 23) % 100:02}"},
    }
    two_hundred = {
        57: {"Order Date": f"12/25/{year}"},
        87: {"Region": "Overseas"},
        97: {"Unit Price": "€12.00"},
        157: {"Unit Price": "12.5O"},
        187: {"Status": "lost"},
    }
    return hundred.get(number % 100, {}) | two_hundred.get(number % 200, {})
