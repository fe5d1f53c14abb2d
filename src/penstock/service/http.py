"""Two pages for machines, on this machine only: `/healthz` and `/metrics`.

Nobody signs in, and nothing can be changed: whoever may start programs here may read them. Names other than this
machine's own are refused, so that no web page elsewhere can read them through a visitor's browser.
"""

from __future__ import annotations

import errno
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from penstock.errors import PortError, PortTakenError

log = logging.getLogger("penstock.service")

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")
PATIENCE_SECONDS = 10.0
ASKING_SECONDS = 1.0
STOP_SECONDS = 0.1
"""How long it may take to notice that it is to stop."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
TEXT = "text/plain; charset=utf-8"

Page = Callable[[Mapping[str, str]], tuple[int, str, bytes]]
"""Takes the headers of a request; gives status, content type and body."""


class Http:
    """Answers on a port of this machine until it is stopped."""

    def __init__(self, port: int, pages: Mapping[str, Page]) -> None:
        """Take the port (0 for any that is free).

        Raises:
            PortTakenError: Somebody else has it.
            PortError: It may not be taken.
        """
        handler = type("Handler", (_Handler,), {"served": dict(pages)})
        try:
            self._server = _Server((ADDRESS, port), handler)
        except OSError as error:
            raise _port_error(port, error) from error
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(STOP_SECONDS,), name="penstock-http", daemon=True)

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and let go of the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, _request: object, _client_address: object) -> None:
        """A client that went away is no news; all else goes to the log."""
        log.info("a request failed: %s", sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = PATIENCE_SECONDS
    protocol_version = "HTTP/1.1"
    served: ClassVar[dict[str, Page]] = {}

    def do_GET(self) -> None:
        """Send a page."""
        path = self.path.partition("?")[0]
        if not _is_own_name(self.headers.get("Host")):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, TEXT, b"this server is called 127.0.0.1 or localhost\n")
        elif page := self.served.get(path):
            try:
                self._send(*page(dict(self.headers.items())))
            except Exception:
                log.exception("%s could not be told", path)
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, b"this page could not be made; see the log\n")
        else:
            there = " ".join(self.served)
            self._send(HTTPStatus.NOT_FOUND, TEXT, f"there is no such page; there are: {there}\n".encode())

    do_HEAD = do_GET  # noqa: N815 - the library calls it so

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what cannot be understood, in plain text."""
        del explain
        self.close_connection = True
        refused = code == HTTPStatus.NOT_IMPLEMENTED  # a method for which there is no `do_...`
        status = HTTPStatus.METHOD_NOT_ALLOWED if refused else HTTPStatus(code)
        text = "only GET and HEAD are answered" if refused else (message or status.phrase)
        self._send(status, TEXT, f"{text}\n".encode(), {"Allow": "GET, HEAD"} if refused else {})

    def _send(self, status: int, kind: str, body: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """What the server says it is; versions are nobody's business."""
        return "penstock"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library calls it so
        """Requests are no news."""
        log.debug(format, *arguments)


def _is_own_name(host: str | None) -> bool:
    """Whether a request means this machine; ports may differ where they are forwarded."""
    if host is None:
        return False
    name = host.strip().lower()
    bare = name if name.endswith("]") else name.rpartition(":")[0] or name
    return bare in NAMES


def _port_error(port: int, error: OSError) -> PortError:
    where = f"{ADDRESS}:{port}"
    other = "choose another one with --port, or up.port in lake.yaml; 0 takes any that is free; --no-http does without"
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"the port is taken by {holder_of(port)}", where=where, hint=other)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PortError("the port may only be taken by the system's administrator", where=where, hint=other)
    return PortError(f"the port cannot be taken: {error.strerror or error}", where=where, hint=other)


def holder_of(port: int) -> str:
    """Who answers on a port of this machine, in words."""
    facts = asked(port)
    if facts is None:
        return "another program"
    return f"penstock up of the lake {facts['lake']} in {facts['folder']} (process {facts['pid']})"


def asked(port: int) -> dict[str, Any] | None:
    """What a `penstock up` on a port says of itself; None when it is none."""
    connection = HTTPConnection(ADDRESS, port, timeout=ASKING_SECONDS)
    try:
        connection.request("GET", "/healthz")
        facts = json.loads(connection.getresponse().read(100_000))
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    known = isinstance(facts, dict) and {"lake", "folder", "pid"} <= facts.keys()
    return facts if known else None
