"""What steps do with tables: through a lake that is opened for the step alone, and closed with everything it held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from penstock.declaration.workflows import ALL
from penstock.errors import QueryError, StepFailedError, StepRefusedError
from penstock.state import State
from penstock.workflow.step import Attempt, Doer, Outcome

SHOWN = 3


class Stoppable(Protocol):
    """Somebody at work."""

    def stop(self) -> None:
        """Finish what is at hand, and end."""


class Hands(Protocol):
    """A lake, as steps need it; every call does its work whole or says why not."""

    @property
    def table_names(self) -> list[str]:
        """Declared tables."""

    def process(
        self, tables: Iterable[str], *, again: bool, began: Callable[[Stoppable], object]
    ) -> tuple[dict[str, int], list[str]]:
        """Process files of tables that wait, or all of them again; figures, and what ended dead or was blocked."""

    def maintain_table(self, table: str) -> str | None:
        """Look after a table; what went wrong, if anything."""

    def verify_table(self, table: str) -> list[str]:
        """Check a table; what was found."""

    @property
    def query_names(self) -> list[str]:
        """Declared queries whose rows are kept."""

    def save_query(self, name: str, began: Callable[[Stoppable], object]) -> int:
        """Ask a query and keep its rows; how many there are."""


Opener = Callable[[], AbstractContextManager[Hands]]


def doers(opener: Opener, state: State, programs: Doer) -> Mapping[str, Doer]:
    """What does each kind of action."""
    return {
        "refresh": lambda attempt: _process(opener, attempt, again=False),
        "reprocess": lambda attempt: _process(opener, attempt, again=True),
        "maintain": lambda attempt: _maintain(opener, attempt),
        "verify": lambda attempt: _verify(opener, attempt),
        "save": lambda attempt: _save(opener, attempt),
        "notify": lambda attempt: _notify(state, attempt),
        "exec": programs,
    }


def _chosen(hands: Hands, attempt: Attempt) -> list[str]:
    return hands.table_names if attempt.action.tables == [ALL] else attempt.action.tables


def _process(opener: Opener, attempt: Attempt, *, again: bool) -> Outcome:
    with opener() as hands:
        tables = _chosen(hands, attempt)
        figures, trouble = hands.process(tables, again=again, began=lambda worker: attempt.halt.listen(worker.stop))
    attempt.halt.check()
    if trouble:  # each file had its own attempts
        message = f"{len(trouble)} ended dead or wait: {_some(trouble)}"
        raise StepRefusedError(message, hint="see penstock dead list")
    return {"tables": len(tables), **figures}


def _maintain(opener: Opener, attempt: Attempt) -> Outcome:
    troubles = []
    with opener() as hands:
        tables = _chosen(hands, attempt)
        for table in tables:
            attempt.halt.check()
            if (trouble := hands.maintain_table(table)) is not None:
                troubles.append(f"{table}: {trouble}")
    if troubles:
        raise StepFailedError(_some(troubles))
    return {"tables": len(tables)}


def _verify(opener: Opener, attempt: Attempt) -> Outcome:
    findings = []
    with opener() as hands:
        tables = _chosen(hands, attempt)
        for table in tables:
            attempt.halt.check()
            findings += hands.verify_table(table)
    if findings:
        raise StepRefusedError(f"{len(findings)} found: {_some(findings)}", hint="see penstock verify")
    return {"tables": len(tables)}


def _save(opener: Opener, attempt: Attempt) -> Outcome:
    rows, troubles = 0, []
    with opener() as hands:
        names = hands.query_names if attempt.action.named == [ALL] else attempt.action.named
        for name in names:
            attempt.halt.check()
            try:
                rows += hands.save_query(name, lambda asked: attempt.halt.listen(asked.stop))
            except QueryError as error:
                attempt.halt.check()
                troubles.append(f"{name}: {error.what}")
    if troubles:  # the others are saved
        raise StepFailedError(_some(troubles))
    return {"queries": len(names), "rows": rows}


def _notify(state: State, attempt: Attempt) -> Outcome:
    text = attempt.action.notify.text if attempt.action.notify else ""
    facts: dict[str, Any] = {"workflow": attempt.run.workflow, "run": attempt.run.run, "state": "says"}
    state.events.add("workflow", None, {**facts, "reason": text, "duration_ms": 0})
    return {}


def _some(texts: list[str]) -> str:
    more = f"; and {len(texts) - SHOWN:,} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more
