"""How much happens in a month: what a bill is reckoned for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from penstock.declaration import Declaration, bytes_of
from penstock.errors import CostError


@dataclass(frozen=True)
class Volumes:
    """A month of a lake.

    Attributes:
        files: Files that land.
        size: Bytes of one of them, on average.
        months: Months of files that are kept; storage is reckoned for a lake that is so old.
        queries: Queries of Athena.
        scanned: Bytes that all queries read together.
        mails: Mails to people, of notices and alarms.
    """

    files: int = 1_000
    size: int = 10_000_000
    months: int = 12
    queries: int = 200
    scanned: int = 20_000_000_000
    mails: int = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises CostError."""
        for at in fields(self):
            if getattr(self, at.name) < 0:
                message = f"{at.name} cannot be negative; found {getattr(self, at.name)}"
                raise CostError(message, hint="give 0 for a month in which it does not happen")

    @classmethod
    def none(cls) -> Volumes:
        """A month in which nothing happens, in a lake that has nothing."""
        return cls(files=0, size=0, months=0, queries=0, scanned=0, mails=0)

    @classmethod
    def declared(cls, declaration: Declaration, **given: int | None) -> Volumes:
        """What `aws.cost` says, else the defaults; `given` is stronger where it is not None."""
        said = declaration.aws.cost
        found: dict[str, Any] = {at.name: getattr(said, at.name) for at in fields(cls)}
        found = {name: bytes_of(value) if isinstance(value, str) else value for name, value in found.items()}
        found |= {name: value for name, value in given.items() if value is not None}
        return replace(cls(), **{name: value for name, value in found.items() if value is not None})
