"""What a declaration says of upkeep: how large data files are to be, and what of the past is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from penstock.declaration.strict import Strict

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
SIZES = {"kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
SMALLEST = 100_000


def seconds_of(text: str) -> float:
    """How long `90s`, `30m`, `12h`, `7d` or `2w` is."""
    return int(text[:-1]) * UNITS[text[-1]]


def bytes_of(text: str) -> int:
    """How much `500KB`, `128MB` or `1GB` is."""
    return int(text[:-2]) * SIZES[text[-2:]]


def _long_enough(text: str) -> str:
    if seconds_of(text) <= 0:
        message = f'"{text}" is no time at all'
        raise ValueError(message)
    return text


def _large_enough(text: str) -> str:
    if bytes_of(text) < SMALLEST:
        message = f'"{text}" is too small; the least is 100KB'
        raise ValueError(message)
    return text


Duration = Annotated[str, Field(pattern=r"^\d{1,9}\s*[smhdw]$"), AfterValidator(_long_enough)]
Size = Annotated[str, Field(pattern=r"^\d{1,9}\s*(?:[kK]B|MB|GB)$"), AfterValidator(_large_enough)]


class Upkeep(Strict):
    """How tables are kept small, fast and clean; what a table leaves out is as the lake says."""

    automatic: bool | None = None
    """Whether runs look after tables by themselves, a little after each commit; true when left out."""
    target_file_size: Size | None = Field(default=None, examples=["128MB"])
    """How large data files become: smaller ones are joined; 128MB when left out."""
    min_input_files: int | None = Field(default=None, ge=2, le=1_000, examples=[16])
    """How many small files of like size pile up before a run joins them; 16 when left out."""
    max_snapshots: int | None = Field(default=None, ge=1, examples=[100])
    """How many snapshots are kept at most; the newest stay, and those with a tag beside; 100 when left out."""
    max_snapshot_age: Duration | None = Field(default=None, examples=["7d"])
    """How old a snapshot becomes, if it is not among the `min_snapshots` newest; 7d when left out."""
    min_snapshots: int | None = Field(default=None, ge=1, examples=[10])
    """How many snapshots are kept however old they are, within `max_snapshots`; 10 when left out."""
    orphan_age: Duration | None = Field(default=None, examples=["1d"])
    """How long a file stays that nothing names any more; longer than any query takes; 1d when left out."""
