"""Notices: who is told of what happened, and how the words reach them."""

from penstock.notices.check import problems_of
from penstock.notices.deliver import Delivery, Letter
from penstock.notices.notifier import Notifier, Post
from penstock.notices.outbox import FOLDER, Outbox
from penstock.notices.targets import Subscription, Target, subscriptions_of
from penstock.notices.template import read_template
from penstock.notices.wiring import notifier_of

__all__ = [
    "FOLDER",
    "Delivery",
    "Letter",
    "Notifier",
    "Outbox",
    "Post",
    "Subscription",
    "Target",
    "notifier_of",
    "problems_of",
    "read_template",
    "subscriptions_of",
]
