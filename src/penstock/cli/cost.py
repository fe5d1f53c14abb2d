"""`penstock cost`: what the lake would cost on AWS in a month."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.deployable import region_of_the_tools
from penstock.cli.layout import Column, left, right, show, terminal_width, wrapped
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted, size

if TYPE_CHECKING:
    from penstock.deployment.cost import Bill, Part

NUMBER = click.IntRange(min=0)
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kKMGT]?B)$")
_FACTORS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
CENT = 0.005
SMALL = 100
SYMBOLS = ("GB", "TB")
"""Units that are written alike for one and for many."""
DATED = "prices are AWS's list prices of {} or later"
UNDATED = "prices are AWS's list prices as they came with Penstock; of which day they are was not recorded"
CALCULATOR = (
    "penstock cost --json names AWS's page for each, which says what it is today; AWS's own estimate: "
    "https://calculator.aws"
)
WHAT = Column("what", shortens=True)
"""What gives way on a narrow terminal: a bill without its amounts is none."""


class Bytes(click.ParamType[int]):
    """A size such as `10MB`; decimal, as AWS charges."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        found = _SIZE.match(str(value))
        if found is None:
            self.fail(f'"{value}" is no size; write it like 10MB or 1.5GB', param, ctx)
        return round(float(found[1]) * _FACTORS[found[2]])


@click.command("cost")
@click.option("--files", type=NUMBER, metavar="N", help="Files that land in a month.")
@click.option("--size", "file_size", type=Bytes(), metavar="SIZE", help="Size of a file, such as 10MB.")
@click.option("--months", type=NUMBER, metavar="N", help="Months of files that are kept.")
@click.option("--queries", type=NUMBER, metavar="N", help="Queries of Athena in a month.")
@click.option("--scanned", type=Bytes(), metavar="SIZE", help="What all these queries read, such as 10GB.")
@click.option("--mails", type=NUMBER, metavar="N", help="Mails to people in a month.")
@click.option("--region", metavar="REGION", help="Whose prices; as lake.yaml says, then as AWS's own tools do.")
@json_option("Print {region, total, idle, missing, idle_missing, volumes, services, parts: [{service, usd, ...}]}.")
@click.pass_obj
def command(session: Session, /, file_size: int | None, region: str | None, **given: int | None) -> None:
    """Say what the lake would cost on AWS in a month, part by part.

    Reckoned from list prices that come with Penstock; nobody is asked. Volumes that are not given are those of aws.cost
    in lake.yaml.
    """
    from penstock.declaration import load_deployed, read_text
    from penstock.deployment.cost import Volumes, monthly, prices_of

    declaration = load_deployed(read_text(session.folder))
    place = region or declaration.aws.region or _of_the_tools()
    prices = prices_of(place)
    volumes = Volumes.declared(declaration, size=file_size, **given)
    bill = monthly(declaration, volumes, prices)
    if session.json:
        emit(facts_of(bill))
        return
    _tell(bill, f"{prices.place}, {prices.region}", prices.oldest)
    next_steps([f"{session.call} cost --files 10000 --size 100MB", f"{session.call} cost --json"])


def facts_of(bill: Bill) -> dict[str, Any]:
    """A bill as `--json` shows it; these names are stable."""
    return {
        "region": bill.region,
        "currency": "USD",
        "total": bill.total,
        "idle": bill.idle,
        "missing": bill.missing,
        "idle_missing": bill.idle_missing,
        "volumes": vars(bill.volumes),
        "services": dict(bill.services),
        "parts": [vars(part) for part in bill.parts],
    }


def _of_the_tools() -> str:
    from penstock.errors import CostError

    found = region_of_the_tools()
    if not found:
        message = "prices differ from region to region, and none is named"
        raise CostError(message, hint="name one with --region, as aws.region in lake.yaml, or as AWS_REGION")
    return found


def _tell(bill: Bill, place: str, oldest: str | None) -> None:
    from penstock.deployment.cost import ASSUMPTIONS

    at = bill.volumes
    text = (
        f"A month in {place}: {counted(at.files, 'file')} of {size(at.size)}, kept for {counted(at.months, 'month')}; "
        f"{at.queries:,} queries that read {size(at.scanned)}; {counted(at.mails, 'mail')}"
    )
    for line in _lines(text):
        say(line)
    say()
    priced = sorted((part for part in bill.parts if part.usd is not None), key=lambda part: -(part.usd or 0))
    rows: list[list[str | None]] = [[part.service, part.what, amount(part), _dollars(part.usd or 0)] for part in priced]
    columns = [*left("service"), WHAT, *right("quantity", "USD")]
    show(columns, [*rows, ["", "total", "", _dollars(bill.total)], ["", "of which idle", "", _dollars(bill.idle)]])
    _tell_unpriced(bill)
    say()
    for assumption in ASSUMPTIONS:
        for line in _lines(f"- {assumption}"):
            say(dim(line))
    for line in _lines(f"- {DATED.format(oldest) if oldest else UNDATED}; {CALCULATOR}"):
        say(dim(line))


def _tell_unpriced(bill: Bill) -> None:
    if not bill.unpriced:
        return
    say()
    say(f"not priced, because no price of {bill.region} was found, and not in the total:")
    unpriced = sorted(bill.unpriced, key=lambda part: -part.elsewhere)
    rows: list[list[str | None]] = [
        [part.service, part.what, amount(part), _dollars(part.elsewhere)] for part in unpriced
    ]
    rows.append(["", "together", "", _dollars(bill.missing)])
    show([*left("service"), WHAT, *right("quantity", "USD in us-east-1")], rows)
    say()
    idle = bill.idle + bill.idle_missing
    text = (
        f"with these at the prices of us-east-1, it would be about {_dollars(bill.total + bill.missing)} USD in all, "
        f"{_dollars(idle)} of it idle"
    )
    for line in _lines(text):
        say(line)


def _lines(text: str) -> list[str]:
    return wrapped(text) if terminal_width() else [text]


def amount(part: Part) -> str:
    """A quantity with its unit, as people write it."""
    digits = 0 if part.quantity >= SMALL or part.quantity == int(part.quantity) else 2
    amount = f"{part.quantity:,.{digits}f}"
    return f"{amount} {part.unit}{'' if amount == '1' or part.unit in SYMBOLS else 's'}"


def _dollars(usd: float) -> str:
    return "0.00" if usd == 0 else "<0.01" if usd < CENT else f"{usd:,.2f}"
