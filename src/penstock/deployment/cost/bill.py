"""What a lake costs in a month, part by part: quantities times prices, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.declaration import Declaration
from penstock.deployment.cost.model import Quantity, quantities
from penstock.deployment.cost.prices import Item, Prices, items
from penstock.deployment.cost.volumes import Volumes


@dataclass(frozen=True)
class Part:
    """One line of a bill.

    Attributes:
        item: Its name in the price table.
        service: Whose it is.
        what: What for.
        quantity: How much.
        unit: Of what.
        price: US dollars for one unit; None where no price is known in the region.
        as_of: The day of the price list that says so; None where it is not known.
        usd: What it costs; None without a price, and then it is in no total.
        elsewhere: What it would cost in the region that all prices are known of.
        page: AWS's page of prices.
    """

    item: str
    service: str
    what: str
    quantity: float
    unit: str
    price: float | None
    as_of: str | None
    usd: float | None
    elsewhere: float
    page: str


@dataclass(frozen=True)
class Bill:
    """A month's costs in US dollars.

    Attributes:
        region: Where.
        volumes: What it was reckoned for.
        parts: Its lines.
        idle: What of the total would be there if nothing happened.
        idle_missing: What of `missing` would.
    """

    region: str
    volumes: Volumes
    parts: tuple[Part, ...]
    idle: float
    idle_missing: float = 0.0

    @property
    def total(self) -> float:
        """All parts that have a price."""
        return sum(part.usd for part in self.parts if part.usd is not None)

    @property
    def unpriced(self) -> tuple[Part, ...]:
        """The parts that have none; they are in no total."""
        return tuple(part for part in self.parts if part.usd is None)

    @property
    def missing(self) -> float:
        """What the parts without a price would cost in the region that all prices are known of."""
        return sum(part.elsewhere for part in self.unpriced)

    @property
    def services(self) -> Mapping[str, float]:
        """What each service costs, the dearest first; parts without a price are left out."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.service] = sums.get(part.service, 0.0) + (part.usd or 0.0)
        return dict(sorted(sums.items(), key=lambda one: (-one[1], one[0])))


def monthly(declaration: Declaration, volumes: Volumes, prices: Prices) -> Bill:
    """What a lake costs in a month with these volumes and prices."""
    known = items()
    parts = tuple(_part(quantity, known[quantity.item], prices) for quantity in quantities(declaration, volumes))
    idle = [_part(quantity, known[quantity.item], prices) for quantity in quantities(declaration, Volumes.none())]
    known_idle = sum(part.usd for part in idle if part.usd is not None)
    return Bill(prices.region, volumes, parts, known_idle, sum(part.elsewhere for part in idle if part.usd is None))


def _part(quantity: Quantity, item: Item, prices: Prices) -> Part:
    price = prices.known.get(item.name)
    return Part(
        item.name,
        item.service,
        quantity.what,
        quantity.amount,
        item.unit,
        None if price is None else price.usd,
        None if price is None else price.as_of,
        None if price is None else price.usd * quantity.amount,
        prices.elsewhere[item.name].usd * quantity.amount,
        item.page,
    )
