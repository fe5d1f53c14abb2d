"""Which encoding a file is in: declared, marked, proven, or the one guess that is allowed, with the reason.

Valid UTF-8 with a letter beyond ASCII is proof enough; so is the pattern of NUL bytes of UTF-16 and UTF-32. Bytes that
are not UTF-8 may be Windows-1252, and are taken for it only when they read like Western text: an encoding guessed
wrongly gives wrong letters in silence, so whatever else they may be is asked for.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from pathlib import Path

from penstock.errors import BadFileError
from penstock.formats.csv.dialect import DECLARED, UTF8, Choice, shown
from penstock.formats.csv.lines import CHUNK_BYTES, encoding_words, read_lines
from penstock.formats.csv.survey import Scan

WESTERN = frozenset("ÀÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÁÃÕŒœ")
SIGNS = frozenset("€‚„…‘’“”•–—™\xa0¡¢£¥§©ª«®°±²³µ·º»¼½¾¿×´¨\xad")  # noqa: RUF001 - the signs of Windows-1252
BETWEEN = frozenset("’‘\xad·–—")  # noqa: RUF001 - the same
"""Signs that stand between two letters; any other there is a letter of another encoding."""
WIDE_SHARE = 0.3
"""Share of NUL bytes above which a file is UTF-16 or UTF-32 rather than damaged."""
LOOKED_AT = 50_000
"""Lines with bytes above 127 that tell an encoding; what does not decode behind them is set aside when it is read."""
MOST_DAMAGED = 0.1
"""Share of lines with bytes that are not UTF-8 up to which these lines, not the file, are at fault."""
_SEQUENCE = re.compile(b"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WORD_WITH_SIGN = re.compile(r"[^\W\d_]([^\w\s!-~])[^\W\d_]")
_NOT_WESTERN = tuple(
    map(
        re.compile,
        (
            r"[^\W\d_a-zA-Z]{3}",  # words of another alphabet
            r"[^\w\s\x00-\x7f]{2}",
            r"[a-zß-ÿ][À-Þ][a-zß-ÿ]",  # a capital within a word
            r"[ìò](?=[^\W\d_])|[^\Wbcdfghjklmnpqrstvwxziu][ìò]",  # Italian has them at the end of words
            r"õ(?!e)|Õ(?![Ee])|Ã(?![OoEe])",  # Portuguese
            r"[0-9][À-Þ]",
        ),
    )
)
_ALIASES = {"utf8": UTF8, "utf-8-sig": UTF8, "latin1": "latin-1", "iso8859-1": "latin-1", "utf_8": UTF8}
_HINT = "declare it, such as csv: {encoding: %s}, or deliver the file as UTF-8"


def decide_encoding(path: str, scan: Scan, declared: str | None) -> Choice:
    """Decide which encoding a file is in.

    Raises:
        BadFileError: Nothing tells it, or the file is no text.
    """
    if declared is not None:
        return Choice("encoding", normal_name(declared, scan), DECLARED)
    if scan.mark:
        return Choice("encoding", scan.mark, "the byte order mark at the start of the file", 1)
    with Path(path).open("rb") as file:
        head = file.read(CHUNK_BYTES)
    if scan.nul_line is not None:
        wide = _wide_encoding(head)
        if wide:
            return Choice("encoding", wide, "every other byte of plain letters is NUL, as in that encoding", 1)
    if scan.utf8:
        return Choice("encoding", UTF8, "all bytes are ASCII" if scan.ascii else "all bytes are valid UTF-8")
    return _narrow_encoding(path, scan)


def normal_name(name: str, scan: Scan) -> str:
    """Python's name of a declared encoding; of UTF-16 and UTF-32 with the byte order.

    Raises:
        BadFileError: There is no such encoding.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)  # raises for codecs that are no text encodings
        found = codecs.lookup(name).name
    except (LookupError, UnicodeError, ValueError):
        raise BadFileError(
            f'there is no encoding "{name}"', hint="csv.encoding is one of utf-8, utf-16, cp1252, latin-1, cp1250, ..."
        ) from None
    found = _ALIASES.get(found, found)
    if found in {"utf-16", "utf-32"}:
        return scan.mark if scan.mark.startswith(found) else f"{found}-le"
    return found


def _wide_encoding(head: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, by where the NUL bytes of its ASCII characters stand; empty for neither."""
    quarters = [head[at::4].count(0) / max(1, len(head[at::4])) for at in range(4)]
    halves = [(quarters[0] + quarters[2]) / 2, (quarters[1] + quarters[3]) / 2]
    if min(quarters[2], quarters[3]) > WIDE_SHARE and quarters[0] < WIDE_SHARE:
        found = "utf-32-le"
    elif min(quarters[0], quarters[1]) > WIDE_SHARE and quarters[3] < WIDE_SHARE:
        found = "utf-32-be"
    elif halves[1] > WIDE_SHARE > halves[0]:
        found = "utf-16-le"
    elif halves[0] > WIDE_SHARE > halves[1]:
        found = "utf-16-be"
    else:
        return ""
    try:
        codecs.getincrementaldecoder(found)().decode(head)
    except UnicodeDecodeError:
        return ""
    return found


def _narrow_encoding(path: str, scan: Scan) -> Choice:
    """UTF-8 with damage, or Windows-1252, or a refusal."""
    tally = _Tally()
    for line in read_lines(path, "latin-1"):
        tally.add(line.text)
        if tally.looked_at >= LOOKED_AT:
            break
    at, value = scan.bad_line, f"0x{scan.bad_byte:02X}"
    if tally.sequences > tally.bad_lines and tally.bad_lines * 2 < tally.lines:
        reason = f"{tally.sequences:,} characters are valid UTF-8; {tally.bad_lines:,} lines hold bytes that are not"
        return Choice("encoding", UTF8, reason, at, value)
    if tally.reads_western():
        reason = f"not UTF-8 from line {at} on; every byte above 127 reads as Western text in it"
        return Choice("encoding", "cp1252", reason, at, tally.example)
    if tally.bad_lines <= max(1, MOST_DAMAGED * tally.lines):
        reason = f"all but {tally.bad_lines:,} of {tally.lines:,} lines are valid; the others read as no other encoding"
        return Choice("encoding", UTF8, reason, at, value)
    raise BadFileError(
        f"line {at} is not UTF-8 (byte {value}), and the text does not read as {encoding_words('cp1252')} either: "
        f"{tally.example}",
        hint=_HINT % "cp1250",
    )


class _Tally:
    """What the lines that are not ASCII look like."""

    def __init__(self) -> None:
        self.lines = self.looked_at = self.bad_lines = self.sequences = 0
        self.example = ""
        self._signs: Counter[str] = Counter()
        self._foreign = False

    def add(self, text: str) -> None:
        """Look at a line, each of whose bytes is one character."""
        self.lines += 1
        if text.isascii():
            return
        self.looked_at += 1
        raw = text.encode("latin-1")
        found = len(_SEQUENCE.findall(raw))
        left = _SEQUENCE.sub(b"", raw)
        self.sequences += found
        western = raw.decode("cp1252", "replace")
        self._foreign |= "\ufffd" in western
        if not left.isascii():
            self.bad_lines += 1
            self.example = self.example or shown(western.strip())
        for char in western:
            if not char.isascii() and char not in WESTERN:
                self._signs[char] += 1
        for char in _WORD_WITH_SIGN.findall(western):
            self._foreign |= char not in BETWEEN
        self._foreign |= _foreign(western)

    def reads_western(self) -> bool:
        """Whether every byte gave a letter or a sign that Western texts have, where they have it."""
        return not self._foreign and all(char in SIGNS for char in self._signs)


def _foreign(text: str) -> bool:
    """Whether letters stand where Western languages have none: then the text is in another encoding."""
    return any(pattern.search(text) for pattern in _NOT_WESTERN)
