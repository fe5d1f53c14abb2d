"""Processing a file again keeps what people corrected: rows that came back from quarantine come back once more.

The same content gives the same records in the same places. A record that was corrected, and is set aside again as
delivered, is replaced by its correction, under the steps as they are now, in the commit that replaces the file's rows.
Where the delivered record is no longer set aside, it counts, and its correction does not; the run says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from penstock.arrivals.planning.plan import Terms
from penstock.arrivals.readmission.bring_back import Back, Counter, bring_back, write_list
from penstock.arrivals.readmission.corrected import Case, Corrected, form_of
from penstock.arrivals.settle import SOURCE, run_id
from penstock.arrivals.staging.stage import Prepared, Workshop
from penstock.arrivals.staging.through import Job
from penstock.clock import Clock
from penstock.errors import PlanOutdatedError
from penstock.naming import ArrivalName
from penstock.quality import quarantine_key
from penstock.quality.corrections import json_value
from penstock.quality.quarantine import writing_of
from penstock.quality.readmitted import part_name, parts_of, read_rows, record_of, records_of
from penstock.state import Head, Member, Run
from penstock.state.store import Column
from penstock.tables import Catalog
from penstock.tables.others import others_of

LINES = 5


@dataclass(frozen=True)
class Reapplied:
    """What came of the corrections of a file that is processed again: rows that came back, fail now, do not apply."""

    back: Back | None
    failed: list[dict[str, Any]]
    needless: list[dict[str, Any]]


def earlier_parts(head: Head | None, name: ArrivalName) -> list[Member]:
    """Live parts of the same content, from when it was processed before."""
    return [
        part
        for part in parts_of(head, {name.key_id})
        if part.arrival.version_id == name.version_id and part.arrival.generation < name.generation
    ]


def with_corrections(
    shop: Workshop, catalog: Catalog, job: Job, prepared: Prepared, there: Callable[[], Head | None]
) -> Prepared:
    """Add to a staged file the rows of it that were corrected before.

    Args:
        shop: What the work is done with.
        catalog: Gives other tables.
        job: The work on the file.
        prepared: What it gave.
        there: Gives the table beside the file.
    """
    name, head = prepared.arrival.name, job.terms.head
    notes = (*prepared.notes, *notes_of_replaced(head, name, job.table.on_reupload))
    parts = earlier_parts(head, name)
    if not parts or head is None:
        return replace(prepared, notes=notes)
    done = _reapplied(shop, catalog, job, prepared, parts, there() or head)
    back = done.back
    prepared = replace(prepared, notes=(*notes, *_notes(done)), settled=frozenset(part_name(part) for part in parts))
    if back is None or back.staged is None:
        return prepared
    basis = prepared.basis
    return replace(
        prepared,
        parts=back.group,
        columns=_merged(prepared.columns, back.columns),
        source=back.source or prepared.source,
        basis=replace(basis, changes=(*basis.changes, *back.basis.changes)),
        brought_back=back.accounting,
    )


def assert_settled(head: Head, ready: list[Prepared]) -> None:
    """Make sure that no row came back to a file while it was processed again.

    Raises:
        PlanOutdatedError: One did; it would be lost.
    """
    for prepared in ready:
        now = {part_name(part) for part in earlier_parts(head, prepared.arrival.name)}
        if now - prepared.settled:
            message = "rows of the file came back from quarantine while it was processed again"
            raise PlanOutdatedError(message, where=prepared.arrival.key)


def run_of_parts(clock: Clock, run: Run, prepared: Prepared) -> Run | None:
    """The run, of its own, in which the corrected rows of a file came back with it; None when there were none."""
    if prepared.brought_back is None:
        return None
    source = f"{SOURCE}{prepared.arrival.key}"
    return replace(run, run=run_id(clock), accounting=prepared.brought_back, state="finished", arrivals=[source])


def notes_of_replaced(head: Head | None, name: ArrivalName, on_reupload: str) -> Iterator[str]:
    """What is said of readmitted rows, in live parts of other versions of a file, that give way to this one."""
    if on_reupload != "replace":
        return
    rows = sum(part.rows for part in parts_of(head, {name.key_id}) if part.arrival.version_id != name.version_id)
    if rows:
        yield f"rows readmitted into the version before that are replaced with it: {rows}"


def _reapplied(
    shop: Workshop, catalog: Catalog, job: Job, prepared: Prepared, parts: list[Member], there: Head
) -> Reapplied:
    name = prepared.arrival.table
    corrected = {record_of(row): row for path in records_of(shop.processed, name, parts) for row in read_rows(path)}
    rows = []
    for number, row in enumerate(_aside(shop, prepared), start=1):
        old = corrected.pop(record_of(row), None)
        if old is not None:
            source = {"readmitted": old["readmitted"], "run": old["run"]}
            rows.append(Corrected(number, row, json_value(old["corrected"]), old["corrections"], source))
    needless = list(corrected.values())
    if not rows:
        return Reapplied(None, [], needless)
    files = prepared.staged.files
    now = replace(there, columns=_merged(there.columns, prepared.columns), files=(*there.files, *files))
    known = prepared.source or job.known
    terms = Terms(now, others_of(catalog, name, lambda: now))
    counter = Counter(name, job.table, terms, known, shop.bench, shop.processed, shop.scratch)
    writing = writing_of(shop.processed, name, prepared.quarantine_stem or "")
    form = form_of(prepared.arrival.key, job.table, known, writing)
    back = bring_back(counter, Case(prepared.arrival, prepared.arrival.name, form, rows))
    if back.staged is not None:
        write_list(shop.processed, name, back, "", None)
    return Reapplied(back, [failed.corrected.row for failed in back.failed], needless)


def _aside(shop: Workshop, prepared: Prepared) -> Iterator[dict[str, Any]]:
    """Rows of the file that were set aside this time, of which nothing is in the table."""
    if prepared.quarantine_stem:
        key = quarantine_key(prepared.arrival.table, prepared.quarantine_stem)
        for row in read_rows(shop.processed.location(key)):
            if row["fate"] == "quarantined" and row["whole"]:
                yield row


def _merged(columns: tuple[Column, ...], newer: tuple[Column, ...]) -> tuple[Column, ...]:
    by_name = {column.name.lower(): column for column in columns}
    return tuple((by_name | {column.name.lower(): column for column in newer}).values())


def _notes(done: Reapplied) -> Iterator[str]:
    came = len(done.back.came) if done.back else 0
    if came:
        yield f"corrected rows of the quarantine that are in the table again: {came}"
    if done.failed:
        lines = _lines(done.failed)
        yield f"corrected rows that the steps no longer take, in quarantine again: {len(done.failed)}{lines}"
    if done.needless:
        yield (
            "corrections that no longer apply, because the rows as delivered are not set aside any more: "
            f"{len(done.needless)}{_lines(done.needless)}"
        )


def _lines(rows: list[dict[str, Any]]) -> str:
    lines = sorted(row["line"] for row in rows if row["line"] is not None)
    if not lines:
        return ""
    return f" (line{'' if len(lines) == 1 else 's'} {', '.join(map(str, lines[:LINES]))}{', …' * (len(lines) > LINES)})"
