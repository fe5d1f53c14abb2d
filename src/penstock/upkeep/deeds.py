"""What a repair did, and what it could not do: each thing in one line, in the log too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.upkeep.findings import Finding


@dataclass(frozen=True)
class Deed:
    """One thing that was done.

    Attributes:
        kind: Stable name of the kind of thing, for programs.
        where: The table, file or store.
        what: What was done.
    """

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        """Give the one line."""
        return f"{self.where}: {self.what}"


@dataclass
class Repaired:
    """What a repair did.

    Attributes:
        told: Is told of each deed; not of those of a dry run.
        dry_run: Whether nothing is changed.
        deeds: What was done, or would be.
        left: What could not be mended, with what people can do about it.
        notes: What people should know.
    """

    told: Callable[[Deed], None]
    dry_run: bool = False
    deeds: list[Deed] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def do(self, kind: str, where: object, what: str, act: Callable[[], object] | None = None) -> None:
        """Do something and note it; in a dry run only note it."""
        if not self.dry_run and act is not None:
            act()
        self.did(kind, where, what)

    def did(self, kind: str, where: object, what: str) -> None:
        """Note something that was done."""
        deed = Deed(kind, str(where), what)
        self.deeds.append(deed)
        if not self.dry_run:
            self.told(deed)

    def leave(self, kind: str, where: object, what: str, hint: str) -> None:
        """Note what could not be mended."""
        self.left.append(Finding(kind, str(where), what, hint))
