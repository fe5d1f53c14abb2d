"""Deciding the types of a table's file columns: from the file itself, or from every value of the first one.

What is decided is kept with the file, line and value that decided it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TextIO

from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.staging.intake import Opened
from penstock.engines import PLACE, Engine, raw_column
from penstock.formats import INFERRED_TYPES, Inferred, deciding_values, infer_from_sample, narrowest
from penstock.formats.csv.lines import MAX_LINE_BYTES

NARROWEST = INFERRED_TYPES[0]
DECLARED = Inferred("VARCHAR", "read as text: a step declares its type", certain=True)
NO_VALUE = Inferred("VARCHAR", "no file has had a value yet; the first one decides", certain=True, empty=True)
SHOWN = 100
SAMPLE_RECORDS = 1_000
BATCH = 10_000


def first_guess(opened: Opened, declared: set[str], engine: Engine) -> SourceSchema:
    """Guess the columns' types from the first file's sample; columns without a value there are looked at in full.

    Args:
        opened: The file.
        declared: Columns, in lower case, whose text a step reads itself.
        engine: Looks at the file.
    """
    header, dialect = opened.header, opened.source.dialect
    if opened.types:
        return SourceSchema(dialect, dict(opened.types))
    guesses = infer_from_sample(header, islice(records(opened), SAMPLE_RECORDS), dialect.decimal)
    columns = {name: DECLARED if name.lower() in declared else guesses[name] for name in header}
    unknown = [name for name, guess in columns.items() if guess is None]
    looked_at = from_whole_file(dict.fromkeys(unknown, NARROWEST), opened, engine) if unknown else {}
    return SourceSchema(
        dialect, {name: _from(opened, guess or looked_at.get(name, NO_VALUE)) for name, guess in columns.items()}
    )


def extended(
    known: SourceSchema, opened: Opened, new: Iterable[str], declared: set[str], engine: Engine
) -> SourceSchema:
    """Add columns that a later file brings."""
    new = list(new)
    if opened.types:
        return known.with_columns({name: opened.types[name] for name in new})
    looked_at = dict.fromkeys((name for name in new if name.lower() not in declared), NARROWEST)
    found = from_whole_file(looked_at, opened, engine)
    return known.with_columns({name: found.get(name, _from(opened, DECLARED)) for name in new})


def widened(guess: SourceSchema, opened: Opened, engine: Engine) -> SourceSchema:
    """Decide the uncertain columns from the whole file, after it has refuted a guess."""
    guesses = {name: guess.columns[name].type for name in guess.uncertain()}
    return guess.with_columns(from_whole_file(guesses, opened, engine))


def first_values(known: SourceSchema, opened: Opened, names: Iterable[str], engine: Engine) -> SourceSchema:
    """Decide columns that no earlier file had a value for."""
    header = {name.lower(): name for name in opened.header}
    own = {name: header[name.lower()] for name in names}
    if opened.types:
        return known.with_columns({name: opened.types[found] for name, found in own.items()})
    decided = from_whole_file(dict.fromkeys(own.values(), NARROWEST), opened, engine)
    return known.with_columns({name: decided[found] for name, found in own.items()})


def from_whole_file(columns: Mapping[str, str], opened: Opened, engine: Engine) -> dict[str, Inferred]:
    """Decide columns from every value of a file; each comes with the narrowest type it may have."""
    positions = {opened.header.index(name): name for name in columns}
    if not positions:
        return {}
    kinds = {at: INFERRED_TYPES[INFERRED_TYPES.index(columns[name]) : -1] for at, name in positions.items()}
    found = engine.fits(opened.source, kinds)
    decided = {name: _from(opened, _decided(*found[at])) for at, name in positions.items()}
    return decided | _located(decided, opened)


def _decided(fits: dict[str, bool], example: str | None) -> Inferred:
    if len(fits) == len(INFERRED_TYPES) - 1 and all(fits.values()):  # only a column without a value fits every type
        return NO_VALUE
    return narrowest(fits, example)


def _from(opened: Opened, found: Inferred) -> Inferred:
    value = found.value if found.value is None or len(found.value) <= SHOWN else f"{found.value[: SHOWN - 1]}…"
    return replace(found, file=opened.delivered.key, value=value)


def _located(decided: dict[str, Inferred], opened: Opened) -> dict[str, Inferred]:
    """The same with the first line and value that made them so; as far as the file can be read for that."""
    types = {name: found.type for name, found in decided.items() if not found.empty}
    places: dict[str, tuple[int, str]] = {}
    if types:
        places = deciding_values(opened.header, records(opened), types, opened.source.dialect.decimal)
    return {
        name: _from(opened, replace(decided[name], line=line, value=value)) for name, (line, value) in places.items()
    }


def records(opened: Opened) -> Iterator[tuple[int, list[str | None]]]:
    """Every record of a file with its line."""
    if opened.source.typed:
        yield from _typed_records(opened)
        return
    dialect = opened.source.dialect
    nulls = {"", *dialect.nulls}
    with Path(opened.source.path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = _lines_of(file)
        for _ in range(dialect.skip):
            next(lines, None)
        reader = (
            csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote)
            if dialect.quote
            else csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
        )
        for _ in range(dialect.header):
            next(reader, None)
        line = reader.line_num + dialect.skip + 1
        with suppress(csv.Error):  # a field too long for the reader: what was seen so far has to do
            for record in reader:
                yield line, [None if cell in nulls else cell for cell in record]
                line = reader.line_num + dialect.skip + 1


def _lines_of(file: TextIO) -> Iterator[str]:
    """The lines of a file, up to one that is too long to be read."""
    while (line := file.readline(MAX_LINE_BYTES)) and (len(line) < MAX_LINE_BYTES or line.endswith("\n")):
        yield line


def _typed_records(opened: Opened) -> Iterator[tuple[int, list[str | None]]]:
    import pyarrow.parquet as pq

    names = [raw_column(at) for at in range(opened.source.width)]
    with pq.ParquetFile(opened.source.path) as file:
        for batch in file.iter_batches(BATCH, columns=[PLACE[0], *names]):
            lines, *columns = (column.to_pylist() for column in batch.columns)
            yield from zip(lines, map(list, zip(*columns, strict=True)), strict=True)
