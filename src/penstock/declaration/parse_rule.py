"""How the text of a column is read: what `parse` may say of it, and what of that cannot be meant."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from penstock.declaration.strict import MAX_PRECISION, QuarantineOrNull, Strict
from penstock.naming import did_you_mean

ParseType = Literal["date", "timestamp", "timestamptz", "time", "integer", "double", "decimal", "boolean"]
ISO = "iso"
LETTERS = {
    "d": "day",
    "m": "month",
    "b": "month",
    "B": "month",
    "y": "year",
    "Y": "year",
    "H": "hour",
    "I": "hour of twelve",
    "p": "half of the day",
    "M": "minute",
    "S": "second",
    "f": "fraction",
    "z": "offset",
}
"""What the letters of a layout stand for."""
_UNPADDED = "dmHIMS"
_LETTER = re.compile(r"%(-?.|$)", re.DOTALL)
_TIMES = ("date", "timestamp", "timestamptz", "time")
_NUMBERS = ("integer", "double", "decimal")
_GOES_WITH = {
    "format": _TIMES,
    "zone": ("timestamptz",),
    "locale": _NUMBERS,
    "decimal": _NUMBERS,
    "thousands": _NUMBERS,
    "units": _NUMBERS,
    "precision": ("decimal",),
    "scale": ("decimal",),
    "true": ("boolean",),
    "false": ("boolean",),
}
_HOUR = frozenset({"hour", "hour of twelve"})
_DAY = (frozenset({"year"}), frozenset({"month"}), frozenset({"day"}))
_NEEDS = {
    "minute": _HOUR,
    "offset": _HOUR,
    "second": frozenset({"minute"}),
    "fraction": frozenset({"second"}),
    "hour of twelve": frozenset({"half of the day"}),
    "half of the day": frozenset({"hour of twelve"}),
}
"""What a part of a layout makes no sense without, so that nothing is made up."""
_NO_MARK = re.compile(r"[\w+-]")


class ParseRule(Strict):
    """How the text of one column is read."""

    type: ParseType
    """What the text stands for."""
    format: str | Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=["%d/%m/%Y"])
    """For dates and times: one layout in strptime's letters, such as `%d/%m/%Y`, or a list of them; the first that fits
    a value is taken. `iso` stands for ISO 8601, which is also meant when left out."""
    zone: str | None = Field(default=None, examples=["Europe/Paris"])
    """For `timestamptz`: the time zone of values that name no offset; without it, those go to quarantine."""
    locale: Literal["en", "fr", "de", "ch"] | None = None
    """For numbers: how they are written. `en` 1,234.5; `fr` 1 234,5; `de` 1.234,5; `ch` 1'234.5."""
    decimal: str | None = Field(default=None, min_length=1, max_length=1)
    """For numbers: the decimal mark, where no locale fits; a point when left out."""
    thousands: str | None = Field(default=None, min_length=1, max_length=1)
    """For numbers: the mark between groups of three digits, where no locale fits; none when left out."""
    units: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["m²", "m2"]])
    """For numbers: units or currency signs that may stand before or after the number; they are taken off."""
    precision: int | None = Field(default=None, ge=1, le=MAX_PRECISION)
    """For `decimal`: digits in all; 18 when left out."""
    scale: int | None = Field(default=None, ge=0, le=MAX_PRECISION)
    """For `decimal`: digits after the decimal mark; 2 when left out."""
    true: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["oui", "o", "1"]])
    """For booleans: the words for true, upper and lower case alike."""
    false: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["non", "n", "0"]])
    """For booleans: the words for false."""
    nulls: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["n/a", "-"]])
    """Texts that stand for no value; upper and lower case alike."""
    otherwise: QuarantineOrNull = "quarantine"
    """What a text that cannot be read does: send its row to `quarantine`, or become `null` (counted as a warning)."""

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts of dates and times, in order of preference."""
        if self.format is None:
            return (ISO,)
        return (self.format,) if isinstance(self.format, str) else tuple(self.format)

    @property
    def digits(self) -> tuple[int, int]:
        """For `decimal`: digits in all, and after the decimal mark."""
        return self.precision or 18, 2 if self.scale is None else self.scale

    @model_validator(mode="after")
    def _is_meant(self) -> ParseRule:
        found = self._misplaced() or self._moments_problem() or self._numbers_problem() or self._words_problem()
        if found is not None:
            raise ValueError(found)
        return self

    def _misplaced(self) -> str | None:
        for key, types in _GOES_WITH.items():
            if getattr(self, key) is not None and self.type not in types:
                return f"{key} goes with {' and '.join(types)}, not with {self.type}"
        return None

    def _moments_problem(self) -> str | None:
        if self.zone is not None and self.zone not in _zones():
            return f'"{self.zone}" is not a time zone{did_you_mean(self.zone, _zones())}'
        if self.type not in _TIMES:
            return None
        return next((problem for layout in self.layouts if (problem := self._layout_problem(layout))), None)

    def _layout_problem(self, layout: str) -> str | None:
        if layout == ISO:
            return None
        letters = [letter for letter in _LETTER.findall(layout) if letter != "%"]
        unknown = [
            letter
            for letter in letters
            if letter.lstrip("-") not in LETTERS or (letter.startswith("-") and letter[1:] not in _UNPADDED)
        ]
        if unknown:
            known = ", ".join(f"%{letter}" for letter in LETTERS)
            return f'the format "{layout}" has the letter %{unknown[0]}; known are {known} and %%'
        parts = [LETTERS[letter.lstrip("-")] for letter in letters]
        twice = next((part for part in parts if parts.count(part) > 1), None)
        if twice is not None:
            return f'the format "{layout}" names the {twice} twice'
        needed = [*_DAY] if self.type != "time" else [_HOUR]
        needed += [_NEEDS[part] for part in parts if part in _NEEDS]
        missing = next((wanted for wanted in needed if not wanted & set(parts)), None)
        if missing is not None:
            ways = " or ".join(f"%{letter}" for letter, meant in LETTERS.items() if meant in missing)
            return f'the format "{layout}" has no {min(missing)}; add {ways}'
        return self._offset_problem(layout, parts)

    def _offset_problem(self, layout: str, parts: list[str]) -> str | None:
        if "offset" in parts and self.type != "timestamptz":
            return f'the format "{layout}" reads an offset (%z), which a {self.type} does not keep; use timestamptz'
        if "offset" not in parts and self.type == "timestamptz" and self.zone is None:
            return f'the format "{layout}" has no offset (%z): say with zone which time zone is meant'
        return None

    def _numbers_problem(self) -> str | None:
        if self.locale is not None and (self.decimal is not None or self.thousands is not None):
            return "locale says how decimal and thousands are written; give one or the other"
        for key, mark in (("decimal", self.decimal), ("thousands", self.thousands)):
            if mark is not None and (_NO_MARK.match(mark) or (key == "decimal" and mark.isspace())):
                return f'{key} must be a mark such as "." or ",", found "{mark}"'
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            return f'decimal and thousands cannot both be "{self.thousands}"'
        for unit in self.units or []:
            if unit != unit.strip() or not unit or unit[0].isdigit() or unit in {"+", "-", ".", ","}:
                return f'"{unit}" is no unit: it must not be blank, start with a digit, or be a mark of numbers'
        precision, scale = self.digits
        if self.type == "decimal" and scale > precision:
            return f"scale {scale} is above precision {precision}: it counts the digits after the mark among all"
        return None

    def _words_problem(self) -> str | None:
        if (self.true is None) != (self.false is None):
            return "words for true need words for false, and the other way round"
        words = [
            (key, word.lower())
            for key, listed in (("true", self.true), ("false", self.false), ("nulls", self.nulls))
            for word in listed or []
        ]
        for at, (key, word) in enumerate(words):
            other = next((before for before, same in words[:at] if same == word and before != key), None)
            if other is not None:
                return f'"{word}" stands below {other} and below {key}'
        return None


@cache
def _zones() -> frozenset[str]:
    """Names of the time zones that the engine knows."""
    import duckdb

    with duckdb.connect() as connection:
        return frozenset(name for (name,) in connection.execute("SELECT name FROM pg_timezone_names()").fetchall())
