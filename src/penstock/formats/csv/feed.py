"""Feeding a large CSV file to the engine: blocks of whole records, each proven before it becomes rows.

The engine's own reader is quick, but wrong in silence where a file is not plain (see `proof`), and may not use several
threads where a quoted field holds a line end. So large files are cut into blocks here, and each block is parsed by
Arrow's reader, which takes every record on its own and hands over those of another width. What Arrow would pass over is
looked at before, by searches that run at memory speed: that quotes stand only around fields, that line ends are all of
one kind, that nothing but UTF-8 without oddities is there.

A quote is well placed when it opens a field at its start or closes one at its end, or is one of two that are one, as
text: so what stands before every first, third, fifth quote of a block, and behind every second, fourth, sixth, tells
whether all are. A block that ends within a quoted field has an odd number of quotes.

The file is read once. Whatever is doubtful anywhere in it ends the reading with `DamagedFileError`: the file is then
read record by record as a whole. What was read up to there is of no use.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from penstock.errors import DamagedFileError
from penstock.formats.csv.certain import arrow_integers, arrow_type, bytes_of, certain_values
from penstock.formats.csv.dialect import UTF8, Dialect
from penstock.formats.csv.fields import cut
from penstock.formats.csv.lines import MAX_LINE_BYTES, block_lines, byte_order_mark
from penstock.formats.csv.proof import FEWEST_TELLING, Patterns, record_end
from penstock.formats.csv.records import MAX_QUOTED_BYTES, MAX_QUOTED_LINES, Records, width_words
from penstock.formats.spill import CELL

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 20
ORDINAL = "__penstock_n"
NEAR = "__penstock_near"
STRIDE = 64
"""How many records are told the same byte that they stand behind."""
WORTH = 500
"""Records of a block from which on it is quicker to find out which of their values are certain than to read texts."""
_NOTHING: Mapping[str, tuple[int, str]] = MappingProxyType({})
_ODDITIES = ("\ufeff".encode(), "\ufffd".encode())


class Refused(NamedTuple):
    """A record that has not as many fields as the file has columns: its byte offset, why, and its text."""

    offset: int
    reason: str
    raw: str


class Feed:
    """The records of a file as text, on their way to the engine; for one reading.

    Attributes:
        rows: Records that were handed over so far.
        refused: Records that were not, in file order.
        error: What ended the reading early, since the engine only passes its words on.
    """

    def __init__(
        self,
        source: str | bytes,
        dialect: Dialect,
        width: int,
        *,
        ordered: bool = False,
        certain: Mapping[str, tuple[int, str]] = _NOTHING,
    ) -> None:
        """Read a file by its path, or its bytes.

        With the ordinal of each record, from 1, if it is to be `ordered`. With columns of `certain` values, which are
        given by their names: the positions of the cells and their types.
        """
        self.rows = 0
        self.refused: list[Refused] = []
        self.error: Exception | None = None
        self._source, self._dialect, self._width, self._ordered = source, dialect, width, ordered
        self._certain = certain
        self._quote, self._delimiter = dialect.quote.encode(), dialect.delimiter.encode()
        self._patterns = Patterns(dialect, width, pairs=False)
        self._end = b"\n"

    def stream(self) -> Any:
        """The records as an Arrow stream, which can be taken once.

        Its columns are `__penstock_r0` and so on, `NEAR` with a byte offset that is at most the record's own and close
        to it, `ORDINAL` if asked for, and the values that are certain.
        """
        import pyarrow as pa

        schema = self._schema()
        return pa.RecordBatchReader.from_batches(schema, self._kept(schema)).__arrow_c_stream__()

    def table(self) -> pa.Table:
        """The same at once, for a file that is small.

        Raises:
            DamagedFileError: Something in it is doubtful.
        """
        import pyarrow as pa

        schema = self._schema()
        return pa.Table.from_batches(list(self._kept(schema)), schema)

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        names = [f"{CELL}{at}" for at in range(self._width)]
        numbers = [NEAR, ORDINAL] if self._ordered else [NEAR]
        certain = [(name, arrow_type(kind)) for name, (_, kind) in self._certain.items()]
        return pa.schema(
            [*((name, pa.string()) for name in names), *((name, pa.int64()) for name in numbers), *certain]
        )

    def _kept(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """All batches; keeps the error that ends them."""
        try:
            with BytesIO(self._source) if isinstance(self._source, bytes) else Path(self._source).open("rb") as file:
                parser = _Parser(self._dialect, schema.names[: self._width])
                for offset, block, quotes in self._blocks(file):
                    self._prove(block, quotes)
                    near = offset
                    for batch in self._parsed(parser, block, offset):
                        numbered, near = self._numbered(batch, schema, near)
                        yield numbered
                        self.rows += batch.num_rows
        except Exception as error:
            self.error = error
            raise

    def _blocks(self, file: BinaryIO) -> Iterator[tuple[int, bytes, _Quotes]]:
        """Parts of the file that are whole records, with their offsets and where quotes stand in them."""
        offset = self._start(file)
        rest = b""
        while chunk := file.read(BLOCK_BYTES):
            whole = chunk.rfind(b"\n") + 1
            block = b"".join((rest, memoryview(chunk)[:whole])) if whole else b""
            quotes = _Quotes(block, self._quote)
            if quotes.count % 2:
                block = block[: record_end(block, self._quote)]
                quotes = _Quotes(block, self._quote)
            if block:
                yield offset, block, quotes
            elif len(rest) + len(chunk) > MAX_LINE_BYTES:
                raise DamagedFileError(f"the record at byte {offset} is longer than {MAX_LINE_BYTES:,} bytes")
            rest = chunk[len(block) - len(rest) :] if block else rest + chunk
            offset += len(block)
        if rest:
            last = rest + self._end
            yield offset, last, _Quotes(last, self._quote)

    def _start(self, file: BinaryIO) -> int:
        """Go to the first record behind the header; gives its offset."""
        mark, _ = byte_order_mark(file.read(4))
        file.seek(len(mark))
        for _ in range(self._dialect.skip):
            file.readline(MAX_LINE_BYTES)
        start = file.tell()
        first = file.readline(MAX_LINE_BYTES)
        self._end = b"\r\n" if first.endswith(b"\r\n") else b"\n"
        if not self._dialect.header:
            file.seek(start)
            return start
        found = cut(first.removesuffix(self._end).decode("utf-8", "replace"), self._dialect)
        if found.damage or found.stray or found.spaced or len(found.fields) != self._width:
            raise DamagedFileError("the header is not well formed")
        self._patterns = Patterns(self._dialect, self._width, pairs=self._end == b"\r\n")
        self._patterns.take_header(first if first.endswith(b"\n") else first + self._end)
        return file.tell()

    def _prove(self, block: bytes, quotes: _Quotes) -> None:
        """Make sure that Arrow reads a block exactly.

        Raises:
            DamagedFileError: It may not.
        """
        fine = self._quote + self._delimiter + b"\n" + self._end
        if quotes.count % 2 or quotes.before[::2].translate(None, fine) or quotes.behind[1::2].translate(None, fine):
            raise DamagedFileError("there is a quote within a field, or text behind a closing quote")
        if self._end != b"\n" or b"\r" in block:
            outside = b'"'.join(block.split(self._quote)[::2]) if self._quote else block
            pairs = outside.count(b"\n") if self._end != b"\n" else 0
            if outside.count(b"\r") != pairs or (pairs and outside.count(b"\r\n") != pairs):
                raise DamagedFileError("it mixes line ends of several kinds")
        if b"\0" in block or (not block.isascii() and not _is_ordinary(block)):
            raise DamagedFileError(
                "it holds bytes that are no UTF-8, NUL bytes, or characters that stand for lost ones"
            )
        if self._patterns.repeats_header(block):
            raise DamagedFileError("the header stands in it again")
        if len(block) > MAX_LINE_BYTES and max(map(len, block.split(b"\n"))) > MAX_LINE_BYTES:
            raise DamagedFileError(f"a line is longer than {MAX_LINE_BYTES:,} bytes")

    def _prove_lines(self, value: bytes) -> None:
        """Make sure that a value of several lines does not look like records that a stray quote has swallowed."""
        inner = value.split(b"\n")[1:-1]
        long = len(value) > MAX_QUOTED_BYTES // 2 or len(inner) > MAX_QUOTED_LINES // 2
        telling = self._width >= FEWEST_TELLING
        if long or (telling and any(line.count(self._delimiter) == self._width - 1 for line in inner)):
            raise DamagedFileError("a quoted value holds lines that look like records")

    def _parsed(self, parser: _Parser, block: bytes, offset: int) -> list[pa.RecordBatch]:
        """A block's records of the right width; the others are refused."""
        at = 0
        batches, ragged = parser.parse(block)
        quoted = [value for batch in batches for column in batch.columns for value in _of_several_lines(column)]
        quoted += [raw for text, _ in ragged if b"\n" in (raw := text.encode())]
        for value in quoted:
            self._prove_lines(value)
        several = b"\0".join(quoted)
        for text, width in ragged:
            raw = text.encode()
            at = _position(block, raw, at, self._quote, self._end, several)
            self.refused.append(Refused(offset + at, self._reason(raw, width), text))
            at += len(raw)
        return batches

    def _reason(self, raw: bytes, width: int) -> str:
        """Why a record is refused.

        Raises:
            DamagedFileError: It may be several records, one of which has a quote too many.
        """
        if b"\n" not in raw:
            return width_words(self._width, width)
        records = list(Records(block_lines(raw, UTF8, 0), self._dialect, self._width))
        if len(records) != 1 or not records[0].damage:
            raise DamagedFileError("a quoted value holds lines that look like records")
        return records[0].damage

    def _numbered(self, batch: pa.RecordBatch, schema: pa.Schema, offset: int) -> tuple[pa.RecordBatch, int]:
        """Add the columns that say where a record stands and what is certain; gives what the next is at or behind."""
        import pyarrow as pa

        count, width = batch.num_rows, self._width
        ends = [_ends(column) for column in batch.columns]  # of the texts before a record, each with a byte behind it
        start = offset - sum(end[0] for end in ends)
        some = (end[:count:STRIDE] for end in ends)
        least = zip(range(start, start + count * width, STRIDE * width), *some, strict=True)
        near = arrow_integers(array("q", map(sum, least))).take(_integers(count, STRIDE))
        ordinals = [arrow_integers(array("q", range(self.rows + 1, self.rows + count + 1)))] if self._ordered else []
        certain = [
            certain_values(batch.column(at), kind) if count >= WORTH else pa.nulls(count, arrow_type(kind))
            for at, kind in self._certain.values()
        ]
        numbered = pa.RecordBatch.from_arrays([*batch.columns, near, *ordinals, *certain], schema=schema)
        return numbered, start + count * width + sum(end[count] for end in ends)


class _Parser:
    """Arrow's reader, set to take records exactly as they stand."""

    def __init__(self, dialect: Dialect, names: list[str]) -> None:
        import pyarrow as pa
        from pyarrow import csv

        ragged: list[tuple[str, int]] = []

        def refuse(row: Any) -> str:  # must not know the parser: the library's options hide what they hold from Python,
            ragged.append((row.text, row.actual_columns))  # so that a circle through them would never be freed
            return "skip"

        self._ragged, self._names = ragged, names
        self._parsing = csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=True,
            ignore_empty_lines=len(names) > 1,
            invalid_row_handler=refuse,
        )
        self._converting = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=["", *dialect.nulls],
            check_utf8=False,
        )

    def parse(self, block: bytes) -> tuple[list[pa.RecordBatch], list[tuple[str, int]]]:
        """The records of a block; and the text and the number of fields of those that are ragged."""
        import pyarrow as pa
        from pyarrow import csv

        self._ragged.clear()
        reading = csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self._names)
        found = csv.read_csv(pa.BufferReader(block), reading, self._parsing, self._converting)
        return found.to_batches(), list(self._ragged)


def _of_several_lines(texts: pa.Array) -> list[bytes]:
    """The texts that hold a line end."""
    import pyarrow.compute as pc

    if b"\n" not in bytes_of(texts):
        return []
    return [text.encode() for text in texts.filter(pc.match_substring(texts, "\n")).to_pylist()]


def _ends(texts: pa.Array) -> memoryview:
    """Where texts end in the memory that they share, behind where the first one starts."""
    return memoryview(texts.buffers()[1]).cast("i")[texts.offset :]


def _integers(count: int, times: int) -> pa.Array:
    """The integers from 0, each so many times, up to a count of them all."""
    return _more_integers(1 << count.bit_length(), times)[:count]


@lru_cache(maxsize=4)
def _more_integers(count: int, times: int) -> pa.Array:
    return arrow_integers(array("q", [at // times for at in range(count)]))


def _is_ordinary(block: bytes) -> bool:
    """Whether a block is UTF-8 throughout, and holds no byte order mark and no U+FFFD."""
    import pyarrow as pa

    if b"\xef" in block and any(oddity in block for oddity in _ODDITIES):
        return False
    ends = pa.py_buffer(array("q", (0, len(block))))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(block)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


class _Quotes:
    """What stands beside the quotes of a block of whole records.

    Attributes:
        count: How many quotes there are.
        before: The byte before each; a line end stands for none.
        behind: The byte behind each.
    """

    def __init__(self, block: bytes, quote: bytes) -> None:
        self.count, self.before, self.behind = 0, b"", b""
        if not quote or not block:
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        held = pa.Array.from_buffers(pa.uint8(), len(block), [None, pa.py_buffer(block)])
        marks = pc.equal(held, _all_bytes()[quote[0]])
        first = b"\n" if block.startswith(quote) else b""
        self.before = first + _bytes(held[:-1].filter(marks[1:]))
        self.behind = _bytes(held[1:].filter(marks[:-1]))
        self.count = len(self.before)


@lru_cache(maxsize=1)
def _all_bytes() -> pa.Array:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.uint8(), 256, [None, pa.py_buffer(bytes(range(256)))])


def _bytes(values: pa.Array) -> bytes:
    return memoryview(values.buffers()[1])[: len(values)].tobytes()


def _position(block: bytes, raw: bytes, start: int, quote: bytes, end: bytes, quoted: bytes) -> int:
    """Where a record stands in a block, at `start`, which is outside quotes, or behind it.

    Quotes need only be counted for a text that stands in what is `quoted`, too.
    """
    at, counted, inside = start, start, 0
    doubtful = raw in quoted
    while (at := block.find(raw, at)) >= 0:
        if doubtful:
            inside += block.count(quote, counted, at) if quote else 0
            counted = at
        if inside % 2 == 0 and (not at or block[at - 1] == ord("\n")) and block.startswith(end, at + len(raw)):
            return at
        at += 1
    raise DamagedFileError("a record that was refused cannot be found again")
