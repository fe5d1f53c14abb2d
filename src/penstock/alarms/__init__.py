"""Alarms: what is measured, when that is too much, and that people hear of it when it begins and when it ends."""

from penstock.alarms.attend import Alarms
from penstock.alarms.decide import Decision, Measured, Rule, Standing, decide
from penstock.alarms.measure import Measurer
from penstock.alarms.watch import Watch, limit_of, watches

__all__ = ["Alarms", "Decision", "Measured", "Measurer", "Rule", "Standing", "Watch", "decide", "limit_of", "watches"]
