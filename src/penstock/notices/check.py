"""What can be known of notices before any is sent: addresses that a service understands, and sound templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from penstock.clock import SystemClock
from penstock.declaration import Declaration, Document
from penstock.errors import NoticeError, Problem
from penstock.notices.deliver import Delivery
from penstock.notices.targets import OUTBOX, Target, plain_label
from penstock.notices.template import read_template


def problems_of(document: Document, declaration: Declaration | None, folder: Path) -> Iterator[Problem]:
    """Look at every address and template of a declaration; nothing is sent, and no secret is shown."""
    if declaration is None:
        return
    delivery = Delivery(declaration.mail, folder, folder, SystemClock())
    for role, one in declaration.access.items():
        for at, url in enumerate(one.contacts):
            yield from _address(document, ("access", role, "contacts", at), url, delivery)
    for at, notice in enumerate(declaration.notices or ()):
        for number, receiver in enumerate(notice.receivers):
            place = ("notices", at, "to") if isinstance(notice.to, str) else ("notices", at, "to", number)
            if ":" in receiver:
                yield from _address(document, place, receiver, delivery)
        if notice.template is not None:
            try:
                read_template(folder, notice.template)
            except NoticeError as error:
                yield document.problem(("notices", at, "template"), str(error).replace("\n  ", "; "))


def _address(document: Document, place: tuple[str | int, ...], url: str, delivery: Delivery) -> Iterator[Problem]:
    if url.startswith(OUTBOX):
        return
    try:
        delivery.service(Target(plain_label(url), url))
    except NoticeError as error:
        yield document.problem(place, f"{error.where}: {error.what}; {error.hint}")
