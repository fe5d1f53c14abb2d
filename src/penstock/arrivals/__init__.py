"""Arrivals: files that land, from being noticed to being rows."""

from penstock.arrivals.discover import Discovery, discover, fingerprint
from penstock.arrivals.finish import Summary
from penstock.arrivals.keep import Keeper
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.preview import Preview, Previewer
from penstock.arrivals.readmission.readmit import Readmission, Readmitter
from penstock.arrivals.readmission.sorting import Refused
from penstock.arrivals.stage import Workshop
from penstock.arrivals.through import Bench
from penstock.arrivals.work import Worker

__all__ = [
    "Bench",
    "Discovery",
    "Keeper",
    "Preview",
    "Previewer",
    "Readmission",
    "Readmitter",
    "Refused",
    "SourceSchema",
    "Summary",
    "Worker",
    "Workshop",
    "discover",
    "fingerprint",
]
