"""What a declaration says of messages to people: who is told of what, and where their messages go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from penstock.declaration.access import ROLE_NAME
from penstock.declaration.parse import Document, Path
from penstock.declaration.patterns import matches, pattern_problems
from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration
from penstock.errors import Problem
from penstock.naming import EventName, TableName, did_you_mean
from penstock.redaction import register_address

EventOrAll = Literal[EventName, "*"]
ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*:")
PLAIN_MAIL = re.compile(r"^mailto:(?!//)(?P<address>[^\s,;<>@/?]+@[^\s,;<>@/?]+)$")
SERVICE = re.compile(r"^[a-z][a-z0-9+.-]*://\S+$")
SERVER = re.compile(r"^(?:smtp|smtps|smtp\+insecure)://\S+$")
_AT_MOST = re.compile(r"^(?P<messages>[1-9]\d{0,5})/(?P<time>[1-9]\d{0,5}[smhd])$")


def _rate(text: str) -> str:
    if not _AT_MOST.match(text):
        message = f'must say how many messages in what time, like "20/1h"; found "{text}"'
        raise ValueError(message)
    return text


Rate = Annotated[str, AfterValidator(_rate)]
Digest = Annotated[str, Field(pattern=r"^\d{1,6}\s*[smhd]$")]
Addresses = Annotated[list[str], Field(min_length=1)]


class Mail(Strict):
    """The mail server behind plain addresses, `mailto:ops@example.org`."""

    server: str = Field(default="smtp://localhost:25", examples=["smtp://lake:${SMTP_PASSWORD}@mail.example.org:587"])
    """The server: `smtp://user:password@host:port`; with a password the connection is encrypted by STARTTLS, `smtps://`
    is encrypted from the start, and `smtp+insecure://` never."""
    from_: str | None = Field(default=None, alias="from", examples=["lake@example.org"])
    """The sender's address; penstock@ and the machine's name when left out."""


class Notice(Strict):
    """Who is told of what."""

    name: str | None = Field(default=None, pattern=ROLE_NAME.pattern, examples=["failures"])
    """What the notice is called; `notice_1` and so on when left out."""
    when: Annotated[list[EventOrAll], Field(min_length=1)] = Field(examples=[["dead", "alarm", "ok"]])
    """What is told: names of events, or `"*"` for all. `arrived`: files landed; `committed`: a run is done; `failed`:
    an attempt failed and is made again; `dead`: a file was given up; `breached`: a check was broken; `recovered`: what
    was dead is in; `replayed` and `discarded`: somebody saw to a dead file; `scheduled`: a schedule was due;
    `workflow`: a workflow ended; `alarm` and `ok`: an alarm went on and off."""
    to: str | Addresses = Field(examples=["finance"])
    """Roles, or URLs: `mailto:ops@example.org` through the mail server of `mail`, `file:` for the outbox, and those of
    apprise for everything else, such as `slack://...` and `jsons://...`; one, or a list."""
    tables: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, examples=[["orders", "curated.*"]])
    """Only events of these tables: names, or patterns with `*`. Everything, when left out."""
    digest: Digest = Field(default="1m", examples=["1m"])
    """For how long events are collected into one message; `0s` for none. The first failure or alarm after a silence is
    told at once, those that follow are collected."""
    at_most: Rate = "20/1h"
    """How many messages each of `to` gets in what time. What is over it waits, and goes into the next message."""
    keep_trying: Duration = Field(default="3d", examples=["3d"])
    """For how long a message is tried that cannot be delivered."""
    template: str | None = Field(default=None, min_length=1, examples=["notices/failures.txt"])
    """A text file in the lake's folder with the words of the message; the words are Penstock's when left out."""

    @property
    def receivers(self) -> list[str]:
        """What `to` says, as a list."""
        return [self.to] if isinstance(self.to, str) else list(self.to)

    @property
    def limit(self) -> tuple[int, str]:
        """How many messages, and in what time."""
        messages, _, time = self.at_most.partition("/")
        return int(messages), time

    def is_about(self, event: str, tables: Sequence[TableName] | None) -> bool:
        """Whether an event is told by this notice.

        Args:
            event: Its name.
            tables: What it is about: tables, with none of them the whole lake, and None when it is about no table.
        """
        if event not in self.when and "*" not in self.when:
            return False
        if self.tables is None:
            return True
        if tables is None:
            return False
        return not tables or any(matches(pattern, table) for pattern in self.tables for table in tables)


EMBEDDED = Notice(name="embedded", when=["dead", "alarm", "ok"], to="file:")
"""The notice of a lake whose declaration says nothing of notices."""


def notice_name(notice: Notice, at: int) -> str:
    """The name of the notice that stands at a place, from 0, in the list."""
    return notice.name or f"notice_{at + 1}"


# --- What no single model sees ----------------------------------------------------------------


def notice_problems(document: Document) -> Iterator[Problem]:
    """Check names of receivers, tables and notices, and how addresses are written; addresses are never quoted."""
    told = {problem.path for problem in document.problems}  # such as a variable that is not set
    yield from (problem for problem in _problems(document) if problem.path not in told)


def _problems(document: Document) -> Iterator[Problem]:
    value = document.value
    if not isinstance(value, dict):
        return
    roles, notices, mail = value.get("access"), value.get("notices"), value.get("mail")
    known = list(roles) if isinstance(roles, dict) else []
    yield from _contact_problems(document, roles if isinstance(roles, dict) else {})
    yield from _mail_problems(document, mail if isinstance(mail, dict) else {})
    names: dict[str, int] = {}
    for at, notice in enumerate(notices if isinstance(notices, list) else ()):
        if isinstance(notice, dict):
            path = ("notices", at)
            yield from _receiver_problems(document, (*path, "to"), notice.get("to"), known)
            yield from pattern_problems(document, (*path, "tables"), notice.get("tables"))
            name = notice.get("name") or f"notice_{at + 1}"
            if isinstance(name, str) and names.setdefault(name, at) != at:
                place = (*path, "name") if notice.get("name") else path
                yield document.problem(place, f'is the name of notices[{names[name]}], too: "{name}"')


def _contact_problems(document: Document, roles: Mapping[Any, Any]) -> Iterator[Problem]:
    for name, role in roles.items():
        contacts = role.get("contacts") if isinstance(role, dict) else None
        for at, contact in enumerate(contacts if isinstance(contacts, list) else ()):
            if isinstance(contact, str):
                register_address(contact)
                yield from _address_problems(document, ("access", name, "contacts", at), contact)


def _mail_problems(document: Document, mail: Mapping[str, Any]) -> Iterator[Problem]:
    server, sender = mail.get("server"), mail.get("from")
    if isinstance(server, str):
        register_address(server)
        if not SERVER.match(server):
            yield document.problem(("mail", "server"), 'must be written like "smtp://user:password@host:587"')
    if isinstance(sender, str) and not PLAIN_MAIL.match(f"mailto:{sender}"):
        yield document.problem(("mail", "from"), 'must be an address, like "lake@example.org"')


def _receiver_problems(document: Document, path: Path, to: Any, roles: list[str]) -> Iterator[Problem]:
    each = enumerate(to) if isinstance(to, list) else ((None, to),)
    for at, receiver in each:
        if not isinstance(receiver, str):
            continue
        place = path if at is None else (*path, at)
        if ADDRESS.match(receiver):
            register_address(receiver)
            yield from _address_problems(document, place, receiver)
        elif ROLE_NAME.match(receiver):
            if receiver not in roles:
                near = did_you_mean(receiver, roles) or f"; declared below access: {', '.join(roles) or 'none'}"
                yield document.problem(place, f'no role "{receiver}" is declared{near}')
        else:
            yield document.problem(place, f"must be a role or a URL, {_FORMS}")


_FORMS = 'like "mailto:ops@example.org", "file:" or "slack://..."'


def _address_problems(document: Document, place: Path, url: str) -> Iterator[Problem]:
    if url.startswith("file:") or PLAIN_MAIL.match(url) or SERVICE.match(url):
        return
    text = "must be one mail address, like" if url.startswith("mailto:") else "must be a URL, like"
    example = '"mailto:ops@example.org"' if url.startswith("mailto:") else _FORMS.removeprefix("like ")
    yield document.problem(place, f"{text} {example}")
