"""What an engine does: the contract that DuckDB here and Spark later keep."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from penstock.formats import Dialect
from penstock.formats.csv.feed import Refused
from penstock.state.store import Column

FATE = "__penstock_fate"
"""Column of the SELECT that says what becomes of a row: null to keep it, or the number of the rule against it."""
SOURCE = "__penstock_source"
"""Name under which the SELECT finds the file's records, with `raw_column(0)`, `raw_column(1)`, ... as text."""
PLACE = ("__penstock_line", "__penstock_offset", "__penstock_length")
"""Columns of `SOURCE` with the record's line, byte offset and length, where the file was read record by record."""
ROW = "__penstock_row"
"""Column of the SELECT with the row as JSON, where a step made the row and no record stands for it; null elsewhere."""
ORDINAL = "__penstock_ordinal"
"""Column of `SOURCE` with the record's ordinal, from 1, where the engine was asked for it; null elsewhere."""


def flag_column(rule: int) -> str:
    """Column of the SELECT that is true for rows which a `warned` or `added` rule, by its number, speaks of."""
    return f"__penstock_w{rule}"


def raw_column(at: int) -> str:
    """Name of the file's column at position `at`, from 0, as the SELECT finds it; null where the field is empty."""
    return f"__penstock_r{at}"


@dataclass(frozen=True)
class Source:
    """A file as the engine reads it.

    Attributes:
        path: Absolute path without glob characters.
        dialect: How a CSV file is written; of no meaning for Parquet.
        width: Number of columns.
        kinds: DuckDB types of the columns of a Parquet file, in order; empty for CSV, whose cells are all text.
        scan: SELECT that gives the file's cells as `raw_column(0)` and so on with `PLACE`; empty where the file has
            columns of these names, or is CSV.
        rows: Records of the Parquet file, from its footer.
        parallel: Whether several threads may read a CSV file: it is proven that every line is a record of full width.
            Where a line break may stand in quotes or a record may be ragged, DuckDB's threads can lose or make up rows.
        fed: Whether a CSV file is fed to the engine in blocks that are proven on the way, by `formats.csv.feed`.
    """

    path: str
    dialect: Dialect
    width: int
    kinds: tuple[str, ...] = ()
    scan: str = ""
    rows: int = 0
    parallel: bool = False
    fed: bool = False

    @property
    def typed(self) -> bool:
        """Whether cells come with types, from Parquet."""
        return bool(self.kinds)


Fate = Literal["dropped", "quarantined", "halted", "warned", "added", "consumed"]


@dataclass(frozen=True)
class Rule:
    """A named reason for which a row is not kept, or is spoken of.

    Attributes:
        name: Name in the accounting, such as `require diagnostic`.
        fate: `dropped` (counted), `quarantined` (kept aside), `halted` (one such row refuses the whole file), `warned`
            (the row is kept, and spoken of), `added` (the row is one more than came in), `consumed` (a step made other
            rows of it).
        reason: What is wrong, for people; `{value}` stands for the value found.
        column: The column that is to blame, as the file calls it; None when no single one is.
        cell: The column's position in the file, from 0; None when it is not the file's.
    """

    name: str
    fate: Fate
    reason: str = ""
    column: str | None = None
    cell: int | None = None


@dataclass(frozen=True)
class Work:
    """One file's way to Parquet.

    Attributes:
        source: The file.
        select: SELECT over `SOURCE` that gives `columns` by name, `FATE`, the flags of rules that need one, and the
            file's own columns with `ORDINAL`, `PLACE` and `ROW`.
        columns: What is written, with field ids and stored types.
        rules: Meaning of the numbers in `FATE`.
        ordered: Whether the SELECT needs `ORDINAL`, which keeps the engine from reading in any order it likes.
    """

    source: Source
    select: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Rejected:
    """A record that could not be cut into fields.

    Attributes:
        offset: Byte at which it starts, from 0.
        kind: The engine's word for what is wrong.
        reason: What is wrong, for people.
        raw: The record as it stands in the file.
    """

    offset: int
    kind: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that a rule set aside.

    Attributes:
        ordinal: Its ordinal among the records that could be cut, from 1; 0 when it is not known.
        rule: The rule's number.
        cells: The record's fields, as text.
        line: Its first line, from 1, where the source says so.
        offset: Byte at which it starts, from 0, where the source says so; without a line, a byte shortly before.
        length: Its bytes, where the source says so.
        made: The row as JSON, where a step made it and no record stands for it.
    """

    ordinal: int | None
    rule: int
    cells: list[str | None]
    line: int | None = None
    offset: int | None = None
    length: int | None = None
    made: str | None = None


@dataclass(frozen=True)
class Written:
    """What became of a file's rows; `rows_in` is counted at the source, apart from the other figures.

    Attributes:
        rows_in: Records of the file, rejected ones included.
        rows_out: Rows written.
        by_rule: Rows that each of the work's rules set aside, in order.
        rejected: Records that could not be cut into fields.
        bytes: Size of the Parquet file.
        noted: The rows that rules sent to quarantine, without ordinals and in no order, noted while the file was
            written; None when there were too many to note. They are made anew whenever they are gone through.
        examples: Some of the rows that `warned` and `halted` rules speak of.
    """

    rows_in: int
    rows_out: int
    by_rule: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    bytes: int
    noted: Sequence[SetAside] | None = None
    examples: tuple[SetAside, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """A small CSV file, cut into records.

    Attributes:
        records: Arrow table of those that could be cut into fields, as `formats.csv.feed` gives them.
        refused: The others.
    """

    records: Any
    refused: tuple[Refused, ...]


class Batch(Protocol):
    """The rows of several small files, worked on and not yet written.

    Attributes:
        written: What became of each file's rows; of rows that are spoken of, only how many.
    """

    written: tuple[Written, ...]

    def select(self, without: Collection[int]) -> str:
        """SELECT, for `gather`, over the rows to keep, in the order of the files; some files, by number, left out."""

    def close(self) -> None:
        """Let go of the rows."""


class Engine(Protocol):
    """Runs SELECTs over files; keeps nothing between calls."""

    def describe(self, source: Source, select: str) -> list[tuple[str, str]]:
        """Names and types that `select` gives over `source`. Raises BadFileError when it is not valid for the file."""

    def fits(
        self, source: Source, columns: dict[int, tuple[str, ...]]
    ) -> dict[int, tuple[dict[str, bool], str | None]]:
        """For columns by position: which of the types hold every value of the file, and a value that fits none."""

    def write(self, work: Work, path: str) -> Written:
        """Stream what the work keeps into one Parquet file at `path`; memory does not grow with the file."""

    def batch(self, work: Work, files: Sequence[Parsed]) -> Batch:
        """Do the work, but for its source, on the records of several files."""

    def gather(self, select: str, columns: tuple[Column, ...], path: str, facts: Mapping[str, str]) -> int:
        """Write the rows of a SELECT over Parquet files to one, in order, with facts in its footer; gives their number.

        Memory does not grow with the rows.
        """

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small SELECT over Parquet files."""

    def set_aside(self, work: Work, rules: list[int]) -> Generator[SetAside]:
        """The rows that some of the work's rules set aside, in file order."""

    def close(self) -> None:
        """Let go of memory and temporary files."""
