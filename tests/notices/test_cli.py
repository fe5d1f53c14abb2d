"""`penstock notices` and `penstock check`, on lakes with real servers; and no secret anywhere, ever."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

import penstock
from penstock import redaction
from penstock.cli.main import main
from tests.cli.conftest import Outcome, call
from tests.notices.servers import USER, Hook, MailServer, free_port, mail_server

CANARY = "c4nary+s3cret/pw"
TOKEN = "t0ken-5566-canary-xyz"  # noqa: S105 - made up
NO_WARNINGS = {"PYTHONWARNINGS": "ignore"}


def lake(folder: Path, notices: str, *files: str) -> Path:
    """A lake with notices, and files that are empty."""
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "lake.yaml").write_text(f"lake: shop\n{notices}\ntables:\n  orders: {{files: '*.csv'}}\n")
    for file in files:
        (folder / "raw" / file).write_bytes(b"")
    return folder


class Typed:
    """The command line, called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Read what is printed from `capsys`."""
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Outcome:
        """Call it, and give how it ended."""
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        return Outcome(code, printed.out, printed.err)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    """The command line, called in this process."""
    return Typed(capsys)


def ran(folder: Path) -> None:
    """Process what is there, and tell of it."""
    with penstock.open(folder) as opened:
        opened.run()
        opened.notifier().finish()


def test_list_show_and_retry(typed: Typed, tmp_path: Path) -> None:
    """What could not be delivered is listed, shown with its error and words, and sent by hand once that works."""
    port = free_port()
    mail = f"mail: {{server: 'smtp://127.0.0.1:{port}', from: lake@example.org}}"
    lake(tmp_path, f"{mail}\nnotices: [{{name: ops, when: [dead], to: 'mailto:ops@example.org'}}]", "a.csv")
    ran(tmp_path)
    (fact,) = typed("-C", tmp_path, "notices", "list", "--json").json()
    assert (fact["notice"], fact["target"], fact["waiting"], fact["sent"]) == ("ops", "mailto:ops@example.org", 1, 0)
    assert "is the server running" in fact["error"]
    shown = typed("-C", tmp_path, "notices", "show", "1")
    assert "message 1, waiting: ops to mailto:ops@example.org" in shown.out
    assert "[shop] orders: 1 file dead" in shown.out
    assert "a.csv" in shown.out
    failed = typed("-C", tmp_path, "notices", "retry")
    assert failed.code == 1
    assert "message 1 to mailto:ops@example.org: waiting" in failed.out
    with mail_server(port=port) as server:
        assert typed("-C", tmp_path, "notices", "retry", "1").code == 0
        assert server.subjects == ["[shop] orders: 1 file dead"]
    listed = typed("-C", tmp_path, "notices", "list").out
    assert "ops" in listed
    assert "no message has to be sent again" in typed("-C", tmp_path, "notices", "retry").out
    assert "no message has the number 7" in typed("-C", tmp_path, "notices", "show", "7").err


def test_messages_are_tried_one_by_one(typed: Typed, tmp_path: Path, smtp: MailServer, webhook: Hook) -> None:
    """`notices test` sends to every target at once and says of each what came of it, and what to do."""
    lake(
        tmp_path,
        f"mail: {{server: 'smtp://127.0.0.1:{smtp.port}'}}\n"
        "access: {finance: {contacts: ['mailto:finance@example.org']}}\nnotices:\n"
        f"  - {{name: uploads, when: [arrived], to: [finance, 'json://127.0.0.1:{webhook.port}/']}}\n"
        f"  - {{name: failures, when: [dead], to: 'json://127.0.0.1:{free_port()}/'}}",
    )
    good = typed("-C", tmp_path, "notices", "test", "uploads")
    assert good.code == 0
    assert "uploads to mailto:finance@example.org: delivered" in good.out
    assert smtp.subjects == ["[shop] test of uploads"]
    assert len(webhook.received) == 1
    bad = typed("-C", tmp_path, "notices", "test", "--json")
    assert bad.code == 1
    assert [one["delivered"] for one in bad.json()] == [True, True, False]
    assert "is the server running" in bad.json()[2]["hint"]
    unknown = typed("-C", tmp_path, "notices", "test", "uplods")
    assert 'no notice "uplods"; did you mean "uploads"?' in unknown.err


def test_outbox_of_a_lake_that_declares_nothing(typed: Typed, tmp_path: Path) -> None:
    """A lake on a laptop shows in its outbox what would have been sent."""
    lake(tmp_path, "", "a.csv", "b.csv")
    ran(tmp_path)
    (file,) = (tmp_path / ".penstock" / "outbox").iterdir()
    assert "Subject: [shop] orders: 2 files dead" in file.read_text()
    assert "embedded" in typed("-C", tmp_path, "notices", "list").out
    assert "nobody is told" in typed("-C", lake(tmp_path, "notices: []"), "notices", "list").out


def test_check_looks_at_addresses_and_templates(typed: Typed, tmp_path: Path) -> None:
    """Addresses that no service understands and templates that are not sound are problems with their places."""
    (tmp_path / "t.txt").write_text("a {cuont}")
    lake(
        tmp_path,
        "access: {ops: {contacts: ['slak://canary-canary/b']}}\nnotices:\n"
        "  - {when: [dead], to: ['slack://canary-canary-canary', ops], template: t.txt}\n"
        "  - {when: [dead], to: 'mailto://127.0.0.1', template: none.txt}",
    )
    found = typed("-C", tmp_path, "check")
    assert found.code == 1
    lines = found.err.split("\n") + found.out.split("\n")
    for start in (
        "lake.yaml:2:27 access.ops.contacts[0]: slak://***: the address cannot be understood: no service",
        "lake.yaml:4:25 notices[0].to[0]: slack://***: the address cannot be understood",
        'lake.yaml:4:73 notices[0].template: t.txt:1:3: nothing is called "cuont"; did you mean "count"?',
        "lake.yaml:5:24 notices[1].to: mailto://127.0.0.1: the address cannot be understood",
        "lake.yaml:5:56 notices[1].template: none.txt: the template cannot be read",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert "canary" not in found.out + found.err


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        *(("file:raw", "raw"), ("file:raw/letters", "raw"), ("file:out/../raw", "raw"), ("file:.", "raw")),
        *(("file:processed/x", "processed"), ("file:mine", "mine"), ("file:link/x", "raw"), ("file:/", "raw")),
        ("file:.penstock", ".penstock"),
    ],
)
def test_messages_stay_apart_from_the_data(typed: Typed, tmp_path: Path, address: str, kept: str) -> None:
    """A folder for messages in, at or above a zone or what Penstock keeps is a problem; one of its own is not."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    zones = "zones: {enriched: mine}\n"
    lake(
        tmp_path,
        zones + f"notices: [{{when: [dead], to: [ops, '{address}']}}]\naccess: {{ops: {{contacts: ['file:']}}}}",
    )
    found = typed("-C", tmp_path, "check")
    assert found.code == 1
    said = (
        f'lake.yaml:3:36 notices[0].to[1]: the folder of "{address}" is in, at or above {kept}/, which is Penstock\'s'
    )
    assert said in found.out + found.err
    lake(tmp_path, zones + "notices: [{when: [dead], to: ['file:', 'file:notices', 'file:raw-letters']}]")
    assert typed("-C", tmp_path, "check").code == 0


def test_sound_notices_pass_the_check(typed: Typed, tmp_path: Path) -> None:
    """Addresses of several services are sound without any network."""
    (tmp_path / "t.txt").write_text("Subject: {lake}\n\n{body}")
    lake(
        tmp_path,
        "access: {ops: {contacts: ['mailto:ops@example.org']}}\nnotices:\n"
        "  - {when: ['*'], to: [ops, 'file:', 'jsons://example.org/x', 'slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ',"
        " 'mailtos://user:pw123@gmail.com']}\n"
        "  - {when: [dead], to: ops, template: t.txt, tables: ['ord*'], digest: 5m, at_most: 3/1d}",
    )
    assert typed("-C", tmp_path, "check").code == 0


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_no_secret_is_ever_shown(typed: Typed, tmp_path: Path, webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """With logins that fail and services that refuse, no output, journal, outbox or state store holds a secret."""
    webhook.answers = [500, 403, 404] * 10
    with mail_server(login=True) as server:
        secret = {
            "SMTP_URL": f"smtp+insecure://{USER}:{quote(CANARY, safe='')}@127.0.0.1:{server.port}",
            "HOOK_TOKEN": TOKEN,
            **NO_WARNINGS,
        }
        lake(
            tmp_path,
            "mail: {server: '${SMTP_URL}', from: lake@example.org}\nnotices:\n"
            f"  - {{name: ops, when: [dead, arrived], to: ['mailto:ops@example.org', 'file:',"
            f" 'json://{USER}:${{HOOK_TOKEN}}@127.0.0.1:{webhook.port}/${{HOOK_TOKEN}}/hook?x=${{HOOK_TOKEN}}']}}",
            f"{TOKEN}.csv",
        )
        for name, value in secret.items():
            monkeypatch.setenv(name, value)
        outcomes = [call("-C", tmp_path, "run")]
        for command in COMMANDS:
            redaction.forget()
            outcomes.append(typed("-C", tmp_path, *command.split()))
        (tmp_path / "lake.yaml").write_text("lake: shop\nnotices: '${SMTP_URL}'\nmail: {server: ['${HOOK_TOKEN}']}\n")
        monkeypatch.setenv("PENSTOCK_DEBUG", "1")
        redaction.forget()
        outcomes.append(typed("-C", tmp_path, "run"))
    text = "".join(outcome.out + outcome.err for outcome in outcomes)
    assert "535" in text
    assert "403" in text
    assert "***" in text
    files = [file for file in (tmp_path / ".penstock").rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert {"state.db", "penstock.jsonl"} <= names
    assert any(file.parent.name == "outbox" for file in files)
    for found in (text.encode(), *(file.read_bytes() for file in files if "state.db" not in file.name)):
        for spelled in _spellings(CANARY) + _spellings(TOKEN):
            assert spelled not in found
    for file in files:
        for spelled in _spellings(CANARY):
            assert spelled not in file.read_bytes(), file


COMMANDS = (
    "check",
    "notices test --json",
    "notices list",
    "notices show 1 --json",
    "notices retry",
    "logs --json",
)


def _spellings(secret: str) -> list[bytes]:
    plain = secret.encode()
    login = f"{USER}:{secret}".encode()
    sasl = f"\0{USER}\0{secret}".encode()
    encoded = [base64.b64encode(text).rstrip(b"=") for text in (plain, login, sasl)]
    return [plain, quote(secret).encode(), quote(secret, safe="").encode(), *encoded]
