"""What a lake costs on AWS: a model of what it uses, and a table of list prices. Pure; nobody is asked.

Each price names AWS's page that says what it is today, and its day where that is known.
"""

from penstock.deployment.cost.bill import Bill, Part, monthly
from penstock.deployment.cost.model import ASSUMPTIONS, quantities
from penstock.deployment.cost.prices import Item, Price, Prices, items, prices_of, regions
from penstock.deployment.cost.volumes import Volumes

__all__ = [
    "ASSUMPTIONS",
    "Bill",
    "Item",
    "Part",
    "Price",
    "Prices",
    "Volumes",
    "items",
    "monthly",
    "prices_of",
    "quantities",
    "regions",
]
