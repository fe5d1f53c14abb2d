"""Who is told: the subscriptions of a declaration, with addresses, and with names for them that show no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.declaration import EMBEDDED, PLAIN_MAIL, Declaration, Notice, notice_name
from penstock.redaction import HOSTED, redacted

OUTBOX = "file:"


@dataclass(frozen=True)
class Target:
    """Where a message goes.

    Attributes:
        label: What it is called where people and programs read; never shows a secret.
        url: Its address.
    """

    label: str
    url: str


@dataclass(frozen=True)
class Subscription:
    """A notice and whom it tells.

    Attributes:
        name: The notice's name.
        notice: What is declared.
        targets: Whom it tells; each address once.
    """

    name: str
    notice: Notice
    targets: tuple[Target, ...]


def subscriptions_of(declaration: Declaration) -> list[Subscription]:
    """Every notice, with whom it tells; the embedded notice, when nothing is said of notices."""
    notices = [EMBEDDED] if declaration.notices is None else declaration.notices
    labels: dict[str, str] = {}
    found = []
    for at, notice in enumerate(notices):
        urls = dict.fromkeys(_addresses(notice, declaration))
        targets = tuple(Target(_label(url, role, labels), url) for url, role in urls)
        found.append(Subscription(notice_name(notice, at), notice, targets))
    return found


def deployed_notices(declaration: Declaration) -> list[tuple[str, Notice]]:
    """The notices that are deployed to AWS, with their names; none where the declaration says nothing of notices."""
    named = [(notice_name(notice, at), notice) for at, notice in enumerate(declaration.notices or ())]
    return [(name, notice) for name, notice in named if f"notices.{name}" not in declaration.aws.here_only]


def _addresses(notice: Notice, declaration: Declaration) -> Iterator[tuple[str, str]]:
    """Addresses, and the role for what goes to the outbox only because the role has no contact."""
    for receiver in notice.receivers:
        if ":" in receiver:
            yield receiver, ""
        else:
            contacts = declaration.access[receiver].contacts
            yield from ((contact, "") for contact in contacts)
            if not contacts:
                yield OUTBOX, receiver


def _label(url: str, role: str, labels: dict[str, str]) -> str:
    """A name for an address; addresses that would be called the same are numbered."""
    label = f"outbox for {role}" if role else redacted(plain_label(url))
    number, unique = 1, label
    while labels.setdefault(unique, url) != url:
        number += 1
        unique = f"{label} ({number})"
    return unique


def plain_label(url: str) -> str:
    """An address without anything that could give access."""
    if url == OUTBOX:
        return "outbox"
    if PLAIN_MAIL.match(url) or url.startswith(OUTBOX):
        return url
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if not HOSTED.match(scheme):
        return f"{scheme}://***"
    to = re.search(r"[?&]to=([^&]+)", rest)
    if scheme.startswith("mailto"):
        return f"{scheme}://{host}" + (f" to {to[1]}" if to else "")
    return f"{scheme}://{host}" + ("/***" if rest != authority else "")
