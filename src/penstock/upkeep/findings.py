"""What a look at a lake found: each thing in one line, with its place, what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field

REPAIR = "penstock repair"
RESTORE = "put the file back from a copy"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: Stable name of the kind of finding, for programs.
        where: The table, file or store.
        what: What was found, and what it means.
        hint: What to do about it.
    """

    kind: str
    where: str
    what: str
    hint: str

    def __str__(self) -> str:
        """Give the one line."""
        return f"{self.where}: {self.what}; {self.hint}"


@dataclass
class Report:
    """What was looked at and what was found.

    Attributes:
        findings: What is not as it should be.
        notes: What people should know, and need not do anything about.
        tables: Tables looked at.
        files: Files looked at.
        bytes: Bytes read for it.
        rows: Rows of the tables.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: int = 0
    files: int = 0
    bytes: int = 0
    rows: int = 0

    def find(self, kind: str, where: object, what: str, hint: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, str(where), what, hint))

    def take(self, other: Report) -> None:
        """Add what another report says."""
        self.findings += other.findings
        self.notes += other.notes
        self.files, self.bytes = self.files + other.files, self.bytes + other.bytes
