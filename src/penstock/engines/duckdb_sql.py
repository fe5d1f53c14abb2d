"""SQL texts for DuckDB: scanning a file, and the COPY whose filter counts and notes what it does not keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.engines.engine import FATE, ORDINAL, PLACE, ROW, SOURCE, Rule, Source, Work, flag_column, raw_column
from penstock.formats.csv import feed
from penstock.formats.csv.certain import certain_columns
from penstock.naming import identifier, literal
from penstock.state.store import Column
from penstock.tables.types import field_ids_sql

ROW_GROUP = 122_880
MAX_LINE_BYTES = 4_000_000
BUFFER_BYTES = 16_000_000
NOTED_ROWS = 60_000
"""Rows of a rule that are noted while a file is written; when there are more, it is read again for them."""
EXAMPLES = 1_000
NOTE = "penstock"
NOTE_LEVEL = "WARNING"
NOTHING = "CAST(NULL AS BIGINT)"
FEED = "penstock_feed"
"""Name under which a file that is fed to the engine is registered."""


def read_csv(source: Source) -> str:
    """SQL for a CSV file as text, one column for each of its fields."""
    columns = ", ".join(f"{raw_column(at)}: 'VARCHAR'" for at in range(source.width))
    dialect = source.dialect
    nulls = ", ".join(literal(text) for text in ("", *dialect.nulls))
    return (
        f"read_csv({literal(source.path)}, auto_detect=false, header={str(dialect.header > 0).lower()}, "
        f"skip={dialect.skip}, columns={{{columns}}}, delim={literal(dialect.delimiter)}, "
        f"quote={literal(dialect.quote)}, escape={literal(dialect.quote)}, nullstr=[{nulls}], compression='none', "
        f"encoding='utf-8', max_line_size={MAX_LINE_BYTES}, buffer_size={BUFFER_BYTES}, store_rejects=true, "
        f"parallel={str(source.parallel).lower()})"
    )


def _read_parquet(source: Source) -> str:
    columns = ", ".join([*PLACE, *(raw_column(at) for at in range(source.width))])
    return f"(SELECT {columns} FROM ({source.scan or f'FROM read_parquet({literal(source.path)})'}))"


def with_source(source: Source, select: str, *, ordered: bool = False) -> str:
    """A SELECT over the file's records, which it finds as `SOURCE`, with the certain values that it asks for."""
    certain = certain_columns(select, source.width)
    ordinal = "row_number() OVER ()" if ordered else NOTHING
    scan = _fed(source, certain, ordinal) if source.fed else _scan(source, certain, ordinal)
    return f"WITH {SOURCE} AS ({scan}) {select}"


def _scan(source: Source, certain: Mapping[str, tuple[int, str]], ordinal: str) -> str:
    """SELECT over the file's records, of which no value is certain before its text is read."""
    unknown = (f"CAST(NULL AS {kind}) AS {name}" for name, (_, kind) in certain.items())
    own = ", ".join([f"{ordinal} AS {ORDINAL}", f"CAST(NULL AS VARCHAR) AS {ROW}", *unknown])
    if source.typed:
        return f"SELECT {own}, * FROM {_read_parquet(source)}"
    places = ", ".join(f"{NOTHING} AS {name}" for name in PLACE)
    return f"SELECT {own}, {places}, * FROM {read_csv(source)}"


def _fed(source: Source, certain: Iterable[str], ordinal: str) -> str:
    """SELECT over the records of a file that is fed to the engine."""
    own = f"{ordinal if ordinal == NOTHING else feed.ORDINAL} AS {ORDINAL}, CAST(NULL AS VARCHAR) AS {ROW}"
    line, offset, length = PLACE
    places = f"{NOTHING} AS {line}, {feed.NEAR} AS {offset}, {NOTHING} AS {length}"
    cells = ", ".join([*(raw_column(at) for at in range(source.width)), *certain])
    return f"SELECT {own}, {places}, {cells} FROM {FEED}"


def copy_sql(work: Work, path: str) -> str:
    """The COPY that writes what the work keeps to `path`."""
    columns = ", ".join(
        f"CAST({identifier(column.name)} AS {column.type}) AS {identifier(column.name)}" for column in work.columns
    )
    select = f"SELECT {columns} FROM ({work.select}) WHERE {_keeping(work)}"
    query = with_source(work.source, select, ordered=work.ordered)
    ids = field_ids_sql(work.columns)
    return (
        f"COPY ({query}) TO {literal(path)} "
        f"(FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROW_GROUP}, FIELD_IDS {ids}, RETURN_STATS)"
    )


def gather_sql(select: str, columns: tuple[Column, ...], path: str, facts: Mapping[str, str]) -> str:
    """The COPY that writes the rows of a SELECT to `path`, with facts in the footer."""
    said = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in facts.items())
    return (
        f"COPY ({select}) TO {literal(path)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROW_GROUP}, "
        f"FIELD_IDS {field_ids_sql(columns)}{f', KV_METADATA {{{said}}}' if facts else ''})"
    )


def _keeping(work: Work) -> str:
    """SQL condition that is true for rows to keep, and counts and notes the others and those that rules speak of.

    It is one CASE within CASE, because the engine computes both sides of AND and OR, and reorders them.
    """
    facts = f"{', '.join(f'CAST({name} AS VARCHAR)' for name in PLACE)}, {ROW}, {cells(work)}"
    rules = list(enumerate(work.rules))
    added = "".join(_flagged(at, _counting(at)) for at, rule in rules if rule.fate == "added")
    warned = "".join(_flagged(at, _noting(at, facts, EXAMPLES)) for at, rule in rules if rule.fate == "warned")
    lost = "".join(f"WHEN {FATE} = {at} THEN {_losing(at, rule, facts, warned)} " for at, rule in rules if _loses(rule))
    lost += _quarantining([at for at, rule in rules if rule.fate == "quarantined"], facts)
    kept = f"CASE {warned}ELSE true END" if warned else "true"
    return f"CASE {added}WHEN {FATE} IS NULL THEN {kept} {lost}END"


def _flagged(rule: int, sql: str) -> str:
    """A branch of a CASE that computes `sql`, which is false, for flagged rows, and goes on to the next branch."""
    return f"WHEN (CASE WHEN {flag_column(rule)} THEN {sql} ELSE false END) THEN false "


def _loses(rule: Rule) -> bool:
    return rule.fate not in {"added", "warned", "quarantined"}


def _losing(at: int, rule: Rule, facts: str, warned: str) -> str:
    """SQL that is false, for a row that is not kept."""
    if rule.fate == "dropped" or (rule.fate == "consumed" and not warned):
        return _counting(at)
    if rule.fate == "consumed":  # warnings of earlier rules still speak of the row
        return f"CASE {warned}ELSE {_counting(at)} END"
    return _noting(at, facts, EXAMPLES)


def _quarantining(rules: list[int], facts: str) -> str:
    """A branch for all rows that go to quarantine: what is noted of them stands once, however many rules there are."""
    if not rules:
        return ""
    count = "".join(f"WHEN {at} THEN nextval('penstock_rule_{at}') " for at in rules)
    return (
        f"WHEN {FATE} IS NOT NULL THEN CASE WHEN CASE {FATE} {count}END <= {NOTED_ROWS} "
        f"THEN {_note(f'CAST({FATE} AS VARCHAR)', facts)} ELSE false END "
    )


def _note(rule: str, facts: str) -> str:
    """SQL that is false and notes the row in the engine's log."""
    message = f"CAST(to_json([{rule}, {facts}]) AS VARCHAR)"
    note = f"write_log({message}, level := '{NOTE_LEVEL}', log_type := '{NOTE}') IS NULL"
    return f"{note} AND nextval('penstock_noted') < 0"


def cells(work: Work) -> str:
    """The file's own cells as text, for a list."""
    kind = "CAST({} AS VARCHAR)" if work.source.typed else "{}"
    return ", ".join(kind.format(raw_column(at)) for at in range(work.source.width))


def _counting(rule: int) -> str:
    """SQL that is false and counts the row."""
    return f"nextval('penstock_rule_{rule}') < 0"


def _noting(rule: int, facts: str, most: int) -> str:
    """SQL that is false, counts the row, and notes the first ones in the engine's log: rule, place and cells."""
    note = _note(f"'{rule}'", facts)
    return f"CASE WHEN nextval('penstock_rule_{rule}') <= {most} THEN {note} ELSE false END"
