"""Row accounting: rows in = rows out + dropped by rule + quarantined, or the run fails."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from penstock.engines import Fate, Rule, Written
from penstock.errors import AccountingError
from penstock.state import Accounting

MALFORMED = "malformed"


def account(written: Written, rules: tuple[Rule, ...], bytes_in: int, unread: int = 0) -> Accounting:
    """Say where a file's rows went; `unread` records were set aside before the engine saw the file.

    Raises:
        AccountingError: The figures do not add up; `rows_in` comes from the scan, the rest from the rules and the
        writer.
    """
    sums = _sums(rules, written.by_rule)
    figures = Accounting(
        rows_in=written.rows_in + unread,
        rows_out=written.rows_out,
        dropped=sums["dropped"],
        quarantined=sum(sums["quarantined"].values()) + len(written.rejected) + unread,
        bytes_in=bytes_in,
        bytes_out=written.bytes,
        added=sum(sums["added"].values()),
        warned=sums["warned"],
    )
    halted = sum(sums["halted"].values())
    if not (figures.adds_up if not halted else replace(figures, rows_out=figures.rows_out + halted).adds_up):
        added = f" and {figures.added} were added" if figures.added else ""
        raise AccountingError(
            f"{figures.rows_in} rows came in{added}, but {figures.rows_out} went out, "
            f"{sum(figures.dropped.values())} were dropped and {figures.quarantined} quarantined",
            hint="nothing was committed; please report this with the file, it is a defect",
        )
    return figures


def _sums(rules: tuple[Rule, ...], by_rule: tuple[int, ...]) -> dict[Fate, dict[str, int]]:
    """Rows by fate and name of rule; of what a step consumed and made of it, only the difference."""
    sums: dict[Fate, dict[str, int]] = {fate: {} for fate in get_args(Fate)}
    for rule, count in zip(rules, by_rule, strict=True):
        if count:
            sums[rule.fate][rule.name] = sums[rule.fate].get(rule.name, 0) + count
    for name, consumed in sums["consumed"].items():
        made = sums["added"].pop(name, 0)
        if consumed > made:
            sums["dropped"][name] = sums["dropped"].get(name, 0) + consumed - made
        elif made > consumed:
            sums["added"][name] = made - consumed
    return sums
