"""Sorting corrections: which row of the quarantine each one means, and why some mean none that can come back."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.readmission.corrected import Case, Corrected, UnfitError, corrected_record, form_of
from penstock.declaration import Table
from penstock.errors import QuarantineError, SupersededError
from penstock.naming import ArrivalName, TableName, did_you_mean, literal
from penstock.quality import quarantine_key
from penstock.quality.corrections import Correction, Corrections
from penstock.quality.quarantine import CELLS, QUARANTINE_SCHEMA, WHOLE, writing_of
from penstock.quality.readmitted import CONTENT, parts_of, records_of, standing_sql
from penstock.state import Arrival, Head, State
from penstock.storage import Zone
from penstock.tables import Catalog, Staged
from penstock.tables.commit import plan_change

ID = re.compile(r"^(?P<table>[a-z0-9_.]+)/(?P<arrival>[0-9a-f]{16}-[0-9a-f]{16}-g\d+)-\d+$")
COLUMNS = (*(name for name, _ in QUARANTINE_SCHEMA), CELLS, WHOLE)
Why = Literal["unknown", "other_table", "superseded", "waiting", "readmitted", "repeated", "partial", "unfit", "failed"]
REASONS: dict[Why, str] = {
    "unknown": "no row of this id is in quarantine",
    "superseded": "the file has been delivered or processed again since; export the quarantine again",
    "waiting": "a version of the file waits to be processed; run first, then export again",
    "readmitted": "the row is in the table already",
    "repeated": "the id stands more than once in the file of corrections; leave one row of it",
    "partial": "other rows of the same record are in the table; correct the file and deliver it again",
}


@dataclass(frozen=True)
class Refused:
    """A correction that brings nothing back.

    Attributes:
        number: Its number in the file of corrections, from 1.
        id: The row that it names.
        why: The kind of reason; these names are stable.
        reason: Why, for people.
        file: The file that the row comes from; None when it is not known.
        line: Its line there.
    """

    number: int
    id: str
    why: Why
    reason: str
    file: str | None = None
    line: int | None = None


@dataclass
class Sorted:
    """Corrections by file, and those that mean no row that can come back."""

    cases: list[Case] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """The table that rows come back to.

    Attributes:
        name: Its name.
        table: What is declared.
        known: What is known of its files; None when there was none yet.
        head: What it holds; None when there is none yet.
        arrivals: Its arrivals, in the order recorded.
    """

    name: TableName
    table: Table
    known: SourceSchema | None
    head: Head | None
    arrivals: list[Arrival]


@dataclass(frozen=True)
class Desk:
    """What sorting looks at."""

    state: State
    catalog: Catalog
    processed: Zone
    scratch: Path
    ask: Callable[[str], list[tuple[Any, ...]]]


def sort_corrections(desk: Desk, target: Target, corrections: Corrections) -> Sorted:
    """Find the row that each correction means.

    Raises:
        QuarantineError: The corrections give a column that the table's files do not have.
    """
    out = Sorted()
    named = list(_named(target.name, corrections, out))
    rows = _standing(desk, target, [correction.id for correction in named])
    _assert_columns(target, corrections, rows)
    by_name = {str(arrival.name): arrival for arrival in target.arrivals}
    cases = defaultdict[str, list[Correction]](list)
    for correction in named:
        arrival, row = by_name.get(_arrival(correction.id)), rows.get(correction.id)
        why = _why_not(desk, target, arrival, row, correction.id)
        if why is not None:
            _refuse(out, correction, why, row=row)
        else:
            cases[_arrival(correction.id)].append(correction)
    for text, found in cases.items():
        _add_case(desk, out, target, by_name[text], corrections.name, [(one, rows[one.id]) for one in found])
    out.refused.sort(key=lambda refused: refused.number)
    return out


def _named(name: TableName, corrections: Corrections, out: Sorted) -> Iterator[Correction]:
    """Corrections that name a row of the table, and no row that another one names, too."""
    often = Counter(correction.id for correction in corrections.rows)
    first: dict[str, Correction] = {}
    differing = set[str]()
    for correction in corrections.rows:
        other = first.setdefault(correction.id, correction)
        if (other.cells, other.raw) != (correction.cells, correction.raw):
            differing.add(correction.id)
    for correction in corrections.rows:
        match = ID.match(correction.id)
        if match is None:
            text = "the row names no id" if not correction.id else "this is no id of a quarantined row"
            _refuse(out, correction, "unknown", text)
        elif match["table"] != str(name):
            _refuse(out, correction, "other_table", f"the row is one of the table {match['table']}")
        elif often[correction.id] > 1 and (correction.id in differing or first[correction.id] is not correction):
            _refuse(out, correction, "repeated")
        else:
            yield correction


def _refuse(out: Sorted, correction: Correction, why: Why, reason: str = "", row: dict[str, Any] | None = None) -> None:
    place = (row["file"], row["line"]) if row else (None, None)
    out.refused.append(Refused(correction.number, correction.id, why, reason or REASONS[why], *place))


def _arrival(id_: str) -> str:
    return id_.partition("/")[2].rpartition("-")[0]


def _standing(desk: Desk, target: Target, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Rows in quarantine by id."""
    wanted = {_arrival(id_) for id_ in ids}
    keys = [
        quarantine_key(target.name, arrival.quarantine_stem)
        for arrival in target.arrivals
        if arrival.state == "finished" and arrival.quarantine_stem and str(arrival.name) in wanted
    ]
    if not keys:
        return {}
    desk.processed.bring((key, None) for key in keys)
    files = [desk.processed.location(key) for key in keys]
    listed = _listed(desk, ids)
    try:
        records = records_of(desk.processed, target.name, parts_of(target.head))
        if desk.processed.seals is not None:
            desk.processed.seals.assert_whole([*files, *records], str(target.name))
        rows = standing_sql(files, records)
        names = ", ".join(f'"{column}"' for column in COLUMNS)
        found = desk.ask(
            f"SELECT {names} FROM ({rows}) WHERE id IN (SELECT id FROM read_parquet({literal(str(listed))}))"
        )
    finally:
        listed.unlink()
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in found}


def _listed(desk: Desk, ids: list[str]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    desk.scratch.mkdir(parents=True, exist_ok=True)
    path = desk.scratch / f"{uuid.uuid4().hex}.parquet"
    pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), path)
    return path


def _assert_columns(target: Target, corrections: Corrections, rows: dict[str, dict[str, Any]]) -> None:
    """Make sure that every column of the corrections is one of the files'."""
    name, there = target.name, dict.fromkeys(target.known.columns if target.known else ())
    for row in rows.values():
        there |= dict.fromkeys(json.loads(row[CELLS]) if row[CELLS] else ())
    lower = {column.lower() for column in there}
    strange = [column for column in corrections.columns if lower and column.lower() not in lower]
    if strange:
        raise QuarantineError(
            f'{corrections.name}: the files of {name} have no column "{strange[0]}"{did_you_mean(strange[0], there)}',
            hint=f"columns: {', '.join(there)}; leave out or rename what is not among them",
        )


def _why_not(desk: Desk, target: Target, arrival: Arrival | None, row: dict[str, Any] | None, id_: str) -> Why | None:
    """Why a row cannot come back; None when it can."""
    if arrival is None:
        content = _arrival(id_)[:CONTENT]
        return "superseded" if any(str(there.name).startswith(content) for there in target.arrivals) else "unknown"
    if _waits(arrival, target.arrivals):
        return "waiting"
    if arrival.state != "finished" or not is_current(target.head, current_name(target.head, arrival), target.table):
        return "superseded"
    if row is None:
        return "readmitted" if _is_kept(desk, target.name, arrival, id_) else "unknown"
    return None if row[WHOLE] is not False else "partial"


def _waits(arrival: Arrival, arrivals: list[Arrival]) -> bool:
    waiting = ("pending", "working")
    return any(
        there.key == arrival.key and there.sequence >= arrival.sequence and there.state in waiting for there in arrivals
    )


def current_name(head: Head | None, arrival: Arrival) -> ArrivalName:
    """The arrival as the table knows it: the same content, as often as it was processed for what is live."""
    name = arrival.name
    live = [member.arrival for file in (head.files if head else ()) for member in file.members]
    same = [there.generation for there in live if (there.key_id, there.version_id) == (name.key_id, name.version_id)]
    return ArrivalName(name.key_id, name.version_id, max([name.generation, *same]))


def is_current(head: Head | None, name: ArrivalName, table: Table) -> bool:
    """Whether a part may be added to an arrival's rows."""
    try:
        if head is not None:
            plan_change(head, [Staged(name, (), table.on_reupload, part=0)])
    except SupersededError:
        return False
    return True


def _is_kept(desk: Desk, name: TableName, arrival: Arrival, id_: str) -> bool:
    if not arrival.quarantine_stem:
        return False
    path = desk.processed.location(quarantine_key(name, arrival.quarantine_stem))
    rows = f"SELECT 1 FROM read_parquet({literal(path)}) WHERE id = {literal(id_)} AND fate = 'quarantined'"
    return bool(desk.ask(rows))


def _add_case(
    desk: Desk,
    out: Sorted,
    target: Target,
    arrival: Arrival,
    corrections: str,
    found: list[tuple[Correction, dict[str, Any]]],
) -> None:
    writing = writing_of(desk.processed, target.name, arrival.quarantine_stem or "")
    form = form_of(arrival.key, target.table, target.known, writing)
    case = Case(arrival, current_name(target.head, arrival), form, [])
    for correction, row in found:
        try:
            record = corrected_record(form, row, correction.cells, correction.raw, writing.header)
        except UnfitError as error:
            _refuse(out, correction, "unfit", str(error), row)
        else:
            case.rows.append(Corrected(correction.number, row, record, corrections))
    if case.rows:
        out.cases.append(case)
