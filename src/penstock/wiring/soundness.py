"""What is wrong with a declaration, as far as it is known before anything runs, compared with what the lake holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from penstock.arrivals import Previewer
from penstock.declaration import Examined, decoded, examine
from penstock.errors import DeclarationError, Problem
from penstock.naming import TableName
from penstock.notices import problems_of as problems_of_notices
from penstock.opened import Opened
from penstock.state import NoHeads
from penstock.steps import problems_of
from penstock.storage import LocalZone, Seals
from penstock.tables import LocalCatalog


def preview_columns(folder: Path, examined: Examined) -> Previewer:
    """Look at the lake in `folder` without opening it: nothing is made, and its declaration may have problems."""
    processed = folder / examined.zones.processed
    catalog = LocalCatalog(processed, NoHeads(), Seals(processed, keeps=False))
    return Previewer(catalog, LocalZone(folder / examined.zones.raw), examined.tables)


def looked_at(folder: Path, examined: Examined) -> tuple[list[Problem], dict[str, str | None], list[str]]:
    """Everything that is wrong with a declaration, where the columns of each table are from, and what is coming."""
    previewer = preview_columns(folder, examined)
    problems = _in_text(folder, examined, previewer)
    columns: dict[str, str | None] = dict.fromkeys(examined.table_names)
    for name in examined.tables:
        problems |= set(previewer.problems(examined, name))
        known = previewer.preview(name)
        columns[name] = known.source if known else None
    coming = [f"{name}: {text}" for name in examined.tables if (text := previewer.coming(name))]
    return sorted(problems), columns, coming


def problems_with(lake: Opened, text: bytes) -> list[Problem]:
    """What keeps the lake from going on as `text` declares it, as far as it is known before anything runs."""
    try:
        examined = examine(decoded(text))
    except DeclarationError as error:
        return error.problems
    previewer = preview_columns(lake.folder, examined)
    if found := _in_text(lake.folder, examined, previewer):
        return sorted(found)
    for name in examined.tables:
        found |= set(previewer.problems_for(examined, name, lake.state.backlog.keys(TableName.parse(name))))
    return sorted(found)


def assert_columns(lake: Opened, tables: Iterable[TableName]) -> None:
    """Make sure that the columns which steps and checks name can be there.

    Raises:
        DeclarationError: A name is in none of the table's known columns and in no file that waits.
    """
    previewer = Previewer(lake.catalog, lake.raw, lake.declaration.tables)
    texts = {TableName.parse(text): text for text in lake.declaration.tables}
    found = []
    for name in tables:
        found += previewer.problems_for(lake.examined, texts[name], lake.state.backlog.keys(name))
    if found:
        raise DeclarationError(found)


def _in_text(folder: Path, examined: Examined, previewer: Previewer) -> set[Problem]:
    """What is wrong with the text alone, and with the files that it names."""
    document, declaration = examined.document, examined.declaration
    found = {*examined.problems, *problems_of(document, examined.text)}
    found |= set(problems_of_notices(document, declaration, folder))
    if declaration is None or not declaration.queries:
        return found
    from penstock.queries.declared import problems_of as problems_of_queries

    return found | set(problems_of_queries(document, examined.text, declaration, folder, previewer.typed))
