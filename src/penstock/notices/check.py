"""What can be known of notices before any is sent: addresses that a service understands, and sound templates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from penstock.clock import SystemClock
from penstock.declaration import Declaration, Document
from penstock.errors import NoticeError, Problem
from penstock.notices.deliver import Delivery
from penstock.notices.targets import OUTBOX, Target, plain_label
from penstock.notices.template import read_template

STATE = ".penstock"


def problems_of(document: Document, declaration: Declaration | None, folder: Path) -> Iterator[Problem]:
    """Look at every address and template of a declaration; nothing is sent, and no secret is shown."""
    if declaration is None:
        return
    zones = declaration.zones
    kept = [folder / name for name in (zones.raw, zones.processed, zones.enriched, STATE)]
    delivery = Delivery(declaration.mail, folder, folder, SystemClock())
    for role, one in declaration.access.items():
        for at, url in enumerate(one.contacts):
            yield from _address(document, ("access", role, "contacts", at), url, delivery, kept)
    for at, notice in enumerate(declaration.notices or ()):
        for number, receiver in enumerate(notice.receivers):
            place = ("notices", at, "to") if isinstance(notice.to, str) else ("notices", at, "to", number)
            if ":" in receiver:
                yield from _address(document, place, receiver, delivery, kept)
        if notice.template is not None:
            try:
                read_template(folder, notice.template)
            except NoticeError as error:
                yield document.problem(("notices", at, "template"), str(error).replace("\n  ", "; "))


def _address(
    document: Document, place: tuple[str | int, ...], url: str, delivery: Delivery, kept: list[Path]
) -> Iterator[Problem]:
    if url.startswith(OUTBOX):
        yield from _outbox(document, place, url, delivery, kept)
        return
    try:
        delivery.service(Target(plain_label(url), url))
    except NoticeError as error:
        yield document.problem(place, f"{error.where}: {error.what}; {error.hint}")


def _outbox(
    document: Document, place: tuple[str | int, ...], url: str, delivery: Delivery, kept: list[Path]
) -> Iterator[Problem]:
    """Messages are no data of the lake: they stand apart from its zones, and from what Penstock keeps."""
    if url.removeprefix(OUTBOX) in {"", "//"}:
        return
    outbox = Path(os.path.realpath(delivery.outbox_folder(url)))
    for folder in kept:
        there = Path(os.path.realpath(folder))
        if outbox.is_relative_to(there) or there.is_relative_to(outbox):
            found = f'the folder of "{url}" is in, at or above {folder.name}/, which is Penstock\'s'
            rule = 'messages go into a folder apart from the lake\'s data, like "file:notices"'
            yield document.problem(place, f"{found}; {rule}")
            return
