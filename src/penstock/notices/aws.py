"""Messages of a deployed lake: each notice has a topic of its own, whose subscriptions are the addresses it tells.

Who gets what is as it is on one machine, digests and limits included; what differs is the last step, which is one
publication. AWS's mails tell a new address about its subscription first, and send nothing else until it is confirmed.
"""

from __future__ import annotations

import unicodedata

from penstock.aws import asking, client
from penstock.declaration import Declaration
from penstock.deployed import Deployed
from penstock.notices.deliver import Letter
from penstock.notices.targets import Subscription, Target, deployed_notices

ACTIONS = ("sns:Publish",)
LONGEST_SUBJECT = 99
LONGEST_BODY = 200_000


class TopicDelivery:
    """Publishes messages; keeps the contract of `Deliver`."""

    def __init__(self, region: str) -> None:
        """Publish in a region."""
        self._region = region

    def __call__(self, target: Target, letter: Letter) -> None:
        """Publish a letter to the topic whose ARN the target's address is.

        Raises:
            AwsError: It could not be published.
        """
        with asking("publish a message", target.label):
            client("sns", self._region).publish(
                TopicArn=target.url, Subject=_subject(letter.subject), Message=_body(letter.body)
            )


def topics_of(declaration: Declaration, deployed: Deployed) -> list[Subscription]:
    """The notices that the stack has topics for, each with its topic in the place of those whom it tells."""
    return [
        Subscription(name, notice, (Target(f"topic {deployed.stack}-notice-{name}", deployed.topic(name)),))
        for name, notice in deployed_notices(declaration)
    ]


def _subject(text: str) -> str:
    """A subject as SNS takes it: printable ASCII, shorter than 100 characters; accents are left out."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split())).encode("ascii", "ignore").decode()
    line = "".join(char for char in plain if char.isprintable())
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 3]}..."


def _body(text: str) -> str:
    """A text as SNS takes it, at most 256 KB; what is cut off is said."""
    if len(text.encode()) <= LONGEST_BODY:
        return text
    cut = text.encode()[:LONGEST_BODY].decode("utf-8", "ignore")
    return f"{cut}\n\n(the message was longer; the rest is in the log)"
