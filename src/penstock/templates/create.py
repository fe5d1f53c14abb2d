"""Making a lake from a template.

A template is a folder beside this module: its `lake.yaml` is copied, and where the template has sample data,
files are generated into `raw/`. Everything that can be refused is refused before anything is written.
`lake.yaml` is written last, so a folder in which the making was interrupted is not yet a lake, and `create`
can be called again.
"""

from __future__ import annotations

import re
import unicodedata
from importlib import resources
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.naming import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPLATES: dict[str, str] = {
    "blank": "an empty lake with a commented example of a table",
    "consultations": "medical consultations from CSV files: dates, age groups, required diagnoses",
    "immobilier": "scraped real-estate listings: French numbers, units, duplicates, price per square metre",
    "orders": "orders and customers: dates in several formats, incomplete orders, sales per month",
}

_DECLARATION = "lake.yaml"
_IGNORED = (".penstock/", "processed/", "enriched/")
_IGNORED_REASON = "# Made by Penstock out of raw/ and lake.yaml."
_NOT_TEXT_IN_YAML = {"null", "true", "false"}


def create(template: str, directory: Path, *, sample_data: bool = False, rows: int | None = None) -> list[Path]:
    """Make a lake from a template.

    Args:
        template: A name from `TEMPLATES`.
        directory: The lake's folder; made when it is missing, other files in it are left alone.
        sample_data: Generate the template's sample data into `raw/`.
        rows: How many rows the sample data has in all; the template's own number when left out.

    Returns:
        The files written: `lake.yaml`, `.gitignore`, then the sample files.

    Raises:
        PenstockError: The request cannot be carried out; nothing was written.
    """
    _refuse_unknown(template)
    _refuse_rows(rows, sample_data=sample_data)
    if sample_data:
        _refuse_no_sample(template)
    try:
        _refuse_occupied(directory, sample_data=sample_data)
        return _write(template, directory, sample_data=sample_data, rows=rows)
    except OSError as error:
        raise PenstockError(
            f"cannot be written: {error.strerror or error}",
            where=str(error.filename or directory),
            hint="name a folder that you may write to",
        ) from error


def _refuse_unknown(template: str) -> None:
    if template not in TEMPLATES:
        raise PenstockError(
            f'unknown template "{template}"{did_you_mean(template, TEMPLATES)}',
            hint=f"templates: {', '.join(TEMPLATES)}",
        )


def _refuse_rows(rows: int | None, *, sample_data: bool) -> None:
    if rows is not None and not sample_data:
        raise PenstockError(
            "a number of rows goes with sample data, and none was asked for",
            hint="add --sample-data, or leave --rows out",
        )
    if rows is not None and rows < 1:
        raise PenstockError(f"sample data needs at least 1 row, found {rows}", hint="give --rows 1 or more")


def _refuse_no_sample(template: str) -> None:
    if template not in _SAMPLES:
        raise PenstockError(
            f'the template "{template}" has no sample data',
            hint=f"leave --sample-data out, or use: {', '.join(_SAMPLES)}",
        )


def _refuse_occupied(directory: Path, *, sample_data: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise PenstockError("is a file; a lake is a folder", where=str(directory), hint="name another folder")
    declaration = directory / _DECLARATION
    if declaration.is_symlink() or declaration.exists():
        raise PenstockError(
            "exists already; a lake is never overwritten",
            where=str(declaration),
            hint="name another folder, or edit the file",
        )
    raw = directory / "raw"
    if sample_data and raw.is_dir() and any(not path.name.startswith(".") for path in raw.iterdir()):
        raise PenstockError(
            "holds files already; sample data goes only into an empty folder",
            where=str(raw),
            hint="name another folder, or leave --sample-data out",
        )


def _write(template: str, directory: Path, *, sample_data: bool, rows: int | None) -> list[Path]:
    raw = directory / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    samples = _SAMPLES[template](raw, rows) if sample_data else []
    ignored = _write_ignored(directory)
    return [_write_declaration(template, directory), *ignored, *samples]


def _write_declaration(template: str, directory: Path) -> Path:
    source = resources.files("penstock.templates") / template / _DECLARATION
    text = source.read_text(encoding="utf-8").replace("lake: NAME\n", f"lake: {_lake_name(directory)}\n", 1)
    path = directory / _DECLARATION
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def _write_ignored(directory: Path) -> list[Path]:
    path = directory / ".gitignore"
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    missing = [line for line in _IGNORED if line not in before.splitlines()]
    if not missing:
        return []
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(gap + "\n".join([_IGNORED_REASON, *missing]) + "\n")
    return [path]


def _lake_name(directory: Path) -> str:
    decomposed = unicodedata.normalize("NFKD", directory.resolve().name)
    letters = decomposed.encode("ascii", "ignore").decode("ascii").lower()
    name = re.sub(r"[^a-z0-9_]+", "_", letters).strip("_")
    if not name:
        return "lake"
    return name if name[0].isalpha() and name not in _NOT_TEXT_IN_YAML else f"lake_{name}"


def _consultations(raw: Path, rows: int | None) -> list[Path]:
    from penstock.templates.consultations.sample import write_sample

    return write_sample(raw) if rows is None else write_sample(raw, rows)


def _immobilier(raw: Path, rows: int | None) -> list[Path]:
    from penstock.templates.immobilier.sample import write_sample

    return write_sample(raw) if rows is None else write_sample(raw, rows)


def _orders(raw: Path, rows: int | None) -> list[Path]:
    from penstock.templates.orders.sample import write_sample

    return write_sample(raw) if rows is None else write_sample(raw, rows)


_SAMPLES: dict[str, Callable[[Path, int | None], list[Path]]] = {
    "consultations": _consultations,
    "immobilier": _immobilier,
    "orders": _orders,
}
