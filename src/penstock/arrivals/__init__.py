"""Arrivals: files that land, from being noticed to being rows."""

from penstock.arrivals.failing import Summary
from penstock.arrivals.keep import Keeper
from penstock.arrivals.noticing.discover import Discovery, discover, fingerprint, revive
from penstock.arrivals.noticing.recorder import Recorder
from penstock.arrivals.noticing.watch import Watcher
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.preview import Preview, Previewer
from penstock.arrivals.readmission.readmit import Readmission, Readmitter
from penstock.arrivals.readmission.sorting import Refused
from penstock.arrivals.staging.stage import Workshop
from penstock.arrivals.staging.through import Bench
from penstock.arrivals.work import Worker

__all__ = [
    "Bench",
    "Discovery",
    "Keeper",
    "Preview",
    "Previewer",
    "Readmission",
    "Readmitter",
    "Recorder",
    "Refused",
    "SourceSchema",
    "Summary",
    "Watcher",
    "Worker",
    "Workshop",
    "discover",
    "fingerprint",
    "revive",
]
