"""How readers do on polluted files: what they read right, refuse, flag, and get wrong in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

import duckdb

from penstock.errors import BadFileError
from penstock.formats import Dialect, Place, detect_dialect, read_carefully, scan
from penstock.formats.spill import Fate
from tests.formats.pollution import Polluted, Row

Verdict = Literal["perfect", "flagged", "refused", "wrong"]


@dataclass
class Outcome:
    """What a reader made of a file.

    Attributes:
        names: The columns' names.
        rows: The rows, null for an empty cell.
        flagged: Positions of rows with a warning.
        aside: The texts of records set aside, and of rows with a warning.
        refused: Why the file was refused; empty when it was read.
        lines: Number of records set aside.
    """

    names: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    flagged: set[int] = field(default_factory=set)
    aside: list[str] = field(default_factory=list)
    refused: str = ""
    by: str = ""


Reader = Callable[[Polluted, Path], Outcome]


class _Taken:
    """Keeps what the careful reader gives."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.places: list[Place] = []
        self.remarks: list[tuple[Fate, Place, str]] = []

    def keep(self, cells: Sequence[Any], place: Place) -> None:
        self.rows.append(list(cells))
        self.places.append(place)

    def remark(self, fate: Fate, place: Place, rule: str, reason: str, raw: str, column: str | None = None) -> None:
        del rule, reason, column
        self.remarks.append((fate, place, raw))


def ours(file: Polluted, path: Path) -> Outcome:
    """Penstock without any declaration: the engine where the file is proven plain, else the careful reader."""
    del file
    try:
        reading = detect_dialect(str(path), scan(str(path)))
    except BadFileError as error:
        return Outcome(refused=str(error))
    names = list(reading.names)
    if reading.proof.plain:
        outcome = through_engine(path, reading.dialect, len(names), parallel=reading.proof.parallel)
        outcome.names = names
        return outcome
    taken = _Taken()
    read_carefully(str(path), reading.dialect, len(names), taken, reading.names)
    warned = {place for fate, place, _ in taken.remarks if fate == "warned"}
    flagged = {at for at, place in enumerate(taken.places) if place in warned}
    return Outcome(names, taken.rows, flagged, [raw for _, _, raw in taken.remarks], by="careful")


def through_engine(path: Path, dialect: Dialect, width: int, *, parallel: bool) -> Outcome:
    """The records as the engine reads them."""
    columns = ", ".join(f"c{at}: 'VARCHAR'" for at in range(width))
    options = (
        f"auto_detect=false, header={str(dialect.header > 0).lower()}, skip={dialect.skip}, columns={{{columns}}}, "
        f"delim={_text(dialect.delimiter)}, quote={_text(dialect.quote)}, escape={_text(dialect.quote)}, nullstr='', "
        f"compression='none', encoding='utf-8', max_line_size=4000000, buffer_size=16000000, store_rejects=true, "
        f"parallel={str(parallel).lower()}"
    )
    return _queried(path, options, by="engine")


def sniffer(file: Polluted, path: Path) -> Outcome:
    """DuckDB's own sniffer."""
    del file
    return _queried(path, "all_varchar=true, store_rejects=true, nullstr=''")


def told(file: Polluted, path: Path) -> Outcome:
    """DuckDB, told how the file is written."""
    how = file.told
    options = ["all_varchar=true", "store_rejects=true", "nullstr=''", "header=true"]
    for key, value in how.items():
        options.append(f"{key}={value if isinstance(value, int) else _text(value)}")
    return _queried(path, ", ".join(options))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_CONNECTION = duckdb.connect(config={"threads": 1})


def _queried(path: Path, options: str, by: str = "") -> Outcome:
    try:
        found = _CONNECTION.execute(f"SELECT * FROM read_csv({_text(str(path))}, {options})")
        names = [column[0] for column in found.description or []]
        rows = [[cell if cell is None else str(cell) for cell in row] for row in found.fetchall()]
        aside = _CONNECTION.execute(
            "SELECT any_value(csv_line) FROM reject_errors GROUP BY line_byte_position"
        ).fetchall()
    except duckdb.Error as error:
        return Outcome(refused=str(error))
    finally:
        _CONNECTION.execute("DROP TABLE IF EXISTS reject_errors")
        _CONNECTION.execute("DROP TABLE IF EXISTS reject_scans")
    return Outcome(names, rows, aside=[str(raw) for (raw,) in aside], by=by)


@dataclass(frozen=True)
class Score:
    """How a reader did on one file.

    Attributes:
        verdict: `perfect`: all rows that can be read are right, damaged ones are right or flagged; `flagged`: what is
            not right was set aside or carries a warning; `refused`; `wrong`: something is wrong in silence.
        right: Cells that are right.
        wrong: Cells that are wrong or missing in silence.
        why: The first thing that is wrong.
    """

    verdict: Verdict
    right: int = 0
    wrong: int = 0
    why: str = ""


def score(file: Polluted, outcome: Outcome) -> Score:
    """Compare what a reader made of a file with the truth."""
    if outcome.refused:
        return Score("refused", why=outcome.refused)
    cells = sum(len(row) for row in file.rows)
    if [name.strip() for name in outcome.names] != file.header:
        return Score("wrong", 0, max(1, cells), f"columns {outcome.names}")
    rows = [tuple(cell or None for cell in row) for row in outcome.rows]
    truth = [tuple(cell or None for cell in row) for row in file.rows]
    matched_truth, matched_rows = _matched(truth, rows)
    surplus = [at for at in range(len(rows)) if at not in matched_rows]
    silent = [rows[at] for at in surplus if at not in outcome.flagged]
    missing = [at for at in range(len(truth)) if at not in matched_truth]
    texts = "\n".join(outcome.aside)
    lost = [truth[at] for at in missing if not _is_told_of(truth[at], texts, least=0 if at in file.damaged else 1 / 3)]
    right = len(matched_truth) * len(file.header)
    if silent or lost:
        why = f"wrong {silent[0]}" if silent else f"lost {lost[0]}"
        return Score("wrong", right, sum(map(len, silent)) or sum(map(len, lost)), why)
    fine = not surplus and set(missing) <= file.damaged
    surplus_ok = all(at in outcome.flagged for at in surplus) and len(surplus) <= len(file.damaged)
    return Score("perfect" if fine or (surplus_ok and set(missing) <= file.damaged) else "flagged", right)


def _matched(truth: list[tuple[str | None, ...]], rows: list[tuple[str | None, ...]]) -> tuple[set[int], set[int]]:
    if truth == rows:
        return set(range(len(truth))), set(range(len(rows)))
    blocks = SequenceMatcher(None, truth, rows, autojunk=False).get_matching_blocks()
    return (
        {block.a + at for block in blocks for at in range(block.size)},
        {block.b + at for block in blocks for at in range(block.size)},
    )


def _is_told_of(row: tuple[str | None, ...], texts: str, least: float) -> bool:
    """Whether what was set aside or flagged holds a row: a cell, and at least this share of its cells."""
    cells = [cell for cell in row if cell]
    found = sum(_plain(cell)[:6] in _plain(texts) for cell in cells)
    return found > 0 and found >= least * len(cells)


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isalnum() and char.isascii())
