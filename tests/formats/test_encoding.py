"""Encodings: which is chosen, why, and which are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import BadFileError
from penstock.formats import scan
from penstock.formats.csv.encoding import decide_encoding

TEXTS = {
    "French": "titre;prix\nVilla «\xa0Été\xa0»;120\xa0000\xa0€\nréf. 1;1½\n"
    "d\u2019été à l\u2019hôtel où naître \u2013 œuvre…;3\n",
    "Italian": "n;città\n1;Forlì\n2;però\n3;lunedì così più\n",
    "Portuguese": "n;cidade\n1;São Paulo\n2;milhões de corações\n3;À noite, manhã não\n",
    "Spanish": "n;ciudad\n1;Málaga\n2;Logroño\n3;¿Qué? ¡Sí!\n4;güero\n",
    "German": "id;Stadt\n1;München\n2;Köln\n3;Gießen\n4;STRAßE ÜBER\n",
    "Danish": "n;by\n1;København\n2;Ærø\n3;Ålesund Tromsø\n",
}


def _decide(folder: Path, content: bytes, declared: str | None = None) -> tuple[str, str]:
    path = folder / "x.csv"
    path.write_bytes(content)
    found = decide_encoding(str(path), scan(str(path)), declared)
    return found.choice, found.reason


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_western_text_is_read_as_windows_1252(tmp_path: Path, text: str) -> None:
    """Text of Western languages that is not UTF-8 is taken for Windows-1252, and the reason says so."""
    choice, reason = _decide(tmp_path, text.encode("cp1252"))
    assert choice == "cp1252"
    assert reason.endswith("every byte above 127 reads as Western text in it")
    assert _decide(tmp_path, text.encode())[0] == "utf-8"


OTHERS = {
    "cp1250": "id;město\n1;Plzeň\n2;Brno\n3;České Budějovice\n4;Hradec Králové\n",
    "iso8859-2": "id;miasto\n1;Łódź\n2;Kraków\n3;Świętochłowice\n",
    "cp1251": "id;город\n1;Москва\n2;Казань\n",
    "koi8-r": "id;город\n1;Москва\n2;Казань\n",
    "cp1253": "id;πόλη\n1;Αθήνα\n2;Πάτρα\n",
    "cp1254": "id;şehir\n1;İstanbul\n2;Eskişehir\n",
    "cp850": "id;ville\n1;Orléans\n2;Besançon\n",
    "mac-roman": "id;ville\n1;Orléans\n2;Besançon\n",
    "shift_jis": "id;市\n1;東京都\n2;大阪\n",
    "gb18030": "id;市\n1;北京\n2;上海\n",
    "euc-kr": "id;시\n1;서울\n2;부산\n",
}


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_code_pages_are_asked_for(tmp_path: Path, encoding: str) -> None:
    """Nothing tells code pages apart for certain: they are refused with the first line and what to declare."""
    content = OTHERS[encoding].encode(encoding)
    with pytest.raises(BadFileError, match=r"line \d is not UTF-8 \(byte 0x..\)") as caught:
        _decide(tmp_path, content)
    assert "csv: {encoding: " in caught.value.hint
    assert _decide(tmp_path, content, encoding)[1] == "declared"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wide_encodings_are_told_by_mark_or_pattern(tmp_path: Path, encoding: str, mark: str) -> None:
    """UTF-16 and UTF-32 are known by their byte order mark, or by where their NUL bytes stand."""
    choice, reason = _decide(tmp_path, f"{mark}name,city\n1,Orléans\n2,東京\n".encode(encoding))
    assert choice == encoding
    assert reason.startswith("the byte order mark" if mark else "every other byte of plain letters is NUL")


def test_damaged_utf8_is_utf8(tmp_path: Path) -> None:
    """A few bytes that are not UTF-8 among many letters that are do not change the encoding."""
    good = "a,é\n" * 20
    assert _decide(tmp_path, good.encode() + b"b,\xe9\n")[0] == "utf-8"
    assert _decide(tmp_path, b"a,b\n" * 40 + b"b,\xff\xfe\n")[0] == "utf-8"
    assert _decide(tmp_path, b"a,b\n1,2\nb,\xff\n")[0] == "utf-8"


def test_a_declared_encoding_wins(tmp_path: Path) -> None:
    """A declared encoding is taken under Python's name for it, with the byte order of the file's mark."""
    assert _decide(tmp_path, b"a,b\n", "UTF8") == ("utf-8", "declared")
    assert _decide(tmp_path, b"a,b\n", "ISO-8859-1") == ("latin-1", "declared")
    assert _decide(tmp_path, "\ufeffa,b\n".encode("utf-16-be"), "utf-16") == ("utf-16-be", "declared")
    assert _decide(tmp_path, "a,b\n".encode("utf-16-le"), "UTF-16") == ("utf-16-le", "declared")
    with pytest.raises(BadFileError, match='there is no encoding "utf-9"'):
        _decide(tmp_path, b"a,b\n", "utf-9")
    with pytest.raises(BadFileError, match='there is no encoding "base64"'):
        _decide(tmp_path, b"a,b\n", "base64")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", {"feeds": 2, "ascii": True, "utf8": True}),
        (b"a\r\nb\rc\n", {"feeds": 2, "pairs": 1, "returns": 1}),
        (b"a\r", {"returns": 1, "feeds": 0}),
        ("é\n".encode(), {"ascii": False, "utf8": True, "bad_line": None}),
        (b"a\nb\xe9\nc", {"utf8": False, "bad_line": 2, "bad_byte": 0xE9}),
        (b"a\nb\xc3", {"utf8": False, "bad_line": 2, "bad_byte": 0xC3}),
        (b"a\n\0b", {"nul_line": 2}),
        (b"\xef\xbb\xbfa\n", {"mark": "utf-8", "ascii": True, "doubtful": False, "size": 5}),
        ("a\ufeff".encode(), {"doubtful": True}),
        (b"a'b\"", {"quotes": "\"'"}),
        (b" \t\r\n", {"blank": True}),
        (b"", {"blank": True, "size": 0}),
    ],
)
@pytest.mark.parametrize("before", [0, (1 << 21) - 2, (1 << 21) - 1])
def test_the_scan_counts(tmp_path: Path, content: bytes, expected: dict[str, object], before: int) -> None:
    """What one pass over the bytes says, also where a chunk ends within a line end or a letter."""
    if before and ("blank" in expected or "mark" in expected):
        return
    path = tmp_path / "x.csv"
    path.write_bytes(b"x" * before + content)
    found = scan(str(path))
    assert {key: getattr(found, key) for key in expected} == expected
