"""Other writers of a table, as a run meets them: what they did is said once, and written down with the table."""

from __future__ import annotations

from penstock.errors import PlanOutdatedError
from penstock.naming import TableName
from penstock.tables import Catalog, Evolution
from penstock.tables.outside import news, noticed


def notice(catalog: Catalog, name: TableName) -> list[str]:
    """What other writers did to a table since it was last spoken of, one sentence each; it is spoken of once.

    Raises:
        UnreadableTableError: They left the table so that reading it would show wrong rows.
    """
    head, metadata = catalog.head(name), catalog.metadata(name)
    found = news(metadata) if metadata else []
    if head is None or metadata is None or not found:
        return []
    try:
        catalog.evolve(head, Evolution((), properties=noticed(metadata)))
    except PlanOutdatedError:
        return []  # the table has moved on: the next run speaks of it
    return found
