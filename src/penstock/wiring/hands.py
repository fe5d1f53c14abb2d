"""What a lake lends to one step of a workflow; keeps the contract of `Hands`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from penstock.errors import StepFailedError
from penstock.naming import TableName
from penstock.opened import Opened
from penstock.wiring.asking import save
from penstock.wiring.integrity import verify
from penstock.wiring.soundness import assert_columns
from penstock.wiring.upkeep import maintain
from penstock.wiring.workers import discover, worker
from penstock.workflow import Stoppable


class LakeHands:
    """A lake opened for one step, closed with everything that the step needed."""

    def __init__(self, lake: Opened) -> None:
        """Lend `lake`, and close it at the end of the `with` block."""
        self._lake = lake

    def __enter__(self) -> Self:
        """Use them in a `with` block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the lake."""
        self._lake.close()

    @property
    def table_names(self) -> list[str]:
        """Declared tables."""
        return [str(name) for name in self._lake.declared]

    def process(
        self, tables: Iterable[str], *, again: bool, began: Callable[[Stoppable], object]
    ) -> tuple[dict[str, int], list[str]]:
        """Process files of tables that wait, or all of them again.

        Raises:
            StepFailedError: The disk is full; the files wait.
        """
        lake, names = self._lake, [TableName.parse(table) for table in tables]
        discover(lake)
        assert_columns(lake, names)
        made = worker(lake, share=2)  # the files that land meanwhile have the other half
        made.wait_for_room(lake.room)
        lake.room.listen(made.stop)
        began(made)
        for name in names if again else ():
            made.reprocess(name)
        summary = made.drain({name: lake.declared[name] for name in names})
        if lake.room.met is not None:
            raise StepFailedError(lake.room.met, hint="the files wait; they are processed once there is room")
        figures = {"files": sum(summary.files.values()), "dead": len(summary.dead)}
        figures["rows_out"] = sum(account.rows_out for account in summary.accounts.values())
        return figures, [*(arrival.key for arrival in summary.dead), *map(str, summary.blocked)]

    def maintain_table(self, table: str) -> str | None:
        """Look after a table; what went wrong, if anything."""
        failed = maintain(self._lake, [table]).failed
        return str(failed[0].error) if failed else None

    def verify_table(self, table: str) -> list[str]:
        """Check a table; what was found."""
        return [str(finding) for finding in verify(self._lake, [table]).findings]

    @property
    def query_names(self) -> list[str]:
        """Declared queries whose rows are kept."""
        return list(self._lake.declaration.queries)

    def save_query(self, name: str, began: Callable[[Stoppable], object]) -> int:
        """Ask a query and keep its rows; how many there are."""
        return save(self._lake, name, began=began).rows
