"""Contracts: what becomes of a file that differs from the table's earlier ones, column by column.

`evolve` takes the difference in, as far as nothing is lost; `freeze` refuses the file; `quarantine` sets the rows aside
that differ. The order of columns never matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.arrivals.planning.known import SourceSchema
from penstock.declaration import Table
from penstock.declaration.model import Contract
from penstock.engines import Engine, Work, Written
from penstock.errors import BadFileError
from penstock.naming import did_you_mean, literal
from penstock.quality.collect import Delivered, first_halted
from penstock.steps.source_types import CONTRACT

HINT = "nothing of the file is in the table; correct it, or say `contract: evolve` of the table or column in lake.yaml"


@dataclass(frozen=True)
class Contracts:
    """The contracts of a table's columns, by the names that files give them."""

    default: Contract
    columns: dict[str, Contract]

    @classmethod
    def of_table(cls, table: Table) -> Contracts:
        """Take what is declared."""
        own = {name.lower(): column.contract for name, column in table.columns.items()}
        return cls(table.contract, {name: contract for name, contract in own.items() if contract is not None})

    def of(self, name: str) -> Contract:
        """The contract of one column, its own or the table's."""
        return self.columns.get(name.lower(), self.default)


@dataclass(frozen=True)
class Difference:
    """How the columns of a file differ from those that are known.

    Attributes:
        taken: New columns that the table takes in.
        unwanted: New columns whose values set their rows aside.
        absent: Known columns that the file lacks; they are null.
        required: Known columns whose absence sets all rows aside.
        notes: What people should know.
    """

    taken: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


NONE = Difference()


def compare(known: SourceSchema, header: tuple[str, ...], contracts: Contracts) -> Difference:
    """Compare a file's columns with what is known.

    Raises:
        BadFileError: They differ where the contract is `freeze`.
    """
    lower = {name.lower() for name in header}
    new = [name for name in header if known.of(name) is None]
    missing = [name for name in known.columns if name.lower() not in lower]
    _assert_frozen_kept(new, missing, contracts)
    unwanted = tuple(name for name in new if contracts.of(name) == "quarantine")
    required = tuple(name for name in missing if contracts.of(name) == "quarantine")
    return Difference(
        taken=tuple(name for name in new if name not in unwanted),
        unwanted=unwanted,
        absent=tuple(name for name in missing if name not in required),
        required=required,
        notes=tuple(_notes(new, missing, unwanted, required)),
    )


def _assert_frozen_kept(new: list[str], missing: list[str], contracts: Contracts) -> None:
    found = [
        *(f'the new column "{name}"{did_you_mean(name, missing)}' for name in new if contracts.of(name) == "freeze"),
        *(f'no column "{name}"' for name in missing if contracts.of(name) == "freeze"),
    ]
    if found:
        raise BadFileError(f"the contract is freeze, and the file has {' and '.join(found)}", hint=HINT)


def _notes(new: list[str], missing: list[str], unwanted: Iterable[str], required: Iterable[str]) -> Iterable[str]:
    for name in new:
        what = "; rows with a value in it are set aside" if name in unwanted else ""
        yield f'new column "{name}"{did_you_mean(name, missing)}{what}'
    for name in missing:
        what = "all rows are set aside" if name in required else "its values are null"
        yield f'column "{name}" is missing; {what}'


def assert_kept(engine: Engine, work: Work, written: Written, delivered: Delivered, frozen: Iterable[str]) -> None:
    """Refuse the file where a value does not fit a column whose contract is `freeze`.

    Args:
        engine: Looks at the file once more.
        work: What was done with the file.
        written: What came of it.
        delivered: The file.
        frozen: Columns with that contract.

    Raises:
        BadFileError: One does not; names its line and the value.
    """
    if delivered.remarks is not None:
        _assert_read(delivered.remarks, frozen, engine)
    counted = zip(work.rules, written.by_rule, strict=True)
    if not any(count for rule, count in counted if rule.fate == "halted" and rule.name.startswith(f"{CONTRACT} ")):
        return
    row = first_halted(engine, work, written, delivered)
    if row is not None and row["rule"].startswith(f"{CONTRACT} "):
        line = f"line {row['line']}: " if row["line"] else ""
        raise BadFileError(f"{line}{row['reason']}; the contract is freeze", hint=HINT)
    message = "a value does not fit a column whose contract is freeze"
    raise BadFileError(message, hint=HINT)


def _assert_read(remarks: str, frozen: Iterable[str], engine: Engine) -> None:
    """Values within objects are judged while the file is read record by record."""
    rules = ", ".join(literal(f"type {name}") for name in frozen)
    sql = f"SELECT line, reason FROM read_parquet({literal(remarks)}) WHERE rule IN ({rules}) ORDER BY line LIMIT 1"
    found = engine.ask(sql) if rules else []
    for line, reason in found:
        raise BadFileError(f"line {line}: {reason}; the contract is freeze", hint=HINT)
