"""Row accounting: rows in = rows out + dropped by rule + quarantined, or the run fails."""

from __future__ import annotations

from penstock.engines import Rule, Written
from penstock.errors import AccountingError
from penstock.state import Accounting

MALFORMED = "malformed"


def account(written: Written, rules: tuple[Rule, ...], bytes_in: int) -> Accounting:
    """Say where a file's rows went.

    Raises:
        AccountingError: The figures do not add up; `rows_in` comes from the scan, the rest from the rules and the
        writer.
    """
    dropped: dict[str, int] = {}
    quarantined = len(written.rejected)
    for rule, count in zip(rules, written.by_rule, strict=True):
        if rule.fate == "quarantined":
            quarantined += count
        elif count:
            dropped[rule.name] = dropped.get(rule.name, 0) + count
    figures = Accounting(written.rows_in, written.rows_out, dropped, quarantined, bytes_in, written.bytes)
    if not figures.adds_up:
        raise AccountingError(
            f"{figures.rows_in} rows came in, but {figures.rows_out} went out, {sum(dropped.values())} were dropped "
            f"and {quarantined} quarantined",
            hint="nothing was committed; please report this with the file, it is a defect",
        )
    return figures
