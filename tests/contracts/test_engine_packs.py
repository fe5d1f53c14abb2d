"""The contract of `Engine` for rows of several files: batches, and files whose rows keep their order."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from penstock.engines import (
    FATE,
    ORDINAL,
    PLACE,
    ROW,
    SOURCE,
    Engine,
    Parsed,
    Rule,
    Source,
    Work,
    flag_column,
    raw_column,
)
from penstock.engines.packs import Packer
from penstock.errors import AccountingError, BadFileError
from penstock.formats import Dialect
from penstock.formats.csv.feed import Feed
from penstock.naming import TableName
from penstock.state import DataFile, Head
from penstock.state.store import Column
from penstock.storage import LocalZone
from penstock.tables import Carving
from tests.contracts.parquet import arrival, rows, write_file

COLUMNS = (Column(7, "a", "BIGINT"), Column(3, "b", "VARCHAR"))
RULES = (Rule("negative", "dropped"), Rule("zero", "quarantined"), Rule("long", "warned"))
BY_SIGN = (
    f"SELECT {', '.join([ORDINAL, *PLACE, ROW])}, {raw_column(0)}, {raw_column(1)}, "
    f"CAST({raw_column(0)} AS BIGINT) AS a, {raw_column(1)} AS b, "
    f"CASE WHEN CAST({raw_column(0)} AS BIGINT) < 0 THEN 0 WHEN CAST({raw_column(0)} AS BIGINT) = 0 THEN 1 END "
    f"AS {FATE}, length({raw_column(1)}) > 3 AS {flag_column(2)} FROM {SOURCE}"
)
T = TableName.parse("t")


def files(*contents: list[str]) -> list[Parsed]:
    """Small files of two columns, cut into records."""
    feeds = [Feed("\n".join(["x,y", *lines, ""]).encode(), Dialect(","), 2) for lines in contents]
    return [Parsed(feed.table(), tuple(feed.refused)) for feed in feeds]


def work(folder: Path) -> Work:
    """Work on files of two columns."""
    return Work(Source(str(folder / "any.csv"), Dialect(","), 2), BY_SIGN, COLUMNS, RULES)


def written(path: Path) -> list[tuple[object, ...]]:
    """Rows of a file, as they stand in it."""
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()


def test_a_batch_tells_files_apart(engine: Engine, tmp_path: Path) -> None:
    """What became of each file's rows is counted by file, files without rows included; rows set aside are noted."""
    lines: tuple[list[str], ...] = (["1,a", "-1,b", "0,c"], [], ["2,long"], ["-5,d", "-6,e", "7,f,g"])
    batch = engine.batch(work(tmp_path), files(*lines))
    found = [(one.rows_in, one.rows_out, one.by_rule, len(one.rejected)) for one in batch.written]
    assert found == [(3, 1, (1, 1, 0), 0), (0, 0, (0, 0, 0), 0), (1, 1, (0, 0, 1), 0), (3, 0, (2, 0, 0), 1)]
    assert [[(row.rule, row.cells) for row in one.noted or ()] for one in batch.written] == [
        [(1, ["0", "c"])],
        [],
        [],
        [],
    ]
    assert [(row.reason, row.raw) for row in batch.written[3].rejected] == [
        ("too many fields: 2 expected, 3 found", "7,f,g")
    ]
    batch.close()


def test_columns_may_have_any_name(engine: Engine, tmp_path: Path) -> None:
    """Columns called as what tells files apart are not mistaken for it."""
    odd = work(tmp_path)
    select = f'SELECT * RENAME (a AS "last", b AS "file") FROM ({odd.select})'
    columns = (Column(7, "last", "BIGINT"), Column(3, "file", "VARCHAR"))
    batch = engine.batch(Work(odd.source, select, columns, odd.rules), files(["1,a"], ["-1,b", "3,c"]))
    assert [one.rows_out for one in batch.written] == [1, 1]
    assert engine.gather(batch.select(set()), columns, str(tmp_path / "out.parquet"), {}) == 2
    batch.close()


def test_a_batch_gives_rows_in_order_without_some_files(engine: Engine, tmp_path: Path) -> None:
    """Rows to keep are given file by file, as they stand there; files left out give none."""
    lines = [f"{at + 1},x{at}" for at in range(3000)]
    batch = engine.batch(work(tmp_path), files(lines[:1000], lines[1000:1500], lines[1500:]))
    out = tmp_path / "out.parquet"
    assert engine.gather(batch.select({1}), COLUMNS, str(out), {"k": "it's"}) == 2500
    assert [row[0] for row in written(out)] == [*range(1, 1001), *range(1501, 3001)]
    assert pq.read_metadata(out).metadata[b"k"] == b"it's"
    assert [field.metadata[b"PARQUET:field_id"] for field in pq.read_schema(out)] == [b"7", b"3"]
    batch.close()


def test_a_failing_batch_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    """An expression that fails ends the batch with a clear error, and the next one works."""
    with pytest.raises(BadFileError):
        engine.batch(work(tmp_path), files(["1,a"], ["x,b"]))
    batch = engine.batch(work(tmp_path), files(["1,a"]))
    assert batch.written[0].rows_out == 1
    batch.close()


def head_of(*files: DataFile) -> Head:
    """A table of these files."""
    return Head(T, "p", None, None, COLUMNS, files)


def three(folder: Path) -> list[DataFile]:
    """Files of three arrivals, with 3, 1 and 2 rows."""
    sizes = {"a": 3, "b": 1, "c": 2}
    return [
        write_file(folder, arrival(key).stem("0" * 8), f"SELECT range AS a, '{key}' AS b FROM range({n})", COLUMNS)
        for key, n in sizes.items()
    ]


def test_packing_keeps_rows_and_whose_they_are(engine: Engine, tmp_path: Path) -> None:
    """A pack holds the rows of its files one after the other, and its footer says so."""
    files = three(tmp_path / "old")
    pack = Packer(engine, LocalZone(tmp_path)).pack(head_of(*files), files)
    assert rows(head_of(pack)) == rows(head_of(*files))
    assert [row[1] for row in written(Path(pack.path))] == ["a", "a", "a", "b", "c", "c"]
    assert [(member.arrival, member.rows) for member in pack.members] == [
        (arrival("a"), 3),
        (arrival("b"), 1),
        (arrival("c"), 2),
    ]
    footer = pq.read_metadata(pack.path).metadata[b"penstock.members"].decode()
    assert footer == pack.packed


def test_carving_takes_out_what_is_not_kept(engine: Engine, tmp_path: Path) -> None:
    """A carved pack has the other members' rows only, and can be carved again."""
    files = three(tmp_path / "old")
    packer = Packer(engine, LocalZone(tmp_path))
    pack = packer.pack(head_of(*files), files)
    (carved,) = packer.carve(head_of(pack), Carving(pack, (pack.members[0], pack.members[2])))
    assert [row[1] for row in written(Path(carved.path))] == ["a", "a", "a", "c", "c"]
    (last,) = packer.carve(head_of(carved), Carving(carved, (carved.members[1],)))
    assert written(Path(last.path)) == [(0, "c"), (1, "c")]
    assert [member.arrival for member in last.members] == [arrival("c")]


def test_hidden_rows_are_not_read(engine: Engine, tmp_path: Path) -> None:
    """A file with hidden members shows the rows of the others, under the table's names whatever these are."""
    files = three(tmp_path / "old")
    pack = Packer(engine, LocalZone(tmp_path)).pack(head_of(*files), files)
    shown = pack.hiding([pack.members[1]])
    assert shown.rows == 5
    columns = (Column(7, "file_row_number", "BIGINT"), Column(3, "b", "VARCHAR"))
    found = rows(Head(T, "p", None, None, columns, (shown,)))
    assert found == [(0, "a"), (0, "c"), (1, "a"), (1, "c"), (2, "a")]


def test_a_pack_with_other_rows_than_thought_is_not_published(engine: Engine, tmp_path: Path) -> None:
    """Where a file does not hold as many rows as the table thinks, nothing is published."""
    files = three(tmp_path / "old")
    wrong = DataFile(files[0].path, 4, files[0].bytes)
    with pytest.raises(AccountingError, match="7 rows were to be written anew, but 6 were written"):
        Packer(engine, LocalZone(tmp_path / "zone")).pack(head_of(wrong, *files[1:]), [wrong, *files[1:]])
    assert not list((tmp_path / "zone").rglob("*.parquet"))
