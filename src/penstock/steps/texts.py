"""Steps that change texts: trim, case, replace, extract, split, hash, mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from penstock.declaration import Extract, Hash, Mask, Replace, Split
from penstock.errors import BadFileError
from penstock.naming import identifier, literal
from penstock.steps.check_values import WORDS, family
from penstock.steps.frame import Field, Frame
from penstock.steps.reading import exact_text, refuse, trimmed_sql
from penstock.steps.rows import OUTCOME

Change = Callable[[str], str]
"""From the SQL of a text to the SQL of another."""
_WORDS_OF_TEXT = r"'[\p{L}\p{N}][\p{L}\p{M}\p{N}''\x{2019}]*|[^\p{L}\p{N}]+'"
_ONE_WORD = "'[A-Za-z0-9]+'"


def trim(frame: Frame, names: list[str]) -> Frame:
    """Take white space off both ends; what is nothing else becomes null."""
    return _each(frame, dict.fromkeys(names, lambda column: f"nullif({trimmed_sql(column)}, '')"))


def case(frame: Frame, wanted: dict[str, str]) -> Frame:
    """Write texts in lower case, upper case, or each word with a capital."""
    return _each(frame, {name: _CASES[how] for name, how in wanted.items()})


def _title(column: str) -> str:
    words = f"regexp_extract_all(lower({column}), {_WORDS_OF_TEXT})"
    capitals = f"array_to_string(list_transform({words}, lambda w: upper(w[1]) || w[2:]), '')"
    one_word = f"regexp_full_match({column}, {_ONE_WORD})"  # quick, and the usual case
    return f"CASE WHEN {one_word} THEN upper({column}[1]) || lower({column}[2:]) ELSE {capitals} END"


_CASES: dict[str, Change] = {"lower": "lower({})".format, "upper": "upper({})".format, "title": _title}


def replace_matches(frame: Frame, rules: dict[str, Replace]) -> Frame:
    """Replace every match of a regular expression."""
    return _each(frame, {name: _replaced(rule) for name, rule in rules.items()})


def _replaced(rule: Replace) -> Change:
    pattern, by = literal(rule.pattern), literal(rule.by)
    return lambda column: f"regexp_replace({column}, {pattern}, {by}, 'g')"


def mask(frame: Frame, wanted: list[str] | dict[str, Mask]) -> Frame:
    """Hide characters; a text that is not longer than what would be shown is hidden whole."""
    rules = wanted if isinstance(wanted, dict) else dict.fromkeys(wanted, Mask())
    masked = _each(frame, {name: _masked(rule) for name, rule in rules.items()})
    hidden = {frame.find(name).name for name in rules}
    return dataclasses.replace(masked, fields=tuple(_without_cell(field, hidden) for field in masked.fields))


def _masked(rule: Mask) -> Change:
    char, shown = literal(rule.char), rule.keep_first + rule.keep_last

    def change(column: str) -> str:
        hidden = f"repeat({char}, length({column}) - {shown})"
        partly = f"left({column}, {rule.keep_first}) || {hidden} || right({column}, {rule.keep_last})"
        return f"CASE WHEN length({column}) <= {shown} THEN repeat({char}, length({column})) ELSE {partly} END"

    return change


def _without_cell(field: Field, names: set[str]) -> Field:
    return dataclasses.replace(field, cell=None) if field.name in names else field


def hash_values(frame: Frame, wanted: list[str] | Hash) -> Frame:
    """Replace values by the SHA-256 of the salt and their text."""
    columns, salt = (wanted.columns, wanted.salt) if isinstance(wanted, Hash) else (wanted, "")
    new = []
    for field in distinct(frame, columns):
        kind = frame.type_of(field)
        text = exact_text(kind, identifier(field.name))
        if text is None:
            message = f'{frame.place}: "{field.name}" holds {kind}, which has no one text to hash'
            raise BadFileError(message, hint="derive a text from it before")
        salted = f"{literal(salt)} || {text}" if salt else text
        new.append((dataclasses.replace(field, type="VARCHAR", cell=None), f"sha256({salted})"))
    return frame.with_fields(new)


def extract(frame: Frame, declared: Extract) -> Frame:
    """Take the groups of a regular expression's first match into columns."""
    field, column = _source(frame, declared.column, declared.into)
    pattern = literal(declared.pattern)
    groups = [f"g{at}" for at in range(len(declared.into))]
    parts = frame.with_field(Field(OUTCOME, None), f"regexp_extract({column}, {pattern}, {groups})")
    something = " ".join(f"WHEN {OUTCOME}.{group} <> '' THEN false" for group in groups)
    refused = f"CASE WHEN {column} IS NULL THEN false {something} ELSE NOT regexp_matches({column}, {pattern}) END"
    rule, what = f"extract {declared.column}", f"does not match {declared.pattern}"
    parts, _ = refuse(parts, field, refused, "NULL", rule, what, declared.otherwise, became="its parts became null")
    values = [f"nullif({OUTCOME}.{group}, '')" for group in groups]
    return _parts(parts, field, declared.into, values)


def split(frame: Frame, declared: Split) -> Frame:
    """Cut a text at a separator, into a list or into columns; an empty part is null."""
    into = [declared.into] if isinstance(declared.into, str) else declared.into
    field, column = _source(frame, declared.column, into)
    cut = f"string_split({column}, {literal(declared.on)})"
    if isinstance(declared.into, str):
        return frame.with_field(
            Field(declared.into, "VARCHAR[]", None, field.origin), f"list_transform({cut}, lambda x: nullif(x, ''))"
        )
    parts = frame.with_field(Field(OUTCOME, "VARCHAR[]"), cut)
    refused = f"{OUTCOME} IS NOT NULL AND len({OUTCOME}) <> {len(into)}"
    rule, what = f"split {declared.column}", f'does not have {len(into)} parts separated by "{declared.on}"'
    parts, whole = refuse(
        parts, field, refused, OUTCOME, rule, what, declared.otherwise, became="its parts became null"
    )
    return _parts(parts, field, into, [f"nullif(({whole})[{at}], '')" for at in range(1, len(into) + 1)])


def _parts(frame: Frame, source: Field, into: list[str], values: list[str]) -> Frame:
    new = [(Field(name, "VARCHAR", None, source.origin), value) for name, value in zip(into, values, strict=True)]
    return frame.with_fields(new).without(OUTCOME)


def _source(frame: Frame, name: str, into: list[str]) -> tuple[Field, str]:
    for new in into:
        frame.check_free(new)
    field = frame.find(name)
    text_only(frame, field)
    return field, identifier(field.name)


def _each(frame: Frame, changes: Mapping[str, Change]) -> Frame:
    """Change text columns in their place."""
    new = []
    for field, change in zip(distinct(frame, list(changes)), changes.values(), strict=True):
        text_only(frame, field)
        new.append((dataclasses.replace(field, type="VARCHAR"), change(identifier(field.name))))
    return frame.with_fields(new)


def distinct(frame: Frame, names: list[str]) -> list[Field]:
    """The fields of these names.

    Raises:
        BadFileError: One is not there, or is named twice.
    """
    fields = [frame.find(name) for name in names]
    lower = [field.name.lower() for field in fields]
    twice = next((field.name for field in fields if lower.count(field.name.lower()) > 1), None)
    if twice is not None:
        message = f'{frame.place}: the column "{twice}" is named twice'
        raise BadFileError(message, hint="name every column once; upper and lower case are alike")
    return fields


def text_only(frame: Frame, field: Field) -> None:
    """Make sure that a field holds text.

    Raises:
        BadFileError: It holds something else.
    """
    kind = frame.type_of(field)
    if kind != "VARCHAR":
        step = frame.place.rpartition(".")[2]
        what = WORDS.get(family(kind), kind)
        message = f'{frame.place}: the column "{field.name}" holds {what} ({kind}), and {step} works on text'
        raise BadFileError(message, hint=f"put {step} before the step that made it so, or cast the column to text")
