"""Polluted CSV files, made by code: one pollution each, with the truth beside it; always the same ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = list[str | None]
SEED = 20_261_121
DELIMITERS = (",", ";", "\t", "|", "^", "~", "||", "::", "\x1f", ":")


@dataclass(frozen=True)
class Table:
    """What a file says, before anything is wrong with it."""

    name: str
    header: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Polluted:
    """A file with one pollution.

    Attributes:
        kind: The pollution.
        name: The pollution with its variant.
        content: The file.
        header: Its true column names; none when nothing tells them.
        rows: Its true rows, null for an empty cell.
        damaged: Positions of rows that nobody can read for certain.
        told: How the file is written, for readers that must be told.
    """

    kind: str
    name: str
    content: bytes
    header: list[str]
    rows: list[Row]
    damaged: frozenset[int] = frozenset()
    told: dict[str, Any] = field(default_factory=dict)


def tables(rng: random.Random) -> list[Table]:
    """The tables that are polluted: numbers, dates, texts, letters beyond ASCII, empty cells."""
    return [_orders(rng), _measures(rng), _people(rng), _flats(rng), _events(rng)]


def _some(rng: random.Random, *choices: str | None) -> str | None:
    return rng.choice(choices)


def _day(rng: random.Random) -> str:
    return f"20{rng.randrange(10, 27)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"


def _orders(rng: random.Random) -> Table:
    rows: list[Row] = [
        [
            str(1000 + at),
            _day(rng),
            rng.choice(["Anna Berg", "Luc Martin", "Omar Diallo", "Mary O'Neil", "Wei Chen"]),
            _some(rng, "Paris", "Lyon", "Berlin", "New York"),
            f"{rng.randrange(1, 900)}.{rng.randrange(10, 99)}",
            _some(rng, None, "ok", "urgent, fragile", 'said "yes"', "see note", "2 boxes; 1 bag"),
        ]
        for at in range(rng.randrange(8, 16))
    ]
    return Table("orders", ["order_id", "order_date", "customer", "city", "amount", "note"], rows)


def _measures(rng: random.Random) -> Table:
    rows: list[Row] = [
        [
            f"S{rng.randrange(1, 5)}",
            f"{_day(rng)} {rng.randrange(24):02}:{rng.randrange(60):02}:00",
            f"{rng.randrange(-20, 40)}.{rng.randrange(1, 9)}",
            _some(rng, None, str(rng.randrange(100))),
        ]
        for _ in range(rng.randrange(8, 16))
    ]
    return Table("measures", ["station", "time", "temperature", "humidity"], rows)


def _people(rng: random.Random) -> Table:
    rows: list[Row] = [
        [
            str(at + 1),
            rng.choice(["Ann", "Bob", "Eve", "Zoe"]) + f" {chr(65 + at)}.",
            f"user{at}@example.org",
            f"https://example.org/u/{at}?a=1&b=2",
            str(rng.randrange(18, 90)),
        ]
        for at in range(rng.randrange(8, 14))
    ]
    return Table("people", ["id", "name", "email", "page", "age"], rows)


def _flats(rng: random.Random) -> Table:
    rows: list[Row] = [
        [
            rng.choice(["Appartement rénové", "Maison à Évry", "Studio près du métro", "Villa « Les Pins »"])
            + f" {at}",
            str(rng.randrange(50, 900) * 1000),
            str(rng.randrange(12, 240)),
            _some(rng, "oui", "non", None),
            rng.choice(["Orléans", "Nîmes", "Besançon", "Saint-Étienne"]),
        ]
        for at in range(rng.randrange(8, 14))
    ]
    return Table("flats", ["titre", "prix", "surface", "garage", "ville"], rows)


def _events(rng: random.Random) -> Table:
    rows: list[Row] = [
        [
            str(at),
            f"{rng.randrange(24)}:{rng.randrange(60):02}",
            rng.choice(['{"a": 1, "b": [2, 3]}', '{"kind": "click"}', "[]", '{"text": "x;y|z"}']),
            rng.choice([r"C:\data\in", "/var/log", "a|b", "x;y", "1,234", "line one\nline two"]),
            str(rng.randrange(1000)),
        ]
        for at in range(rng.randrange(8, 14))
    ]
    return Table("events", ["n", "at", "payload", "path", "size"], rows)


def write(
    header: Sequence[str] | None,
    rows: Sequence[Sequence[str | None]],
    delimiter: str = ",",
    *,
    quote: str = '"',
    escape: str = "",
    all_quoted: bool = False,
    end: str = "\n",
) -> list[str]:
    """The records of a file as text with their line ends: quoted where needed, or everywhere."""
    records = [list(header), *rows] if header is not None else list(rows)
    return [
        delimiter.join(_field(cell, delimiter, quote, escape, all_quoted) for cell in record) + end
        for record in records
    ]


def _field(cell: str | None, delimiter: str, quote: str, escape: str, all_quoted: bool) -> str:  # noqa: FBT001
    text = cell or ""
    special = (delimiter, "\n", "\r", quote) if quote else ()
    if not quote or not (all_quoted or any(mark in text for mark in special if mark)):
        return text
    held = text.replace(escape, escape * 2).replace(quote, escape + quote) if escape else text.replace(quote, quote * 2)
    return f"{quote}{held}{quote}"


def simple(table: Table, *banned: str) -> Table:
    """The table without the marks that a file without quotes cannot hold."""

    def cleaned(cell: str | None) -> str | None:
        for mark in (*banned, '"', "\n"):
            cell = cell.replace(mark, "-") if cell else cell
        return cell

    return Table(table.name, table.header, [[cleaned(cell) for cell in row] for row in table.rows])


Maker = Callable[[random.Random], Iterator[Polluted]]
MAKERS: list[Maker] = []


def maker(function: Maker) -> Maker:
    """Take part in the corpus."""
    MAKERS.append(function)
    return function


def corpus() -> list[Polluted]:
    """All files."""
    made = []
    for at, make in enumerate(MAKERS):
        made += list(make(random.Random(SEED + at)))
    return made


def _told(delimiter: str = ",", quote: str = '"', **more: Any) -> dict[str, Any]:
    return {"delim": delimiter, "quote": quote, "escape": quote, **more}


@maker
def delimiters(rng: random.Random) -> Iterator[Polluted]:
    """Each delimiter, values quoted where needed or everywhere."""
    for _ in range(2):
        for table in tables(rng):
            for mark in DELIMITERS:
                for all_quoted in (False, True):
                    content = "".join(write(table.header, table.rows, mark, all_quoted=all_quoted)).encode()
                    name = f"{table.name} {mark!r} {'all quoted' if all_quoted else 'quoted where needed'}"
                    yield Polluted("delimiter", name, content, table.header, table.rows, told=_told(mark))


@maker
def quotes(rng: random.Random) -> Iterator[Polluted]:
    """Single quotes, no quotes, backslashes before quotes."""
    for _ in range(2):
        for table in tables(rng):
            for mark in (",", ";", "\t", "|"):
                text = "".join(write(table.header, table.rows, mark, quote="'", all_quoted=True)).encode()
                yield Polluted(
                    "quote", f"{table.name} single {mark!r}", text, table.header, table.rows, told=_told(mark, "'")
                )
                text = "".join(write(table.header, table.rows, mark, escape="\\")).encode()
                told = {**_told(mark), "escape": "\\"}
                yield Polluted("escape", f"{table.name} {mark!r}", text, table.header, table.rows, told=told)
                bare = simple(table, mark, "'")
                text = "".join(write(bare.header, bare.rows, mark, quote="")).encode()
                yield Polluted(
                    "quote", f"{table.name} none {mark!r}", text, bare.header, bare.rows, told=_told(mark, "")
                )


@maker
def decimals(rng: random.Random) -> Iterator[Polluted]:
    """Numbers with a decimal comma."""
    for _ in range(4):
        for table in (_orders(rng), _measures(rng)):
            rows: list[Row] = [
                [cell.replace(".", ",") if cell and cell[-3:-1].find(".") >= 0 else cell for cell in row]
                for row in table.rows
            ]
            rows = [
                [
                    cell and (cell.replace(".", ",") if cell.replace(".", "").lstrip("-").isdigit() else cell)
                    for cell in row
                ]
                for row in rows
            ]
            for mark in (";", "\t", "|", ","):
                content = "".join(write(table.header, rows, mark)).encode()
                yield Polluted("decimal comma", f"{table.name} {mark!r}", content, table.header, rows, told=_told(mark))


@maker
def encodings(rng: random.Random) -> Iterator[Polluted]:
    """Encodings, with and without a byte order mark; code pages that nothing tells from others."""
    for _ in range(1):
        for table in tables(rng):
            for mark in (",", ";", "\t"):
                text = "".join(write(table.header, table.rows, mark))
                for encoding, bom in (
                    ("utf-8-sig", b""),
                    ("utf-16-le", b"\xff\xfe"),
                    ("utf-16-be", b"\xfe\xff"),
                    ("utf-16-le", b""),
                    ("utf-16-be", b""),
                    ("utf-32-le", b"\xff\xfe\0\0"),
                    ("cp1252", b""),
                    ("latin-1", b""),
                ):
                    told = _told(mark, encoding={"u": encoding[:6], "c": "latin-1", "l": "latin-1"}[encoding[0]])
                    told["encoding"] = told["encoding"].replace("utf-8-", "utf-8")
                    name = f"{table.name} {mark!r} {encoding} {'marked' if bom else ''}"
                    yield Polluted("encoding", name, bom + text.encode(encoding), table.header, table.rows, told=told)
    words = {
        "cp1250": ["Łódź", "Świętochłowice", "Gdańsk", "Żyrardów", "Kraków", "České Budějovice", "Plzeň"],
        "cp1251": ["Москва", "Казань", "Санкт-Петербург", "Уфа", "Томск", "Пермь", "Самара"],
        "cp1253": ["Αθήνα", "Πάτρα", "Βόλος", "Λάρισα", "Χανιά", "Ρόδος", "Κως"],
        "cp1254": ["İstanbul", "Eskişehir", "Muğla", "Beşiktaş", "Niğde", "Şişli", "Uşak"],
        "cp850": ["Orléans", "Nîmes", "Besançon", "Évry", "Saint-Étienne", "Mâcon", "Alès"],
        "mac-roman": ["Orléans", "Nîmes", "Besançon", "Évry", "Saint-Étienne", "Mâcon", "Alès"],
        "shift_jis": ["東京都", "大阪", "名古屋", "札幌", "神戸", "京都", "福岡"],
        "gb18030": ["北京", "上海", "广州", "深圳", "成都", "武汉", "西安"],
        "koi8-r": ["Москва", "Казань", "Санкт-Петербург", "Уфа", "Томск", "Пермь", "Самара"],
    }
    for encoding, cities in words.items():
        for mark in (",", ";"):
            rows: list[Row] = [[str(at), city, str(rng.randrange(10, 99))] for at, city in enumerate(cities)]
            content = "".join(write(["id", "city", "count"], rows, mark)).encode(encoding)
            told = _told(mark)
            yield Polluted("code page", f"{encoding} {mark!r}", content, ["id", "city", "count"], rows, told=told)


@maker
def line_ends(rng: random.Random) -> Iterator[Polluted]:
    """Line ends of each kind, mixed, doubled, and none at the end."""
    for _ in range(2):
        for table in tables(rng):
            for mark in (",", ";"):
                for name, ends in (
                    ("crlf", ["\r\n"]),
                    ("cr", ["\r"]),
                    ("lf and crlf", ["\n", "\r\n"]),
                    ("lf and cr", ["\n", "\r"]),
                    ("all three", ["\n", "\r\n", "\r"]),
                    ("cr cr lf", ["\r\r\n"]),
                ):
                    records = [record + rng.choice(ends) for record in write(table.header, table.rows, mark, end="")]
                    content = "".join(records).encode()
                    yield Polluted(
                        "line ends",
                        f"{table.name} {mark!r} {name}",
                        content,
                        table.header,
                        table.rows,
                        told=_told(mark),
                    )
                content = "".join(write(table.header, table.rows, mark)).rstrip("\n").encode()
                yield Polluted(
                    "line ends",
                    f"{table.name} {mark!r} none at the end",
                    content,
                    table.header,
                    table.rows,
                    told=_told(mark),
                )


PREAMBLES = {
    "title": ["Monthly report\n"],
    "title and blank": ["Monthly report\n", "\n"],
    "metadata": ["Source: the weather service\n", "Created: 2026-11-20\n", "\n"],
    "padded": ["Monthly report{pad}\n", "{blank}\n"],
    "quoted": ['"Monthly ""report"""\n', "\n"],
    "blank lines": ["\n", "\n"],
    "comment": ["# made by a machine\n"],
    "comments": ["# made by a machine\n", "# 2026-11-20\n", "#\n"],
    "long": [f"Line {at} of a long text about this file\n" for at in range(12)],
}


@maker
def preambles(rng: random.Random) -> Iterator[Polluted]:
    """Lines before the header."""
    for table in tables(rng):
        for mark in (",", ";", "\t"):
            for name, lines in PREAMBLES.items():
                more = mark * (len(table.header) - 1)
                before = "".join(line.format(pad=more, blank=more) if "{" in line else line for line in lines)
                content = (before + "".join(write(table.header, table.rows, mark))).encode()
                told = _told(mark, skip=len(lines))
                yield Polluted(
                    "preamble", f"{table.name} {mark!r} {name}", content, table.header, table.rows, told=told
                )


@maker
def footers(rng: random.Random) -> Iterator[Polluted]:
    """Lines behind the last row."""
    for table in tables(rng):
        for mark in (",", ";"):
            for footer in (
                "Total: 500\n",
                "\n(12 rows)\n",
                f"Total{mark}500\n",
                "-- end of report --\n",
                "\n\nprinted on 2026-11-20\n",
            ):
                content = ("".join(write(table.header, table.rows, mark)) + footer).encode()
                yield Polluted(
                    "footer", f"{table.name} {mark!r} {footer!r}", content, table.header, table.rows, told=_told(mark)
                )


@maker
def totals(rng: random.Random) -> Iterator[Polluted]:
    """A line of totals as wide as a row."""
    for table in tables(rng):
        for mark in (",", ";"):
            for word in ("Total", "TOTAL", "Grand total", "Sum"):
                footer = word + mark * (len(table.header) - 1) + "500\n"
                content = ("".join(write(table.header, table.rows, mark)) + footer).encode()
                yield Polluted(
                    "totals", f"{table.name} {mark!r} {word}", content, table.header, table.rows, told=_told(mark)
                )


@maker
def comments(rng: random.Random) -> Iterator[Polluted]:
    """Comments among the rows."""
    for table in tables(rng):
        for mark in (",", ";"):
            for prefix in ("#", "//"):
                for place in ("top", "middle", "end", "several"):
                    records = write(table.header, table.rows, mark)
                    at = {"top": 1, "middle": len(records) // 2, "end": len(records), "several": 2}[place]
                    records.insert(at, f"{prefix} a comment\n")
                    if place == "several":
                        records.insert(len(records) - 1, f"{prefix} another one\n")
                    content = "".join(records).encode()
                    told = _told(mark, comment=prefix) if len(prefix) == 1 else _told(mark)
                    yield Polluted(
                        "comment",
                        f"{table.name} {mark!r} {prefix} {place}",
                        content,
                        table.header,
                        table.rows,
                        told=told,
                    )


@maker
def headers(rng: random.Random) -> Iterator[Polluted]:
    """Headers: none, of several lines, with doubled or empty names, with spaces, in quotes, numbers as names."""
    for table in tables(rng):
        for mark in (",", ";", "\t"):
            body = "".join(write(None, table.rows, mark))
            base = (f"{table.name} {mark!r}", table.rows)

            def made(
                kind: str,
                header: str,
                names: list[str],
                skip: int = 0,
                *,
                body: str = body,
                base: Any = base,
                mark: str = mark,
            ) -> Polluted:
                told = _told(mark, skip=skip) if skip else _told(mark)
                return Polluted("header", f"{base[0]} {kind}", (header + body).encode(), names, base[1], told=told)

            names = table.header
            width = len(names)
            yield made("missing", "", [])
            yield made("doubled name", mark.join([names[1], *names[1:]]) + "\n", [])
            yield made("empty name", mark.join([*names[:2], "", *names[3:]]) + "\n", [])
            yield made("one name too few", mark.join(names[:-1]) + "\n", [])
            yield made("one name too many", mark.join([*names, "extra"]) + "\n", [])
            yield made("spaces", mark.join(f" {name} " for name in names) + "\n", names)
            yield made("quoted", mark.join(f'"{name}"' for name in names) + "\n", names)
            yield made("capitals", mark.join(name.upper() for name in names) + "\n", [name.upper() for name in names])
            units = [f"({name[:2]})" for name in names]
            joined = [f"{name} {unit}" for name, unit in zip(names, units, strict=True)]
            yield made("with units", f"{mark.join(names)}\n{mark.join(units)}\n", joined, 1)
            groups = ["A", *[""] * (width - 2), "B"]
            grouped = [" ".join(part for part in pair if part) for pair in zip(groups, names, strict=True)]
            yield made("groups", f"{mark.join(groups)}\n{mark.join(names)}\n", grouped, 1)
            broken = [f"{names[0]}\nx", *names[1:]]
            yield made("line end in a name", mark.join([f'"{broken[0]}"', *names[1:]]) + "\n", broken)
    years: list[Row] = [
        [land, *(str(rng.randrange(100, 999)) for _ in range(4))] for land in ("FR", "DE", "MA", "SN", "US")
    ]
    for mark in (",", ";"):
        names = ["country", "2019", "2020", "2021", "2022"]
        content = "".join(write(names, years, mark)).encode()
        yield Polluted("header", f"years {mark!r}", content, names, years, told=_told(mark))


@maker
def widths(rng: random.Random) -> Iterator[Polluted]:
    """Delimiters too many and too few, in one row or in all."""
    for table in tables(rng):
        for mark in (",", ";"):
            records = write(table.header, table.rows, mark)
            for at in sorted(rng.sample(range(len(table.rows)), 3)):
                line = records[at + 1].rstrip("\n")
                for name, changed in (
                    ("extra at the end", line + mark),
                    ("two extra at the end", line + mark * 2),
                    ("extra at the start", mark + line),
                    ("extra value", line + f"{mark}surplus"),
                    ("missing last", line.rpartition(mark)[0]),
                    ("missing first", line.partition(mark)[2]),
                    ("cut", line[: len(line) // 2]),
                    ("empty quoted at the end", line + mark + '""'),
                ):
                    text = "".join([*records[: at + 1], changed + "\n", *records[at + 2 :]])
                    told = _told(mark)
                    yield Polluted(
                        "width",
                        f"{table.name} {mark!r} {name} {at}",
                        text.encode(),
                        table.header,
                        table.rows,
                        frozenset({at}),
                        told,
                    )
            trailing = [record[:-1] + mark + "\n" for record in records]
            yield Polluted(
                "trailing",
                f"{table.name} {mark!r} all",
                "".join(trailing).encode(),
                table.header,
                table.rows,
                told=_told(mark),
            )
            rows_only = "".join([records[0], *trailing[1:]]).encode()
            yield Polluted(
                "trailing", f"{table.name} {mark!r} rows only", rows_only, table.header, table.rows, told=_told(mark)
            )


@maker
def damaged_quotes(rng: random.Random) -> Iterator[Polluted]:
    """A quote lost, added or doubled at each place of a row."""
    for table in tables(rng):
        for mark, all_quoted in ((",", False), (",", True), (";", False)):
            records = write(table.header, table.rows, mark, all_quoted=all_quoted)
            for at in sorted(rng.sample(range(len(table.rows)), 3)):
                line = records[at + 1]
                places = [place for place, char in enumerate(line) if char == '"']
                for place in rng.sample(places, min(4, len(places))):
                    changed = line[:place] + line[place + 1 :]
                    yield _damaged(table, records, at, changed, f"lost at {place} {mark!r} {all_quoted}", mark)
                for place in sorted(rng.sample(range(len(line)), min(6, len(line)))):
                    changed = line[:place] + '"' + line[place:]
                    yield _damaged(table, records, at, changed, f"added at {place} {mark!r} {all_quoted}", mark)


def _damaged(table: Table, records: list[str], at: int, changed: str, name: str, mark: str) -> Polluted:
    content = "".join([*records[: at + 1], changed, *records[at + 2 :]]).encode()
    return Polluted(
        "damaged quote",
        f"{table.name} row {at} {name}",
        content,
        table.header,
        table.rows,
        frozenset({at}),
        _told(mark),
    )


@maker
def spaces(rng: random.Random) -> Iterator[Polluted]:
    """Spaces around delimiters, which are part of values, and around quotes, which are not."""
    for table in tables(rng):
        for mark in (",", ";", "|"):
            bare = simple(table, mark)
            header = (mark + " ").join(table.header) + "\n"
            body = "".join(f"{mark} ".join(cell or "" for cell in row) + "\n" for row in bare.rows)
            spaced: list[Row] = [[row[0], *(f" {cell or ''}" for cell in row[1:])] for row in bare.rows]
            yield Polluted(
                "spaces",
                f"{table.name} {mark!r} after",
                (header + body).encode(),
                table.header,
                spaced,
                told=_told(mark),
            )
            quoted = [
                f"{mark} ".join(f'"{(cell or "").replace(chr(34), chr(34) * 2)}"' for cell in row) + "\n"
                for row in table.rows
            ]
            yield Polluted(
                "spaces",
                f"{table.name} {mark!r} before quotes",
                (header + "".join(quoted)).encode(),
                table.header,
                table.rows,
                told=_told(mark),
            )
            both = [
                f" {mark} ".join(f'"{(cell or "").replace(chr(34), chr(34) * 2)}"' for cell in row) + "\n"
                for row in table.rows
            ]
            yield Polluted(
                "spaces",
                f"{table.name} {mark!r} around quotes",
                (header + "".join(both)).encode(),
                table.header,
                table.rows,
                told=_told(mark),
            )


@maker
def blank_lines(rng: random.Random) -> Iterator[Polluted]:
    """Lines without anything, or with spaces."""
    for table in tables(rng):
        for mark in (",", ";"):
            for name, blank in (("one", "\n"), ("three", "\n\n\n"), ("spaces", "   \n")):
                for place in ("after the header", "middle", "end"):
                    records = write(table.header, table.rows, mark)
                    records.insert({"after the header": 1, "middle": 4, "end": len(records)}[place], blank)
                    content = "".join(records).encode()
                    yield Polluted(
                        "blank lines",
                        f"{table.name} {mark!r} {name} {place}",
                        content,
                        table.header,
                        table.rows,
                        told=_told(mark),
                    )
            doubled = "".join(record + "\n" for record in write(table.header, table.rows, mark)).encode()
            yield Polluted(
                "blank lines", f"{table.name} {mark!r} every other", doubled, table.header, table.rows, told=_told(mark)
            )


@maker
def joined(rng: random.Random) -> Iterator[Polluted]:
    """The header again among the rows; files joined; tables of another width below."""
    for table in tables(rng):
        for mark in (",", ";", "\t"):
            records = write(table.header, table.rows, mark)
            half = len(records) // 2
            again = "".join([*records[:half], records[0], *records[half:]]).encode()
            yield Polluted(
                "repeated header", f"{table.name} {mark!r}", again, table.header, table.rows, told=_told(mark)
            )
            twice = "".join(records).encode() + b"\xef\xbb\xbf" + "".join(records).encode()
            yield Polluted(
                "joined", f"{table.name} {mark!r} with mark", twice, table.header, table.rows * 2, told=_told(mark)
            )
            for blank in ("", "\n"):
                other = "".join(write(["k", "v"], [["a", "1"], ["b", "2"]], mark))
                text = ("".join(records) + blank + other).encode()
                yield Polluted(
                    "stacked", f"{table.name} {mark!r} {blank!r}", text, table.header, table.rows, told=_told(mark)
                )


@maker
def characters(rng: random.Random) -> Iterator[Polluted]:
    """Characters that other readers stumble over, in one cell."""
    kept = {
        "bell": "\x07",
        "escape": "\x1b[31m",
        "delete": "\x7f",
        "end of file": "\x1a",
        "form feed": "\x0c",
        "line separator": "\u2028",
        "next line": "\x85",
        "right to left": "\u202eعربي",
        "hebrew": "שלום",
        "combining": "e\u0301",
        "emoji": "👩‍👩‍👧",
        "zero width": "\u200b",
        "full width": "\uff21\uff22\uff23",
        "no-break space": "\xa0x\xa0",
        "beyond the plane": "\U0001d4b3",
    }
    lost = {
        "nul": b"\0",
        "bad byte": b"\xff",
        "cut letter": b"\xc3",
        "surrogate": b"\xed\xa0\x80",
        "overlong": b"\xc0\xaf",
    }
    for table in tables(rng):
        for mark in (",", ";"):
            for name, text in kept.items():
                at = rng.randrange(len(table.rows))
                rows = [list(row) for row in table.rows]
                rows[at][0] = f"{rows[at][0]}{text}"
                content = "".join(write(table.header, rows, mark)).encode()
                yield Polluted(
                    "character", f"{table.name} {mark!r} {name}", content, table.header, rows, told=_told(mark)
                )
            for name, raw in lost.items():
                at = rng.randrange(len(table.rows))
                records = [record.encode() for record in write(table.header, table.rows, mark)]
                records[at + 1] = records[at + 1].replace(mark.encode(), raw + mark.encode(), 1)
                yield Polluted(
                    "damaged text",
                    f"{table.name} {mark!r} {name}",
                    b"".join(records),
                    table.header,
                    table.rows,
                    frozenset({at}),
                    _told(mark),
                )
            rows = [list(row) for row in table.rows]
            rows[2][1] = f"{rows[2][1]}\ufffd"
            content = "".join(write(table.header, rows, mark)).encode()
            yield Polluted(
                "damaged text",
                f"{table.name} {mark!r} replaced",
                content,
                table.header,
                table.rows,
                frozenset({2}),
                _told(mark),
            )
            records_text = write(table.header, table.rows, mark)
            records_text[3] = records_text[3].replace(mark, "\r" + mark, 1)
            content = "".join(records_text).encode()
            yield Polluted(
                "damaged text",
                f"{table.name} {mark!r} carriage return",
                content,
                table.header,
                table.rows,
                frozenset({2}),
                _told(mark),
            )


@maker
def shapes(rng: random.Random) -> Iterator[Polluted]:
    """Very long fields, many columns, one column, one row, no row."""
    for mark in (",", ";", "\t", "|"):
        for size in (10_000, 140_000, 600_000):
            rows: list[Row] = [
                ["1", "x" * size, "a"],
                ["2", ("line, " * 9 + "\n") * (size // 60), "b"],
                ["3", "y", "c"],
            ]
            content = "".join(write(["id", "text", "end"], rows, mark)).encode()
            yield Polluted("shape", f"long {size} {mark!r}", content, ["id", "text", "end"], rows, told=_told(mark))
        for width in (50, 300, 1200):
            names = [f"c{at}" for at in range(width)]
            rows = [[str(rng.randrange(100)) for _ in names] for _ in range(4)]
            content = "".join(write(names, rows, mark)).encode()
            yield Polluted("shape", f"{width} columns {mark!r}", content, names, rows, told=_told(mark))
        for table in tables(rng):
            content = "".join(write(table.header, table.rows[:1], mark)).encode()
            yield Polluted(
                "shape", f"{table.name} one row {mark!r}", content, table.header, table.rows[:1], told=_told(mark)
            )
            content = "".join(write(table.header, [], mark)).encode()
            yield Polluted("shape", f"{table.name} no row {mark!r}", content, table.header, [], told=_told(mark))
    for table in tables(rng):
        for at, name in enumerate(table.header):
            one: list[Row] = [[row[at]] for row in table.rows if row[at]]
            content = "".join(write([name], one, "\x00")).encode()
            yield Polluted("one column", f"{table.name} {name}", content, [name], one, told=_told(","))


@maker
def lookalikes(rng: random.Random) -> Iterator[Polluted]:
    """Values that look like other dialects."""
    texts = {
        "commas": ["1,5", "2,75", "10,0", "3,25"],
        "lists": ["a,b,c", "d,e,f", "g,h,i"],
        "semicolons": ["a;b", "c;d", "e;f"],
        "bars": ["a|b", "c|d"],
        "tabs": ["a\tb", "c\td"],
        "times": ["10:20:30", "11:00:00", "23:59:59"],
        "thousands": ["1,234", "12,345,678", "999,999"],
        "apostrophes": ["O'Brien", "l'été", "d'Arc", "'tis", "rock 'n' roll"],
        "inches": ['5" pipe', '3" bolt', '10" x 2"'],
        "paths": ["C:\\dir\\", "D:\\x\\y", "\\\\host\\share"],
        "addresses": ["https://a.example/?x=1,2;3|4", "ftp://b.example/c:d"],
        "objects": ['{"a": [1, 2], "b": "x, y"}', '{"c": null}'],
        "formulas": ["=SUM(A1,B2)", "=1+1", "@cmd", "+1-1"],
        "hashes": ["#1", "#2 of 3", "no #"],
        "slashes": ["//host/x", "a//b"],
        "dashes": ["-- none", "-"],
        "line ends": ["a\nb", "c\r\nd", "e\nf\ng"],
    }
    for mark in (",", ";", "\t", "|"):
        for name, values in texts.items():
            for shape in range(3):
                rows: list[Row] = [[str(at), values[at % len(values)], str(rng.randrange(10, 99))] for at in range(9)]
                names = ["id", "value", "count"]
                if shape == 1:
                    rows = [[row[1], row[0]] for row in rows]
                    names = ["value", "id"]
                if shape == 2:
                    rows = [[*row, row[1]] for row in rows]
                    names = [*names, "other"]
                content = "".join(write(names, rows, mark)).encode()
                yield Polluted("lookalike", f"{name} {mark!r} {shape}", content, names, rows, told=_told(mark))
