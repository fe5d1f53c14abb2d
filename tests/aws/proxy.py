"""A wire between us and moto that can be made to fail: it answers by itself, or cuts an answer short.

A small HTTP proxy in front of moto's server. Each rule is asked for every request, and may answer in moto's place.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.aws import cloud

HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"})
"""Headers that are about one connection, or that the proxy says itself."""


@dataclass(frozen=True)
class Answer:
    """What is answered in moto's place.

    Attributes:
        status: The HTTP status.
        code: What S3 calls the error.
        text: What it says of it.
        after: Whether moto is asked all the same, and only its answer is lost.
        cut: Whether moto's answer breaks off in its middle instead.
        flip: Whether a bit of its body is flipped instead.
    """

    status: int = 500
    code: str = "InternalError"
    text: str = "no"
    after: bool = False
    cut: bool = False
    flip: bool = False

    @property
    def body(self) -> bytes:
        """As S3 writes errors."""
        return f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>{self.text}</Message></Error>".encode()


Rule = Callable[[str, str], Answer | None]
"""Given a method and a path with its query, what is answered in moto's place."""


@dataclass
class Wire:
    """The proxy while it runs: what to do to requests, and those that came."""

    rule: Rule = lambda _method, _path: None
    seen: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, method: str, times: int, answer: Answer, part: str = "") -> None:
        """Answer the next requests of a method, whose path has this part, so often in this way."""
        left, lock = [times], threading.Lock()

        def rule(asked: str, path: str) -> Answer | None:
            with lock:
                if asked != method or part not in path or left[0] == 0:
                    return None
                left[0] -= 1
                return answer

        self.rule = rule

    def count(self, method: str, part: str = "") -> int:
        """How many requests there were of a method, whose path has this part."""
        return sum(asked == method and part in path for asked, path in self.seen)


@contextmanager
def wire() -> Iterator[Wire]:
    """Let AWS's libraries of this process go through the proxy."""
    direct = cloud.start()
    made = Wire()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"made": made, "target": urlsplit(direct).netloc})
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cloud.point_at(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield made
    finally:
        cloud.point_at(direct)
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    made: Wire
    target: str

    def handle_one_request(self) -> None:
        """A client that hangs up is no error."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _any(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.made.seen.append((self.command, self.path))
        answer = self.made.rule(self.command, self.path)
        if answer is None:
            self._say(*self._ask(content))
        elif answer.cut or answer.flip:
            status, headers, body = self._ask(content)
            changed = bytes([body[0] ^ 1]) + body[1:] if answer.flip and body else body
            self._say(status, headers, changed, len(body) // 2 if answer.cut else None)
        else:
            if answer.after:
                self._ask(content)
            self._say(answer.status, {"Content-Type": "application/xml"}, answer.body)

    def _ask(self, content: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.target)
        connection.request(self.command, self.path, content, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        headers = {name: text for name, text in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length", "0")
        return answer.status, headers, body

    def _say(self, status: int, headers: dict[str, str], body: bytes, most: int | None = None) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:most])
        if most is not None:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815 - so the library names them
