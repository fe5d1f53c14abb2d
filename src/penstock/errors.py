"""Every error that Penstock raises on purpose, and how it reads.

An error says where it happened, what was found, the rule that was broken and the next step. The text is part of
the product: tests hold snapshots of it. All classes share `PenstockError`, so a program needs one `except`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.redaction import redacted


class PenstockError(Exception):
    """Base of all errors that Penstock raises on purpose.

    Attributes:
        what: What was found and which rule it breaks, one sentence without a full stop.
        where: File, line, column or name the error belongs to; empty when there is none.
        hint: The next step for the person who reads it; empty when there is none.
        code: Stable name of the kind of error, shown in JSON output and in the documentation.
    """

    code = "error"

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        """Keep the three parts of the text apart so that JSON output can show them."""
        super().__init__(redacted(what))
        self.what = redacted(what)
        self.where = redacted(where)
        self.hint = redacted(hint)

    def __str__(self) -> str:
        """Give the whole text: `where: what` and, on a line of its own, the next step."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  {self.hint}" if self.hint else text


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a declaration, with the place it stands at.

    Attributes:
        file: Path as the user would write it.
        line: Line, from 1.
        column: Column, from 1.
        path: Dotted path below the document's root, such as `tables.orders.steps[2]`.
        text: What was found, the rule and, where one is known, the next step.
    """

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        """Give the line that is shown to people."""
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.path}: {self.text}" if self.path else f"{place} {self.text}"


class DeclarationError(PenstockError):
    """The declaration (`lake.yaml`) is wrong; carries every problem found, in file order."""

    code = "declaration"

    def __init__(self, problems: list[Problem]) -> None:
        """Sort the problems by place and count them."""
        self.problems = sorted(problems)
        count = len(self.problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
        self.count_line = f"{count} problem{'' if count == 1 else 's'} found"


class LakeNotFoundError(PenstockError):
    """No `lake.yaml` stands in the folder that was named."""

    code = "lake_not_found"


class BadFileError(PenstockError):
    """A file that arrived cannot become rows, whatever is tried; it ends as a dead letter."""

    code = "bad_file"


class DamagedFileError(BadFileError):
    """The engine cannot cut a file into records; it is read once more, record by record."""

    code = "damaged_file"


class ArchivedFileError(BadFileError):
    """An object lies in an archive, from which nothing can be read at once; once restored, it is tried again."""

    code = "archived"


class CheckHaltedError(BadFileError):
    """A check that halts was broken: the whole file is refused, the table stays as it was."""

    code = "check_halted"

    def __init__(self, what: str, *, findings: Sequence[Any] = (), hint: str = "") -> None:
        """Keep what came of all checks, for the record."""
        super().__init__(what, hint=hint)
        self.findings = list(findings)


class ExpressionError(BadFileError):
    """An expression of the declaration fails for some row; the file is read again, setting such rows aside."""

    code = "expression"


class RowsElsewhereError(BadFileError):
    """The rows that a file is to replace are in another writer's files, where they cannot be told from others."""

    code = "rows_elsewhere"


class FileChangedError(PenstockError):
    """A file changed while it was read; it is looked at again, nothing of the attempt is kept."""

    code = "file_changed"


class LeaseLostError(PenstockError):
    """Another worker has taken over the work; nothing of this attempt may be committed."""

    code = "lease_lost"


class WorkerLostError(PenstockError):
    """Processes ended, or fell silent, each time they worked on a file; it ends as a dead letter."""

    code = "worker_lost"


class PlanOutdatedError(PenstockError):
    """The table changed in a way that makes a plan stale; the plan must be made again."""

    code = "plan_outdated"


class CommitConflictError(PenstockError):
    """Other writers kept winning; the commit was given up after its attempts and changed nothing."""

    code = "commit_conflict"


class SupersededError(PenstockError):
    """Rows belong to a version of a file that a table no longer holds; nothing was changed."""

    code = "superseded"


class QuarantineError(PenstockError):
    """Rows of the quarantine cannot be shown, taken out or brought back as asked; nothing was changed."""

    code = "quarantine"


class AccountingError(PenstockError):
    """Rows in do not equal rows out plus dropped plus quarantined; the run fails and changes nothing."""

    code = "accounting"


class DeadLetterError(PenstockError):
    """Dead letters that were asked for are not there, or cannot be chosen as asked; nothing was changed."""

    code = "dead_letter"


class QueryError(PenstockError):
    """A query is not valid, or asks for something that queries may not do."""

    code = "query"


class AccessError(PenstockError):
    """A role asks for what it was not granted, or no role of that name is declared; nothing was read."""

    code = "access"


class AlarmNotFoundError(PenstockError):
    """No alarm has the name that was asked for."""

    code = "alarm_not_found"


class TableNotFoundError(PenstockError):
    """A table that was named exists neither in the declaration nor in the catalog."""

    code = "table_not_found"


class ColumnNotFoundError(PenstockError):
    """A column that was named is neither the table's nor its files'."""

    code = "column_not_found"


class CatalogError(PenstockError):
    """The catalog, which knows the tables, cannot be read."""

    code = "catalog"


class UnreadableTableError(CatalogError):
    """Another writer left a table so that reading it would show wrong rows; nothing is served."""

    code = "unreadable_table"


class OldCatalogError(CatalogError):
    """A table's folder holds newer metadata than the catalog names; nothing is removed from it."""

    code = "old_catalog"


class StateError(PenstockError):
    """The state store below `.penstock/` cannot be used."""

    code = "state"


class DamagedStateError(StateError):
    """The state store's file is not as it was written; it can be rebuilt from the tables."""

    code = "damaged_state"


class IntegrityError(PenstockError):
    """A file of a table is missing or not as it was written; nothing of it is served."""

    code = "integrity"


class SnapshotError(PenstockError):
    """A snapshot, tag or moment that was asked for is not there, or not any more."""

    code = "snapshot"


class PortError(PenstockError):
    """The port on which `penstock up` is to answer cannot be taken."""

    code = "port"


class PortTakenError(PortError):
    """Another process answers on the port; the error says which, where it can be told."""

    code = "port_taken"


class NoticeError(PenstockError):
    """A message could not be delivered, or what is declared of it is not sound; it is kept and tried again."""

    code = "notice"


class WorkflowError(PenstockError):
    """A workflow cannot be run as asked: there is none of that name, or it is going already."""

    code = "workflow"


class StepFailedError(PenstockError):
    """A step of a workflow failed; it is tried again as its `retry` says."""

    code = "step_failed"


class StepRefusedError(StepFailedError):
    """A step of a workflow failed, and trying again would not help."""

    code = "step_refused"


class AwsError(PenstockError):
    """AWS, or the way to it, did not do what was asked of it; the error says what AWS said."""

    code = "aws"


class AwsCredentialsError(AwsError):
    """Credentials or a region for AWS are missing, incomplete or no longer valid."""

    code = "aws_credentials"


class CommitUnknownError(AwsError):
    """AWS never said whether a commit landed, and it may still land: the files that it names must stay."""

    code = "commit_unknown"


class AwsDeniedError(AwsError):
    """AWS does not allow the credentials to do what was asked; the error names the permission."""

    code = "aws_denied"


class SecretError(AwsError):
    """A secret that `aws.secrets` names cannot be had, or is not what it is to be; no file was touched."""

    code = "secret"


class DeploymentError(AwsError):
    """A deployed lake could not be made, changed or removed; the error says what failed, why, and the way out."""

    code = "deployment"


class StackStuckError(DeploymentError):
    """The stack waits for somebody: an earlier operation did not come to a good end; nothing was done."""

    code = "stack_stuck"


class BundleError(PenstockError):
    """The code of a deployed lake's functions cannot be put together; nothing was deployed."""

    code = "bundle"


class CostError(PenstockError):
    """What a lake costs cannot be told as asked: no prices are known for a region, or a volume makes no sense."""

    code = "cost"
