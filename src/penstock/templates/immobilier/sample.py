"""Sample data of the template `immobilier`: four months of scraped listings, realistic and dirty.

Each month's file is written differently:

| file | between values | encoding | line ends | share of the rows |
| --- | --- | --- | --- | --- |
| `annonces-2025-09.csv` | `;` | UTF-8 with byte-order mark | LF | 40 % |
| `annonces-2025-10.csv` | `,` | Windows-1252 | CR LF | 25 % |
| `annonces-2025-11.csv.gz` | `;` | UTF-8, gzip | LF | 25 % |
| `annonces-2025-12.csv` | `,` | UTF-8 | LF | 10 % |

Dirty on purpose, one row in so many; which ones follows from the row's number:

| what | one in |
| --- | --- |
| listing repeated on the next line, spelled differently | 20 |
| last listing of a file repeated on the first line of the next file | one a file |
| `surface` empty | 50 |
| `surface` is 0 | 100 |
| `surface` is `nc` or `n.c.` | 100 |
| `surface` is too small to live in: 8 m² | 100 |
| `source` blank | 100 |
| `surface` in another unit: `85 pieds` | 200 |
| `prix` is `NC` or `Nous consulter` | 200 |
| `prix` empty | 200 |
| `prix` with a letter in it: `12O 000 €` | 200 |
| `prix` is the placeholder `1 €` | 200 |
| `titre` blank | 200 |
| `chambres` is 45 | 200 |
| `garage` is `peut-être` | 200 |

Clean but awkward: accents, `€`, `m²` and `œ`; ordinary, non-breaking and narrow spaces within numbers; decimal commas;
delimiters and doubled quotes in titles; `oui`, `Oui`, `NON`, `o`, `n`; empty `chambres`, `salles_bain` and booleans.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from penstock.templates.sampling import draw, line, pick, write_together

COLUMNS = ("titre", "prix", "surface", "chambres", "salles_bain", "source", "garage", "terrassse")
DEFAULT_ROWS = 4_000

NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
_REPEATED_EVERY = 20
_SMALLEST = 9


class _Month(NamedTuple):
    """One file: how it is written, and at which percent of the rows it ends."""

    name: str
    delimiter: str
    encoding: str
    line_end: str
    upto: int


_MONTHS = (
    _Month("annonces-2025-09.csv", ";", "utf-8-sig", "\n", 40),
    _Month("annonces-2025-10.csv", ",", "cp1252", "\r\n", 65),
    _Month("annonces-2025-11.csv.gz", ";", "utf-8", "\n", 90),
    _Month("annonces-2025-12.csv", ",", "utf-8", "\n", 100),
)

_CITIES = (
    ("Lyon", 5200),
    ("Nîmes", 2400),
    ("Besançon", 2300),
    ("Saint-Étienne", 1400),
    ("Paris, Sacré-Cœur", 10100),
    ("Orléans", 2700),
    ("Sète", 3300),
    ("Mâcon", 2000),
)
_KINDS = ("Appartement", "Maison", "Studio", "Loft", "Duplex")
_EXTRAS = ("", "", "", ' "coup de cœur"', "; vue dégagée", ", proche gare", " à rénover")
_SOURCES = ("SeLoger", "LeBonCoin", "PAP", "Bien'ici")
_SPACES = (" ", " ", NO_BREAK, NARROW_NO_BREAK)
_YES, _NO = ("oui", "oui", "Oui", "OUI", "o"), ("non", "non", "Non", "NON", "n")


def write_sample(raw: Path, rows: int = DEFAULT_ROWS) -> list[Path]:
    """Write the four files below `raw`, with `rows` rows in all; a file that would have no row is left out.

    The files appear under their names only when all are complete; files of these names are replaced.

    Raises:
        OSError: The files cannot be written.
    """
    ends = [0, *(rows * month.upto // 100 for month in _MONTHS)]
    contents = {
        raw / month.name: _content(month, range(first + 1, last + 1))
        for month, first, last in zip(_MONTHS, ends, ends[1:], strict=False)
        if last > first
    }
    return write_together(contents)


def _content(month: _Month, numbers: range) -> Iterator[bytes]:
    records = [COLUMNS, *(_record(number, first=number == numbers[0]) for number in numbers)]
    text = "".join(line(record, month.delimiter) + month.line_end for record in records)
    if month.encoding == "cp1252":
        text = text.replace(NARROW_NO_BREAK, NO_BREAK)  # Windows-1252 has no narrow one
    content = text.encode(month.encoding)
    yield gzip.compress(content, mtime=0) if month.name.endswith(".gz") else content


def _record(number: int, *, first: bool) -> tuple[str, ...]:
    """Write one row; one in twenty, and the first of a later file, is the listing of the row before."""
    repeated = number % _REPEATED_EVERY == _REPEATED_EVERY - 1 or (first and number > 1)
    listing = number - 1 if repeated else number
    city, by_area = pick(_CITIES, listing, 1)
    largest = 240 if draw(listing, 3) % 4 == 0 else 110
    tenths = 10 * (_SMALLEST + draw(listing, 2) % largest) + (5 if draw(listing, 4) % 4 == 0 else 0)
    price = tenths * (by_area + draw(listing, 5) % 1000) // 10 // 500 * 500
    cells = {
        "titre": f"{pick(_KINDS, listing, 6)} {city}{pick(_EXTRAS, listing, 7)} (réf. {listing:06})",
        "prix": _price(price, number),
        "surface": _surface(tenths, number),
        "chambres": "" if draw(listing, 8) % 30 == 0 else str(1 + tenths // 250),
        "salles_bain": "" if draw(listing, 9) % 15 == 0 else str(1 + tenths // 900),
        "source": _cased(pick(_SOURCES, listing, 10), number),
        "garage": _boolean(draw(listing, 11) % 3 == 0, number, 12),
        "terrassse": _boolean(draw(listing, 13) % 2 == 0, number, 14),
    }
    cells |= _dirt(number)
    return tuple(cells[column] for column in COLUMNS)


def _price(euros: int, number: int) -> str:
    space = pick(_SPACES, number, 20)
    grouped = f"{euros:,}".replace(",", space)
    spelled = (f"{grouped} €", f"{grouped} €", f"{grouped}{space}€", str(euros), f"{grouped} EUR", f"{grouped},00 €")
    return pick(spelled, number, 21)


def _surface(tenths: int, number: int) -> str:
    text = f"{tenths // 10}" if tenths % 10 == 0 else f"{tenths // 10},{tenths % 10}"
    return pick((f"{text} m²", f"{text} m²", f"{text}{NO_BREAK}m²", f"{text} m2", f"{text}m²", text), number, 22)


def _cased(text: str, number: int) -> str:
    return pick((text, text, text.lower(), text.upper(), f" {text} "), number, 23)


def _boolean(value: bool, number: int, salt: int) -> str:  # noqa: FBT001 - the value itself, not a switch
    return "" if draw(number, salt) % 40 == 0 else pick(_YES if value else _NO, number, salt + 100)


def _dirt(number: int) -> dict[str, str]:
    """Give the cells that are spoiled in this row; repeated rows and those before them never are."""
    hundred = {
        7: {"surface": ""},
        57: {"surface": ""},
        13: {"surface": pick(("0", "0 m²", "0,0 m²"), number, 30)},
        33: {"surface": pick(("nc", "NC", "n.c."), number, 31)},
        41: {"source": pick(("", " ", NO_BREAK), number, 32)},
        63: {"surface": "8 m²"},
    }
    two_hundred = {
        51: {"surface": f"{60 + draw(number, 33) % 90} pieds"},
        71: {"prix": pick(("NC", "Nous consulter", "nc"), number, 34)},
        77: {"prix": f"{10 + draw(number, 35) % 30}O 000 €"},
        91: {"prix": ""},
        117: {"titre": pick(("", "   ", NO_BREAK), number, 36)},
        131: {"prix": "1 €"},
        143: {"chambres": "45"},
        171: {"garage": "peut-être"},
    }
    return hundred.get(number % 100, {}) | two_hundred.get(number % 200, {})
