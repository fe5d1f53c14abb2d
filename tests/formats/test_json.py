"""JSON files: every layout, every value exactly, and what is damaged set aside."""

from __future__ import annotations

import io
import json
import re
import tempfile
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadFileError, FileChangedError
from penstock.formats.intake import Intake
from penstock.formats.json.records import read_json


def taken(text: str | bytes, **options: Any) -> tuple[Intake, list[list[Any]], list[dict[str, Any]]]:
    """Read a file: what is known of it, its rows with their lines, and the remarks."""
    data = text.encode() if isinstance(text, str) else text
    with tempfile.TemporaryDirectory() as folder:
        intake = read_json(lambda: io.BytesIO(data), Path(folder), "x", **options)
        rows = pq.read_table(intake.spilled.path).to_pylist()
        remarks = pq.read_table(intake.spilled.remarks).to_pylist()
    assert intake.spilled.rows == len(rows)
    assert intake.spilled.quarantined + intake.spilled.warned == len(remarks)
    if data[:1] in {b"{", b"["}:
        for row in rows:
            start = row["__penstock_offset"]
            assert data[start : start + 1] == b"{"
            assert data[start + row["__penstock_length"] - 1 :][:1] == b"}"
            assert data.count(b"\n", 0, start) + 1 == row["__penstock_line"]
    return intake, [[*list(row.values())[:-3], row["__penstock_line"]] for row in rows], remarks


def column(text: str | bytes, **options: Any) -> tuple[str, list[Any]]:
    """Type and values of a file's only column."""
    intake, rows, remarks = taken(text, **options)
    assert not remarks
    (kind,) = intake.types
    return kind, [row[0] for row in rows]


LAYOUTS = [
    '{"a":1,"b":"x"}\n{"b":"é","a":2}\n',
    '{"a":1,"b":"x"}\r\n\r\n{"b":"é","a":2}',
    '{"a":1,"b":"x"}{"b":"é","a":2}',
    '{\n "a":1,\n "b":"x"\n}\n{"b":"é",\n"a":2}',
    '[{"a":1,"b":"x"},{"b":"é","a":2}]',
    ' [\n  {\n   "a" : 1,\n   "b":"x"\n  },\n  {"b":"\\u00e9","a":2}\n]\n',
]


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_layouts_and_encodings(text: str, encoding: str) -> None:
    """A list, one object a line, objects one after the other: the same rows, in every encoding that marks itself."""
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    intake, rows, remarks = taken(mark + text.encode(encoding))
    assert (intake.header, intake.types) == (("a", "b"), ("BIGINT", "VARCHAR"))
    assert ([row[:2] for row in rows], remarks) == ([[1, "x"], [2, "é"]], [])


def test_places_are_bytes_of_the_file() -> None:
    """Line, byte offset and length say where a record stands, whatever the encoding."""
    text = '{"a":"é"}\n{"a":"日本"}\n'
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        data = text.encode(encoding)
        with tempfile.TemporaryDirectory() as folder:
            intake = read_json(lambda data=data: io.BytesIO(data), Path(folder), "x")  # type: ignore[misc]
            last = pq.read_table(intake.spilled.path).to_pylist()[1]
        codec = encoding.replace("-sig", "") + ("" if encoding == "utf-8-sig" else "-le")
        cut = data[last["__penstock_offset"] :][: last["__penstock_length"]]
        assert (cut.decode(codec), last["__penstock_line"]) == ('{"a":"日本"}', 2)


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        ("1 2 null", "BIGINT", [1, 2, None]),
        ("true false", "BOOLEAN", [True, False]),
        ("1 2.5 1e3", "DOUBLE", [1.0, 2.5, 1000.0]),
        ('"1" "2024-01-05" "\\u0000"', "VARCHAR", ["1", "2024-01-05", "\0"]),
        ("null", "VARCHAR", [None]),
        ("9223372036854775808 1", "DECIMAL(38,0)", [Decimal(2**63), Decimal(1)]),
        (f"{10**38} 1", "VARCHAR", [str(10**38), "1"]),
        ("0.12345678901234567891 7", "DECIMAL(38,20)", [Decimal("0.12345678901234567891"), Decimal(7)]),
        ("9007199254740993 0.5", "DECIMAL(38,1)", [Decimal(2**53 + 1), Decimal("0.5")]),
        ("9007199254740992 0.5", "DOUBLE", [2.0**53, 0.5]),
        ("1e400 1.10", "VARCHAR", ["1e400", "1.10"]),
        ("1e99999999999999999999 1", "VARCHAR", ["1e99999999999999999999", "1"]),
        ('1 "x" 1.10 true [1,{"b":null}] {}', "VARCHAR", ["1", "x", "1.10", "true", '[1,{"b":null}]', "{}"]),
        ('{"x":1} null {"y":[1.5,2]}', "STRUCT(x BIGINT, y DOUBLE[])",
            [{"x": 1, "y": None}, None, {"x": None, "y": [1.5, 2.0]}]),
        ("[] [null,[1]] [[]]", "BIGINT[][]", [[], [None, [1]], [[]]]),
        ("[] [null]", "VARCHAR[]", [[], [None]]),
        ("{} null", "VARCHAR", ["{}", None]),
        ('{"x":{}} {"x":null}', "STRUCT(x VARCHAR)", [{"x": "{}"}, {"x": None}]),
        ('[{"b c":1},{"D":true}]', 'STRUCT("b c" BIGINT, D BOOLEAN)[]',
            [[{"b c": 1, "D": None}, {"b c": None, "D": True}]]),
    ],
)  # fmt: skip
def test_types_come_from_all_values(values: str, kind: str, cells: list[Any]) -> None:
    """JSON's own types over the whole file; no digit is lost, and texts stay texts."""
    decoder, at, found = json.JSONDecoder(parse_float=str, parse_constant=str), 0, []
    while at < len(values):
        start = at
        _, at = decoder.raw_decode(values, at)
        found.append(f'{{"a":{values[start:at]}}}')
        at += 1
    assert column("\n".join(found)) == (kind, cells)
    assert column(f"[{','.join(found)}]") == (kind, cells)


def test_reasons_name_the_lines_that_decide() -> None:
    """A mixed column says which two lines disagree, with their values."""
    (why,) = taken('{"a":1}\n{"a":2}\n{"a":"x"}\n')[0].reasons
    assert why.reason == 'line 1 holds an integer (1), line 3 text ("x"): kept as text'
    assert (why.line, why.value) == (3, '"x"')
    (why,) = taken('{"a":1}\n{"a":9223372036854775808}\n')[0].reasons
    assert (why.line, why.value) == (2, "9223372036854775808")


def test_columns_stand_in_order_of_appearance() -> None:
    """Keys that come later are columns too; rows without them are null."""
    intake, rows, _ = taken('{"b":1}\n{"a":2,"b":3}\n{}\n')
    assert intake.header == ("b", "a")
    assert rows == [[1, None, 1], [3, 2, 2], [None, None, 3]]


DAMAGES = [
    ('{"a":2,,}', "expecting property name enclosed in double quotes"),
    ('{"a":"x}', "string starting|control character"),
    ('{"a":', "expecting value"),
    ('{"a":2', "expecting"),
    ('{"a":NaN}', "NaN is no value of JSON"),
    ('{"a":-Infinity}', "-Infinity is no value of JSON"),
    ('{"a":1,"a":2}', 'the key "a" stands twice in one object'),
    ('{"a":1,"A":2}', 'the keys "a" and "A" differ only by case'),
    ('{"A":1}', 'the key "A" differs from "a" of line \\d only by case'),
    ('{"s":{"z":1,"Z":2}}', 'the keys "z" and "Z" differ only by case'),
    ('{"":1}', "a key is empty"),
    ('{"__Penstock_x":1}', 'the key "__Penstock_x" is taken by the system'),
    ('{"a":"\\ud800"}', "half of a surrogate pair"),
    ('{"a":' + "[" * 60 + "]" * 60 + "}", "nested deeper than 50 levels"),
    ('{"a":' + "[" * 5000 + "]" * 5000 + "}", "nested deeper than 50 levels"),
    ('{"a":' + "9" * 5000 + "}", "a number has more than 4,300 digits"),
    ("7", "expected an object, found a number"),
    ('"x"', "expected an object, found text"),
    ("[1]", "expected an object, found a list"),
    ("null", "expected an object, found null"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_damaged_lines_are_set_aside(damage: str, reason: str) -> None:
    """Of a file with one object a line, a damaged line is kept in quarantine and the others are rows."""
    text = f'{{"a":1}}\n{damage}\n{{"a":3}}\n'
    _, rows, (remark,) = taken(text)
    assert rows == [[1, 1], [3, 3]]
    assert (remark["line"], remark["byte_offset"], remark["raw"]) == (2, 8, damage)
    assert (remark["rule"], remark["fate"]) == ("malformed", "quarantined")
    assert re.search(reason, remark["reason"])


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
@pytest.mark.parametrize("layout", ["[\n  {},\n  {},\n  {}\n]", "[{},\n {},\n {}]", "[\n{}\n,{}\n,{}\n]"])
def test_damaged_elements_are_set_aside(damage: str, reason: str, layout: str) -> None:
    """In a list with a line for each object the same holds."""
    text = layout.replace("{}", "%s") % ('{"a":1}', damage, '{"a":3}')
    _, rows, (remark,) = taken(text)
    assert [row[0] for row in rows] == [1, 3]
    assert remark["raw"] == damage
    assert re.search(reason, remark["reason"])


BALANCED = [damage for damage in DAMAGES if damage[0] not in {'{"a":"x}', '{"a":', '{"a":2'}]


@pytest.mark.parametrize(("damage", "reason"), BALANCED)
def test_damaged_elements_within_a_line(damage: str, reason: str) -> None:
    """In a list on one line, a damaged object is set aside where its own brackets and quotes close."""
    _, rows, (remark,) = taken(f'[{{"a":1}}, {damage} ,{{"a":3}}]')
    assert [row[0] for row in rows] == [1, 3]
    assert remark["raw"] == damage
    assert re.search(reason, remark["reason"])


def test_damage_without_an_end_refuses_the_file() -> None:
    """Where the next object starts cannot be told, nothing is guessed: line and column are named."""
    with pytest.raises(BadFileError, match=r"line 1, column 21: expecting ',' delimiter; where the next object starts"):
        taken('[{"a":1},{"a":"x},{"a":"y"},{"a":4}]')


def test_indented_objects_are_delimited_by_their_layout() -> None:
    """An object over several lines ends where the next line that is indented like it opens one."""
    records = [{"a": at, "l": [{"a": 7}, {"a": 8}]} for at in range(3)]
    text = json.dumps(records, indent=2).replace('"a": 1,', '"a": "1,')
    _, rows, (remark,) = taken(text)
    assert [row[0] for row in rows] == [0, 2]
    assert remark["raw"].startswith('{\n    "a": "1,')
    assert remark["raw"].endswith("]\n  }")
    text = "\n".join(json.dumps(record, indent=2) for record in records).replace('"a": 1,', '"a": "1,')
    _, rows, (remark,) = taken(text)
    assert [row[0] for row in rows] == [0, 2]


@pytest.mark.parametrize(
    ("text", "rows", "fate", "reason"),
    [
        ('[{"a":1},{"a":2}', [1, 2], "warned", "the list does not end: the file may be cut off"),
        ('[{"a":1},{"a":', [1], "quarantined", "the file ends within this record"),
        ('[\n{"a":1},\n{"a":"x', [1], "quarantined", "the file ends within this record"),
        ('{"a":1}\n{"a":"x', [1], "quarantined", "unterminated string"),
        ('[{"a":1},{"a":2},]', [1, 2], "warned", "a comma before the end of the list"),
        ('[{"a":1}\n{"a":2}]', [1, 2], "warned", "line 2, column 1: a comma is missing before the next object"),
    ],
)
def test_files_that_are_cut_off_or_careless(text: str, rows: list[int], fate: str, reason: str) -> None:
    """What can be read is, and what is odd is said."""
    _, found, (remark,) = taken(text)
    assert ([row[0] for row in found], remark["fate"]) == (rows, fate)
    assert reason in remark["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\xef\xbb\xbf"[:2], "the file is empty"),
        (b"a,b\n1,2\n", "expected a list or an object, found a"),
        (b"<html>", "expected a list or an object, found <"),
        (b"1\n2\n", "expected a list or an object, found 1"),
        (b'{\0"\0', "NUL bytes"),
        (b'\xff\xfe{\x00"\x00\x00\xd8"\x00', "is not UTF-16-LE"),
        (b'[{"a":1}] x', "line 1, column 11: more text after the end of the list"),
        (b"[", "the list does not end"),
    ],
)
def test_what_is_no_json_is_refused(text: bytes, message: str) -> None:
    """Files without a sound beginning become dead letters, not rows."""
    with pytest.raises(BadFileError, match=message) as caught:
        taken(text)
    assert caught.value.hint


def test_bytes_that_are_no_text() -> None:
    """A record in another encoding is set aside with its bytes; the others are read."""
    _, rows, (remark,) = taken(b'{"a":"caf\xe9"}\n{"a":"ok"}\n')
    assert rows == [["ok", 2]]
    assert (remark["raw"], remark["reason"]) == ('{"a":"caf\\xe9"}', "byte 0xe9 is not UTF-8")


def test_lists_within_an_object() -> None:
    """`records` leads to the rows; what stands beside them is named."""
    text = '{"meta":{"n":2},"result":{"items":[{"a":1},{"a":2}],"next":null}}'
    intake, rows, _ = taken(text, records="result.items")
    assert rows == [[1, 1], [2, 1]]
    assert intake.notes == (
        'beside "result.items" there is "next", which is not read',
        'beside "result" there is "meta", which is not read',
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"itms":[]}', 'the file has no key "items"; did you mean "itms"'),
        ('{"items":{}}', "line 1, column 10: items is not a list"),
        ("[]", "line 1, column 1: the file is not an object"),
        ('{"items":[],"items":[]}', 'the key "items" stands twice'),
        ('{"items":[] "x":1}', "expecting ',' delimiter"),
        ('{"items":[]', "expecting ',' delimiter"),
        ('{"items":[]} {}', "more text after the end of the object"),
    ],
)
def test_lists_within_an_object_must_be_there(text: str, message: str) -> None:
    """A path that leads nowhere is an error that says what is there."""
    with pytest.raises(BadFileError, match=message):
        taken(text, records="items")


def test_one_object_is_one_row_with_a_hint() -> None:
    """An object with a list of objects may be meant otherwise: people are told how to say so."""
    intake, rows, _ = taken('{"data":[{"a":1},{"a":2}]}')
    assert rows == [[[{"a": 1}, {"a": 2}], 1]]
    assert "`json: {records: data}`" in intake.notes[0]


def test_nested_objects_are_flattened_on_request() -> None:
    """Fields of objects become columns, lists stay; mixed values stay together as text."""
    text = '{"a":{"b":1,"c":{"d":"x"}},"l":[{"y":1}],"m":{"x":1}}\n{"a":null,"m":5}\n{"a":{}}\n'
    intake, rows, _ = taken(text, flatten=True)
    assert intake.header == ("a_b", "a_c_d", "l", "m")
    assert intake.types == ("BIGINT", "VARCHAR", "STRUCT(y BIGINT)[]", "VARCHAR")
    assert rows[0] == [1, "x", [{"y": 1}], '{"x":1}', 1]
    assert rows[1:] == [[None, None, None, "5", 2], [None, None, None, None, 3]]
    with pytest.raises(BadFileError, match=r'"a.b" and "a_b" would both become the column "a_b"'):
        taken('{"a":{"b":1}}\n{"a_b":2}', flatten=True)
    later, rows, _ = taken('{"a":null,"l":null}', flatten=True, known={"a_b": "BIGINT", "l": "BIGINT[]"})
    assert (later.header, later.types, rows) == (("l",), ("BIGINT[]",), [[None, 1]])


@pytest.mark.parametrize(
    ("known", "value", "kind", "cell"),
    [
        ("DOUBLE", "1", "DOUBLE", 1.0),
        ("DOUBLE", "1e5", "DOUBLE", 1e5),
        ("DECIMAL(12,2)", "1.5", "DECIMAL(12,2)", Decimal("1.50")),
        ("DECIMAL(12,2)", "1.555", "VARCHAR", "1.555"),
        ("INTEGER", "2147483647", "INTEGER", 2**31 - 1),
        ("INTEGER", "2147483648", "VARCHAR", "2147483648"),
        ("VARCHAR", "1.10", "VARCHAR", "1.10"),
        ("VARCHAR", '{"x":1}', "VARCHAR", '{"x":1}'),
        ("BIGINT", '"x"', "VARCHAR", "x"),
        ("BIGINT", "1.5", "VARCHAR", "1.5"),
        ("BIGINT", "null", "BIGINT", None),
        ("BOOLEAN", "true", "BOOLEAN", True),
        ("DATE", '"2024-01-05"', "VARCHAR", "2024-01-05"),
        ("STRUCT(x BIGINT)", "null", "STRUCT(x BIGINT)", None),
        ("STRUCT(x DOUBLE, y VARCHAR)", '{"y":1,"X":2}', "STRUCT(x DOUBLE, y VARCHAR)", {"x": 2.0, "y": "1"}),
        ("STRUCT(x BIGINT)", '{"n":{"m":1}}', "STRUCT(x BIGINT, n STRUCT(m BIGINT))", {"x": None, "n": {"m": 1}}),
        ("STRUCT(x BIGINT)", "{}", "STRUCT(x BIGINT)", {"x": None}),
        ("DOUBLE[]", "[1,null]", "DOUBLE[]", [1.0, None]),
    ],
)
def test_known_types_are_kept(known: str, value: str, kind: str, cell: object) -> None:
    """The table's type stays where every value fits; scalars that do not become text; structs get fields."""
    assert column(f'{{"A":{value}}}', known={"a": known}) == (kind, [cell])


def test_numbers_among_misfits_stay_numbers() -> None:
    """Where one value does not fit, the texts of the others are read as the same numbers by the rules for texts."""
    assert column('{"a":1e5}\n{"a":"x"}\n{"a":0.5}', known={"a": "DOUBLE"}) == ("VARCHAR", ["100000.0", "x", "0.5"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"zip":"x"}', 'a.zip: "x" is not an integer'),
        ('{"zip":1.5}', "a.zip: 1.5 is not an integer"),
        ("[1]", "a: [1] is not an object"),
        ('"text"', 'a: "text" is not an object'),
        ('{"l":[{"d":1},{"d":true}]}', "a.l[1].d: true is not a number"),
        ('{"l":{}}', "a.l: {} is not a list"),
    ],
)
def test_nested_misfits_are_set_aside(value: str, reason: str) -> None:
    """A record whose struct or list does not fit the table's is kept in quarantine; it does not widen the type."""
    known = {"a": "STRUCT(zip BIGINT, l STRUCT(d DOUBLE)[])"}
    intake, rows, (remark,) = taken(f'{{"a":{{"zip":1}}}}\n{{"a":{value},"new":1}}\n', known=known)
    assert rows == [[{"zip": 1, "l": None}, 1]]
    assert (intake.header, intake.types) == (("a",), ("STRUCT(zip BIGINT, l STRUCT(d DOUBLE)[])",))
    assert (remark["rule"], remark["column_name"], remark["reason"]) == ("type a", "a", reason)


def test_too_many_keys() -> None:
    """Keys without end are values: the file is refused before memory is."""
    text = "\n".join(f'{{"k{at}":1}}' for at in range(10_001))
    with pytest.raises(BadFileError, match='more than 10,000 different keys, "k10000" being the last'):
        taken(text)


def test_records_that_are_too_long() -> None:
    """A line that is too long is set aside with its start; in a list the file is refused. Memory stays bounded."""
    line = b'{"a":"' + b"x" * (17 << 20) + b'"}\n'
    _, rows, (remark,) = taken(b'{"a":"1"}\n' + line + b'{"a":"3"}\n')
    assert rows == [["1", 1], ["3", 3]]
    assert (remark["line"], remark["byte_offset"], remark["length"]) == (2, 10, len(line) - 1)
    assert len(remark["raw"]) < 100_000
    with pytest.raises(BadFileError, match="a record is longer than 16,777,216 characters"):
        taken(b"[" + line + b"]")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A list of many records is read through a window."""
    path = tmp_path / "x.json"
    record = b'{"a":1,"b":"' + b"x" * 1000 + b'"}'
    path.write_bytes(b"[" + b",".join([record] * 25_000) + b"]")
    tracemalloc.start()
    read_json(lambda: path.open("rb"), tmp_path, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 25_000_000
    assert peak < 20_000_000


def test_a_file_that_changes_is_noticed() -> None:
    """Between the two passes the file must stay the same."""
    versions = iter([b'{"a":1}', b'{"a":1,"b":2}'])
    with tempfile.TemporaryDirectory() as folder, pytest.raises(FileChangedError):
        read_json(lambda: io.BytesIO(next(versions)), Path(folder), "x")


# --- Any document


KEYS = st.sampled_from(["a", "b", "c d", "é", "id", "A", 'q"'])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=6)


def same(value: Any, cell: Any) -> bool:
    """Whether a cell says what the value said: itself, or its JSON where places hold values of several kinds."""
    if isinstance(cell, str) and not isinstance(value, str):
        return value is not None and same(value, json.loads(cell, parse_float=float))
    if isinstance(value, dict):
        return (
            isinstance(cell, dict)
            and all(same(value.get(key), below) for key, below in cell.items())
            and (value.keys() <= cell.keys())
        )
    if isinstance(value, list):
        return isinstance(cell, list) and len(cell) == len(value) and all(map(same, value, cell))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return not isinstance(cell, bool) and cell is not None and Decimal(repr(value)) == Decimal(str(cell))
    return type(value) is type(cell) and bool(value == cell)


@given(RECORDS)
def test_any_records_come_back(records: list[dict[str, Any]]) -> None:
    """What was written is read again, or set aside; a list and one object a line agree in everything."""
    texts = [json.dumps(record, ensure_ascii=False) for record in records]
    intake, rows, remarks = taken(f"[{','.join(texts)}]")
    aside = {remark["byte_offset"] for remark in remarks}
    left, offset = [], 1
    for record, text in zip(records, texts, strict=True):
        if offset not in aside:
            left.append(record)
        else:
            keys = text.lower()
            assert sum(keys.count(f'"{key}"') for key in ("a",)) > 0
        offset += len(text.encode()) + 1
    assert len(left) == len(rows)
    for record, row in zip(left, rows, strict=True):
        cells = dict(zip(intake.header, row[:-1], strict=True))
        assert record.keys() <= cells.keys()
        assert all(same(record.get(key), cell) for key, cell in cells.items())
    if records:
        lines, line_rows, line_remarks = taken("\n".join(texts))
        assert (lines.header, lines.types) == (intake.header, intake.types)
        assert [row[:-1] for row in line_rows] == [row[:-1] for row in rows]
        assert len(line_remarks) == len(remarks)


@given(RECORDS, RECORDS)
def test_later_files_keep_or_widen_the_types(first: list[dict[str, Any]], later: list[dict[str, Any]]) -> None:
    """Read with the types of an earlier file, every record is a row that says the same, or is set aside."""
    one = taken(json.dumps(first))[0]
    known = dict(zip(one.header, one.types, strict=True))
    intake, rows, remarks = taken(json.dumps(later), known=known)
    assert len(rows) + len(remarks) == len(later)
    for name, kind in zip(intake.header, intake.types, strict=True):
        before = known.get(name, kind)
        assert kind in {before, "VARCHAR"} or before.startswith("STRUCT") or before.endswith("[]")
    again = taken(json.dumps(first), known=known)
    assert again[0].types == one.types
    assert [remark["line"] for remark in again[2]] == [remark["line"] for remark in taken(json.dumps(first))[2]]


@given(st.binary(max_size=60), st.integers(1, 4))
def test_damage_never_harms_the_other_lines(damage: bytes, at: int) -> None:
    """Whatever stands in one line, the others are rows, and every line is a row or set aside."""
    damage = damage.translate(None, b"\r\n")
    lines = [b'{"a":"%d"}' % number for number in range(5)]
    lines[at] = damage + b"{"
    _, rows, remarks = taken(b"\n".join(lines))
    assert {row[0] for row in rows} >= {str(number) for number in range(5) if number != at}
    assert len(rows) + len(remarks) >= 5


@given(st.sampled_from(LAYOUTS), st.integers(0, 60), st.binary(max_size=3))
def test_garbled_files_end_well(text: str, at: int, garbage: bytes) -> None:
    """A file with a few bytes replaced is read, set aside or refused; never an error of another kind."""
    data = text.encode()
    garbled = data[:at] + garbage + data[at + len(garbage) :]
    try:
        _, rows, remarks = taken(garbled)
    except BadFileError:
        return
    assert rows or remarks
