"""The pages for machines: what is answered, and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse

import pytest

from penstock.errors import PortError, PortTakenError
from penstock.service.http import HEADERS, Http


def _page(headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    return 200, "text/plain", f"hello {headers.get('Accept', '')}".encode()


def _broken(_headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    raise RuntimeError("a secret path: /etc/shadow")


def _facts(_headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps({"lake": "shop", "folder": "/srv/shop", "pid": 7}).encode()


@pytest.fixture
def server() -> Iterator[Http]:
    """A server with three pages, on a free port."""
    http = Http(0, {"/page": _page, "/broken": _broken, "/healthz": _facts})
    http.start()
    yield http
    http.stop()


def ask(http: Http, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", http.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def raw(http: Http, text: str) -> str:
    """What comes back for these very bytes."""
    with socket.create_connection(("127.0.0.1", http.port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        found = b""
        while part := connection.recv(65536):
            found += part
    return found.decode()


def test_a_page_comes_with_headers_that_keep_browsers_out(server: Http) -> None:
    """A page is sent as it is, is not kept by anyone, and no other page may frame or read it."""
    response, body = ask(server, "/page?x=1", Accept="anything")
    assert (response.status, body) == (200, b"hello anything")
    assert {name: response.getheader(name) for name in HEADERS} == HEADERS
    assert response.getheader("Server") == "penstock"


def test_head_says_the_same_without_the_page(server: Http) -> None:
    """HEAD gives the headers of GET and no body."""
    response, body = ask(server, "/page", "HEAD")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "6", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_nothing_but_reading_is_answered(server: Http, method: str) -> None:
    """Every other method is refused, with those that are allowed."""
    response, body = ask(server, "/page", method)
    assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD")
    assert body == b"only GET and HEAD are answered\n"


@pytest.mark.parametrize("path", ["/", "/metrics/../page", "/../../etc/passwd", "/%2e%2e/page", "/page/"])
def test_there_is_nothing_but_the_pages(server: Http, path: str) -> None:
    """A path is a page's name or it is nothing: there are no folders to climb."""
    response, body = ask(server, path)
    assert (response.status, body) == (404, b"there is no such page; there are: /page /broken /healthz\n")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::2]", ""])
def test_other_names_are_refused(server: Http, host: str) -> None:
    """A web page elsewhere that points its own name at this machine reads nothing."""
    response, body = ask(server, "/page", Host=host)
    assert (response.status, body) == (421, b"this server is called 127.0.0.1 or localhost\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9000", "[::1]", "[::1]:8321", "127.0.0.1:1"])
def test_own_names_are_answered_on_any_port(server: Http, host: str) -> None:
    """The names of this machine are known, also where a port is forwarded."""
    assert ask(server, "/page", Host=host)[0].status == 200


def test_a_request_without_a_name_is_refused(server: Http) -> None:
    """HTTP/1.0 without a Host header reads nothing either."""
    assert "421" in raw(server, "GET /page HTTP/1.0\n\n").splitlines()[0]


def test_nonsense_is_refused_in_plain_text(server: Http) -> None:
    """What is no HTTP gets a refusal without markup, and the server goes on."""
    answer = raw(server, "NONSENSE\n\n")
    assert answer == "Bad request syntax ('NONSENSE')\n"
    assert ask(server, "/page")[0].status == 200
    assert ask(server, "/page")[0].status == 200


def test_an_error_shows_nothing_of_the_inside(server: Http, caplog: pytest.LogCaptureFixture) -> None:
    """A page that cannot be made says so; why stands in the log only."""
    response, body = ask(server, "/broken")
    assert (response.status, body) == (500, b"this page could not be made; see the log\n")
    assert "/etc/shadow" in caplog.text


def test_it_answers_this_machine_only(server: Http) -> None:
    """The port is open on the loopback address and on no other."""
    assert server._server.server_address[0] == "127.0.0.1"


def test_many_requests_on_one_connection(server: Http) -> None:
    """A connection may be used again, also after a refusal."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    found = []
    for path in ("/page", "/nothing", "/page"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        found.append(response.status)
    connection.close()
    assert found == [200, 404, 200]


def test_idle_connections_hold_nobody_up(server: Http) -> None:
    """Who connects and says nothing has a thread for a while; others are answered meanwhile."""
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(30)]
    assert ask(server, "/page")[0].status == 200
    for connection in idle:
        connection.close()


def test_a_port_that_another_up_has_names_it(server: Http) -> None:
    """The error says which lake is up on the port, in which process, and how to choose another."""
    with pytest.raises(PortTakenError) as raised:
        Http(server.port, {})
    assert str(raised.value) == (
        f"127.0.0.1:{server.port}: the port is taken by penstock up of the lake shop in /srv/shop (process 7)\n"
        "  choose another one with --port, or up.port in lake.yaml; 0 takes any that is free; --no-http does without"
    )


def test_a_port_that_another_program_has_says_so() -> None:
    """Where nobody answers like a lake, the error does not guess."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match="taken by another program"):
            Http(port, {})


def test_a_port_that_may_not_be_taken_is_no_taken_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal by the operating system is told as what it is."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socketserver.TCPServer.server_bind", refuse)
    monkeypatch.setattr("http.server.HTTPServer.server_bind", refuse)
    with pytest.raises(PortError, match="only be taken by the system's administrator") as raised:
        Http(80, {})
    assert not isinstance(raised.value, PortTakenError)


def test_the_port_is_free_again_after_the_stop() -> None:
    """Stopping lets go of the port at once."""
    first = Http(0, {})
    first.start()
    port = first.port
    first.stop()
    second = Http(port, {})
    assert second.port == port
    second.stop()
