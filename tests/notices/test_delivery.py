"""The way of one message: mail servers with logins and encryption, webhooks, the outbox, and errors that explain."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from penstock.clock import HeldClock
from penstock.declaration import Mail
from penstock.errors import NoticeError
from penstock.notices import Delivery, Letter, Target
from penstock.notices import deliver as deliver_module
from penstock.notices.outbox import KEPT_FILES, KEPT_SECONDS, Outbox
from penstock.notices.targets import plain_label
from penstock.redaction import register_address
from tests.notices.servers import PASSWORD, USER, Hook, MailServer, certificate, free_port, mail_server

LETTER = Letter("7", 1_700_000_000.0, "[shop] été: 1 file dead", "héllo\nwörld ✓ <b>not bold</b> & {x}")
OPS = "mailto:ops@example.org"
SECRET = quote(PASSWORD, safe="")


def send(folder: Path, url: str, server: str = "smtp://localhost:25", letter: Letter = LETTER) -> None:
    """Deliver a letter."""
    register_address(url)
    register_address(server)
    mail = Mail.model_validate({"server": server, "from": "lake@example.org"})
    Delivery(mail, folder, folder / ".penstock", HeldClock())(Target(plain_label(url), url), letter)


def failure(folder: Path, url: str, server: str = "smtp://localhost:25") -> str:
    """What is said of a letter that cannot be delivered."""
    with pytest.raises(NoticeError) as caught:
        send(folder, url, server)
    text = str(caught.value)
    assert PASSWORD not in text
    assert SECRET not in text
    return text


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate, which is trusted where the variable says so."""
    return certificate(tmp_path_factory.mktemp("tls"))


def test_subject_and_text_arrive_as_they_are(tmp_path: Path, smtp: MailServer) -> None:
    """Letters of all languages and marks of HTML arrive as written, as plain text."""
    send(tmp_path, OPS, f"smtp://127.0.0.1:{smtp.port}")
    assert smtp.subjects == [LETTER.subject]
    assert smtp.texts[0].strip() == LETTER.body
    assert smtp.received[0].get_body(("html",)) is None


def test_mail_through_the_url_of_a_service(tmp_path: Path, smtp: MailServer) -> None:
    """A whole mail URL of apprise works, too, and is sent as plain text."""
    url = f"mailto://127.0.0.1:{smtp.port}?from=lake@example.org&to=ops@example.org&mode=insecure"
    send(tmp_path, url)
    assert smtp.receivers == [["ops@example.org"]]
    assert smtp.texts[0].strip() == LETTER.body
    assert smtp.received[0].get_body(("html",)) is None


def test_login_over_an_encrypted_connection(tmp_path: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password the connection is encrypted before the password is sent, and the certificate is verified."""
    with mail_server(login=True, certificate=trusted) as server:
        url = f"smtp://{USER}:{SECRET}@localhost:{server.port}"
        assert "certificate" in failure(tmp_path, OPS, url)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        send(tmp_path, OPS, url)
        assert len(server.received) == 1


def test_wrong_password(tmp_path: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that is refused says so, and what to check; no password is shown."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with mail_server(login=True, certificate=trusted) as server:
        text = failure(tmp_path, OPS, f"smtp://{USER}:wrong{SECRET}@localhost:{server.port}")
    assert "535" in text
    assert "check user, password or token" in text
    assert f"smtp://localhost:{server.port}" in text


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_password_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    """A server without encryption does not get the password, unless lake.yaml says that it may."""
    with mail_server(login=True) as server:
        text = failure(tmp_path, OPS, f"smtp://{USER}:{SECRET}@127.0.0.1:{server.port}")
        assert "STARTTLS" in text
        send(tmp_path, OPS, f"smtp+insecure://{USER}:{SECRET}@127.0.0.1:{server.port}")
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("refusal", "said"), [("451 4.3.0 later", "451"), ("550 5.7.1 never", "550"), ("drop", "connection")]
)
def test_mail_server_refuses(tmp_path: Path, smtp: MailServer, refusal: str, said: str) -> None:
    """What the server answered is in the error."""
    smtp.refusals = [refusal]
    text = failure(tmp_path, OPS, f"smtp://127.0.0.1:{smtp.port}")
    assert said in text
    assert text.startswith(f"mailto:ops@example.org: not delivered through smtp://127.0.0.1:{smtp.port}: ")


def test_server_that_never_answers(tmp_path: Path, smtp: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is waited for a bounded time only."""
    monkeypatch.setattr(deliver_module, "TIMEOUT_SECONDS", 0.3)
    smtp.refusals = ["hang"]
    begun = time.monotonic()
    assert "timed out" in failure(tmp_path, OPS, f"smtp://127.0.0.1:{smtp.port}")
    assert time.monotonic() - begun < 10


def test_webhook_that_never_answers(tmp_path: Path, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a webhook."""
    monkeypatch.setattr(deliver_module, "TIMEOUT_SECONDS", 0.3)
    webhook.answers = [-1]
    assert "imed out" in failure(tmp_path, f"json://127.0.0.1:{webhook.port}/")


@pytest.mark.parametrize(("answer", "hint"), [(404, "check the URL"), (403, "token"), (500, "takes no such message")])
def test_webhook_refuses(tmp_path: Path, webhook: Hook, answer: int, hint: str) -> None:
    """The status is in the error, what to do as well, and neither password nor path."""
    webhook.answers = [answer]
    text = failure(tmp_path, f"json://{USER}:{SECRET}@127.0.0.1:{webhook.port}/T0KEN{SECRET}/abcdefghijkl123456")
    assert str(answer) in text
    assert hint in text
    assert "abcdefghijkl123456" not in text


def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection asks whether the server is running."""
    assert "is the server running" in failure(tmp_path, OPS, f"smtp://127.0.0.1:{free_port()}")
    assert "is the server running" in failure(tmp_path, f"json://127.0.0.1:{free_port()}/")


def test_address_that_no_service_understands(tmp_path: Path) -> None:
    """An address of an unknown service says so and shows no more of it than the service."""
    text = failure(tmp_path, f"slak://{SECRET}/b/c")
    assert text.startswith("slak://***: the address cannot be understood")


def test_names_cannot_add_lines_to_a_mails_head(tmp_path: Path, smtp: MailServer) -> None:
    """A subject with line ends, however it came to be, adds no header and no receiver."""
    letter = Letter("1", 0.0, "x\r\nBcc: evil@example.org\n\nbody", "text")
    try:
        send(tmp_path, OPS, f"smtp://127.0.0.1:{smtp.port}", letter)
    except NoticeError:
        assert smtp.received == []
    else:
        assert smtp.receivers == [["ops@example.org"]]
        assert smtp.received[0]["bcc"] is None


def test_outbox_is_readable_and_whole(tmp_path: Path) -> None:
    """A file per message, named after time and number; the same message again is the same file."""
    for _ in range(2):
        send(tmp_path, "file:")
    (file,) = (tmp_path / ".penstock" / "outbox").iterdir()
    assert file.name == "20231114T221320-7.txt"
    assert (
        file.read_text() == f"Subject: {LETTER.subject}\nTo: outbox\nDate: 2023-11-14T22:13:20.000Z\n\n{LETTER.body}\n"
    )


def test_outbox_in_another_folder(tmp_path: Path) -> None:
    """`file:` with a path writes into that folder of the lake."""
    send(tmp_path, "file:out/mail")
    assert len(list((tmp_path / "out" / "mail").glob("*.txt"))) == 1


def test_outbox_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that cannot be made is an error that names it."""
    (tmp_path / ".penstock").write_text("a file")
    assert "must be a folder that can be written to" in failure(tmp_path, "file:")


def test_outbox_stays_small(tmp_path: Path) -> None:
    """Messages that are old or too many go; files of other names stay, however old they are."""
    clock = HeldClock(time.time())
    outbox = Outbox(tmp_path, clock)
    for at in range(KEPT_FILES):
        (tmp_path / f"20200101T000000-{at}.txt").touch()
    (tmp_path / "mine.md").touch()
    mine = [tmp_path / name for name in ("orders-2025.txt", "20200101.txt", "20200101T000000.txt")]
    for file in mine:
        file.touch()
        os.utime(file, (clock.now() - KEPT_SECONDS - 1,) * 2)
    old = outbox.put("old", clock.now() - 10, "o", "s", "b")
    os.utime(old, (clock.now() - KEPT_SECONDS - 1,) * 2)
    new = outbox.put("new", clock.now(), "o", "s", "b")
    assert new.exists()
    assert not old.exists()
    assert (tmp_path / "mine.md").exists()
    assert all(file.exists() for file in mine)
    assert len(list(tmp_path.glob("*-*.txt"))) <= KEPT_FILES + 1
