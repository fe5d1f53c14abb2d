"""List prices of AWS, on demand, as they come with the package: per region, with the page that says them today.

A figure carries the day of the price list it was taken from, or `null` where that is not known. What was not found for
a region stands there as `null`: it is never filled in from another region, but a bill may say what it would be
elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from penstock.errors import CostError
from penstock.naming import did_you_mean

FILE = "prices.json"
ELSEWHERE = "us-east-1"
"""The region whose prices say about how much a figure is that was not found for another one; all of its are known."""


@dataclass(frozen=True)
class Item:
    """What AWS charges for: whose it is, per what, and the page that says how much."""

    name: str
    service: str
    unit: str
    page: str


@dataclass(frozen=True)
class Price:
    """What one unit costs in US dollars, and the day of the price list that says so; None where it is not known."""

    usd: float
    as_of: str | None


@dataclass(frozen=True)
class Prices:
    """A region's prices.

    Attributes:
        region: Its name for programs.
        place: Its name for people.
        known: Prices by item, as far as they are known.
        elsewhere: Those of the region that all prices are known of.
    """

    region: str
    place: str
    known: Mapping[str, Price]
    elsewhere: Mapping[str, Price]

    @property
    def oldest(self) -> str | None:
        """The day of the oldest of them; None unless the day of each is known."""
        days = [price.as_of for price in self.known.values()]
        return None if None in days else min(filter(None, days))


def items() -> dict[str, Item]:
    """Everything that there are prices for, by name."""
    return {name: Item(name, **facts) for name, facts in _document()["items"].items()}


def regions() -> tuple[str, ...]:
    """The regions that there are prices of."""
    return tuple(_document()["regions"])


def prices_of(region: str) -> Prices:
    """The prices of a region.

    Raises:
        CostError: There are none of it.
    """
    known = _document()["regions"]
    if region not in known:
        message = f'no prices are known of the region "{region}"{did_you_mean(region, list(known))}'
        raise CostError(message, hint=f"there are those of: {', '.join(known)}; name one with --region")
    facts = known[region]
    return Prices(region, facts["name"], _read(facts), _read(known[ELSEWHERE]))


def _read(facts: Mapping[str, Any]) -> dict[str, Price]:
    return {name: Price(**price) for name, price in facts["prices"].items() if price is not None}


@cache
def _document() -> dict[str, Any]:
    text = resources.files(__package__).joinpath(FILE).read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
