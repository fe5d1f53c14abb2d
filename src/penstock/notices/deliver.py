"""Delivery: one attempt to bring one message to one target, through apprise or into the outbox.

What apprise tells only in its log is caught there, so that an error can say what was tried and what came of it. apprise
is loaded with the first message that needs it; its own threads are not used, because a server that never answers would
keep the process from ending.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from penstock.clock import Clock
from penstock.declaration import PLAIN_MAIL, Mail
from penstock.errors import NoticeError
from penstock.naming import did_you_mean
from penstock.notices.outbox import FOLDER, Outbox
from penstock.notices.targets import OUTBOX, Target, plain_label
from penstock.redaction import redacted

if TYPE_CHECKING:
    from apprise import NotifyBase

TIMEOUT_SECONDS = 15.0
"""How long a server may take for each answer."""
_loading = threading.Lock()


@dataclass(frozen=True)
class Said:
    """A line of apprise's log."""

    level: int
    text: str


_said: dict[int, list[Said]] = {}
EXCEPTION = "Socket Exception"
_DETAIL = re.compile(r"(?P<kind>Socket Exception|Response Details)\s*:\s*(?P<text>.*)", re.DOTALL)
_HINTS = (
    (r"refused|Errno 111", "nothing listens there: is the server running, and are host and port right?"),
    (r"timed? ?out", "the server does not answer in time: is it busy, or does a firewall drop the connection?"),
    (r"getaddrinfo|Name or service|resolve|nodename", "the host is not known: is its name right?"),
    (r"\b53[0-9]\b|[Aa]uthentic|\b40[13]\b", "the server does not let us in: check user, password or token"),
    (r"certificate|CERTIFICATE|SSL|TLS", "the encrypted connection failed: check port, certificate and scheme"),
    (r"\b5[05][0-9]\b|refused recipient", "the server takes no such message: check sender and receiver"),
    (r"\b404\b", "the address is not there: check the URL"),
    (r"\b429\b", "the service takes no more messages for now"),
    (r"disconnected|closed|reset", "the server ended the connection in the middle; it is tried again"),
)
_FORMS = "how the URL of each service is written: https://github.com/caronc/apprise/wiki"
_HINT = "check the address in lake.yaml, and whether the service is up"


@dataclass(frozen=True)
class Letter:
    """What is delivered.

    Attributes:
        number: The message's number, or another name for it that is its own.
        created: When it was begun.
        tone: `failure`, `warning`, `success` or `info`.
    """

    number: str
    created: float
    subject: str
    body: str
    tone: str = "info"


Deliver = Callable[[Target, Letter], None]


class Delivery:
    """Delivers messages of one lake."""

    def __init__(self, mail: Mail, folder: Path, state_folder: Path, clock: Clock) -> None:
        """Use the mail server of `mail`; `folder` is the lake's, `state_folder` holds the outbox."""
        self._mail, self._folder, self._state_folder, self._clock = mail, folder, state_folder, clock

    def __call__(self, target: Target, letter: Letter) -> None:
        """Deliver a letter.

        Raises:
            NoticeError: It could not be delivered; says what was tried and what to do.
        """
        if target.url.startswith(OUTBOX):
            outbox = Outbox(self.outbox_folder(target.url), self._clock)
            outbox.put(letter.number, letter.created, target.label, letter.subject, letter.body)
            return
        with _overheard() as said:
            service = self.service(target)
            try:
                delivered = service.notify(
                    title=letter.subject, body=letter.body, body_format="text", notify_type=letter.tone
                )
            except (OSError, TypeError, ValueError, RuntimeError) as error:
                said.append(Said(logging.ERROR, f"{EXCEPTION}: {type(error).__name__}: {error}"))
                delivered = False
        if not delivered:
            raise self._failed(target, said)

    def _failed(self, target: Target, said: list[Said]) -> NoticeError:
        detail = redacted(_last(said))
        hint = next((hint for pattern, hint in _HINTS if re.search(pattern, detail)), _HINT)
        if PLAIN_MAIL.match(target.url) and self._mail == Mail():
            hint = "lake.yaml names no mail server: say it with mail: {server: ...}"
        return NoticeError(f"not delivered through {self.server(target)}: {detail}", where=target.label, hint=hint)

    def service(self, target: Target) -> NotifyBase:
        """The service behind an address.

        Raises:
            NoticeError: The address cannot be understood. What apprise says of it is not told: it quotes the address.
        """
        plain = PLAIN_MAIL.match(target.url)
        with _overheard(), _loading:
            try:
                made = self._mail_service(plain["address"]) if plain else _service(target.url)
            except (TypeError, ValueError):
                made = None
            near = "" if made or plain else _near(target.url)
        if made is None:
            raise NoticeError(f"the address cannot be understood{near}", where=target.label, hint=_FORMS)
        if "cto=" not in target.url and "rto=" not in target.url:
            made.socket_connect_timeout = made.socket_read_timeout = TIMEOUT_SECONDS
        return made

    def server(self, target: Target) -> str:
        """What is talked to, without secrets."""
        return plain_label(self._mail.server) if PLAIN_MAIL.match(target.url) else plain_label(target.url)

    def _mail_service(self, address: str) -> NotifyBase:
        from apprise.plugins.email import NotifyEmail

        parts = urlsplit(self._mail.server)
        make: Callable[..., NotifyBase] = NotifyEmail
        return make(
            host=parts.hostname or "localhost",
            port=parts.port or _port(parts.scheme, parts.password),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            smtp_host=parts.hostname or "localhost",
            secure_mode=_mode(parts.scheme, parts.password),
            from_addr=self._mail.from_ or _sender(),
            targets=[address],
        )

    def outbox_folder(self, url: str) -> Path:
        """The folder that an address names which starts with `file:`."""
        path = unquote(url.removeprefix(OUTBOX).removeprefix("//"))
        return self._folder / path if path else self._state_folder / FOLDER


def _service(url: str) -> NotifyBase | None:
    from apprise import Apprise

    return Apprise.instantiate(url)


def _near(url: str) -> str:
    """Whether another service was meant."""
    from apprise import Apprise

    scheme = url.partition(":")[0]
    known = {scheme for service in Apprise().details()["schemas"] for scheme in _schemes(service)}
    return "" if scheme in known else f': no service is called "{scheme}"{did_you_mean(scheme, known)}'


def _schemes(service: dict[str, Any]) -> list[str]:
    return [*(service["protocols"] or ()), *(service["secure_protocols"] or ())]


def _mode(scheme: str, password: str | None) -> str:
    if scheme == "smtps":
        return "ssl"
    return "starttls" if password and scheme == "smtp" else "insecure"


def _port(scheme: str, password: str | None) -> int:
    return {"ssl": 465, "starttls": 587}.get(_mode(scheme, password), 25)


def _sender() -> str:
    """An address of this machine, of a form that mail servers take."""
    from apprise.utils import parse

    is_address: Callable[[str], object] = parse.is_email
    address = f"penstock@{socket.gethostname()}"
    return address if is_address(address) else "penstock@localhost"


# --- What apprise says ------------------------------------------------------------------------


class _Ears(logging.Handler):
    """Keeps what each thread's attempt says."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        said = _said.get(threading.get_ident())
        if said is not None:
            said.append(Said(record.levelno, record.getMessage()))


@contextmanager
def _overheard() -> Iterator[list[Said]]:
    """What apprise logs in this thread meanwhile; nothing of it goes anywhere else, because it may show secrets."""
    logger = logging.getLogger("apprise")
    if not any(isinstance(handler, _Ears) for handler in logger.handlers):
        logger.addHandler(_Ears())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    here, before = threading.get_ident(), _said.get(threading.get_ident())
    said = _said[here] = before if before is not None else []
    try:
        yield said
    finally:
        if before is None:
            _said.pop(here, None)


def _last(said: list[Said]) -> str:
    """What of an attempt's log says most about why it failed: an exception, or the last warning with its answer."""
    found = [(match["kind"], match["text"].strip()) for line in said if (match := _DETAIL.search(line.text))]
    details = {kind: text for kind, text in found if text not in {"", "b''"}}
    warnings = [line.text for line in said if line.level >= logging.WARNING]
    parts = [details[EXCEPTION]] if EXCEPTION in details else [*warnings[-1:], *details.values()]
    return " ".join(": ".join(parts).split())[:500] or "no reason was given"
