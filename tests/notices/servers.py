"""A real mail server and a real receiver of webhooks on this machine, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "lake", "c4nary/s3cret pw+1"


class MailServer:
    """An SMTP server.

    Attributes:
        received: Messages that were taken.
        refusals: Answers for the next messages in place of taking them; `hang` never answers, `drop` ends the
            connection in the middle, `take and drop` does so after the message was taken.
        asked: How many messages were brought.
    """

    def __init__(self, *, login: bool = False, certificate: Path | None = None, port: int = 0) -> None:
        """Listen on a free port, or on `port`."""
        self.received: list[EmailMessage] = []
        self.receivers: list[list[str]] = []
        self.refusals: list[str] = []
        self.asked = 0
        self._connections: list[SMTP] = []
        self.port = port or free_port()
        self._stopped = False
        self._let_go = threading.Event()
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context,
            authenticator=self._authenticate if login else None,
            auth_required=login,
            auth_require_tls=context is not None,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Take a message, or do what was asked for."""
        self._connections.append(server)
        self.asked += 1
        refusal = self.refusals.pop(0) if self.refusals else ""
        if refusal == "hang":
            await asyncio.get_running_loop().run_in_executor(None, self._let_go.wait, 60)
            return "451 too late"
        if refusal and refusal != "take and drop":
            if refusal == "drop":
                _drop(server)
            return "451 " if refusal == "drop" else refusal
        content = envelope.content or b""
        whole = email.message_from_bytes(content if isinstance(content, bytes) else content.encode())
        parsed = email.message_from_bytes(whole.as_bytes(), policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.received.append(parsed)
        self.receivers.append(envelope.rcpt_tos)
        if refusal == "take and drop":
            _drop(server)
        return "250 taken"

    def start(self) -> None:
        """Listen."""
        self._controller.start()

    def stop(self) -> None:
        """Listen no more; those who wait for an answer get one."""
        self._let_go.set()
        if not self._stopped:
            self._stopped = True
            self._controller.loop.call_soon_threadsafe(self._end_connections)
            self._controller.stop()

    def _end_connections(self) -> None:
        """End what clients have not closed yet: the server leaves it open, for the collector to complain of."""
        for connection in self._connections:
            if isinstance(connection.transport, asyncio.WriteTransport):
                connection.transport.abort()

    @property
    def texts(self) -> list[str]:
        """The texts that were taken."""
        return [body(message) for message in self.received]

    @property
    def subjects(self) -> list[str]:
        """The subjects that were taken."""
        return [str(message["subject"]) for message in self.received]


def _drop(server: SMTP) -> None:
    """End a connection."""
    assert server.transport is not None
    server.transport.close()


def body(message: EmailMessage) -> str:
    """A message's text."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    """A mail server that listens meanwhile."""
    server = MailServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Hook:
    """A receiver of webhooks.

    Attributes:
        received: Bodies that were taken.
        answers: Statuses for the next requests; 0 ends the connection without one, -1 never answers.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.asked = 0
        self._let_go = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.asked += 1
                content = self.rfile.read(int(self.headers["Content-Length"]))
                answer = hook.answers.pop(0) if hook.answers else 200
                if answer == -1:
                    hook._let_go.wait(60)
                if answer <= 0:
                    self.close_connection = True
                    return
                if answer == 200:
                    hook.received.append(json.loads(content))
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = self._server.server_address[1]

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def hook() -> Iterator[Hook]:
    """A receiver of webhooks that listens meanwhile."""
    receiver = Hook()
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return int(there.getsockname()[1])


def certificate(folder: Path) -> Path:
    """A certificate of this machine with its key, in one file; signed by itself."""
    file = folder / "certificate.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", names, "-keyout", str(file), "-out", str(folder / "public.pem")),
        ],
        check=True,
        capture_output=True,
    )
    with file.open("ab") as both:
        both.write((folder / "public.pem").read_bytes())
    return file
