"""The road of a bad file, end to end: dead, an alarm, a message; corrected, and its end is told as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.notices.servers import MailServer, body, mail_server
from tests.waiting import until

PENSTOCK = Path(sys.executable).with_name("penstock")
DECLARATION = """
lake: road
up: {port: 0}
tables:
  orders: {files: "*.csv"}
"""


def penstock(lake: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the command line."""
    return subprocess.run(
        [str(PENSTOCK), "-C", str(lake), *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def outbox(lake: Path) -> str:
    """Everything that lies in the outbox."""
    return "\n".join(file.read_text() for file in sorted((lake / ".penstock" / "outbox").rglob("*.txt")))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake whose declaration says nothing of alarms or notices."""
    folder = tmp_path / "lake"
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(DECLARATION)
    return folder


def test_by_cron_a_dead_letter_is_told_and_so_is_its_end(lake: Path) -> None:
    """Without anything declared, and by `penstock run` alone: dead, ALARM, a message; corrected, OK, a message."""
    (lake / "raw" / "bad.csv").write_text("")
    assert penstock(lake, "run").returncode == 3
    assert penstock(lake, "alarms", "--check").returncode == 1
    told = outbox(lake)
    assert "ALARM dead_letters" in told
    assert "the file is empty" in told
    (lake / "raw" / "bad.csv").write_text("id\n1\n")
    assert penstock(lake, "run").returncode == 0
    assert penstock(lake, "alarms", "--check").returncode == 0
    assert "no dead letter waits any more: bad.csv is in" in outbox(lake)


def test_while_up_a_dead_letter_is_mailed_and_so_is_its_end(lake: Path) -> None:
    """An empty file that lands ends as a dead letter, and a mail is sent; the corrected file ends the alarm."""
    with mail_server() as server:
        text = f"mail: {{server: 'smtp+insecure://127.0.0.1:{server.port}', from: lake@example.org}}\n"
        notices = "notices: [{when: [alarm, ok], to: 'mailto:ops@example.org', digest: 0s}]\n"
        (lake / "lake.yaml").write_text(f"{DECLARATION}{text}{notices}")
        up = subprocess.Popen([PENSTOCK, "-C", lake, "up", "--no-http"], stdout=subprocess.PIPE, text=True)
        with up:
            try:
                assert up.stdout is not None
                assert "watching" in up.stdout.readline()
                (lake / "raw" / "bad.csv").write_text("")
                assert until(lambda: _mailed(server, "1 dead letter waits: bad.csv (orders): the file is empty"))
                (lake / "raw" / "bad.csv").write_text("id\n1\n")
                assert until(lambda: _mailed(server, "no dead letter waits any more: bad.csv is in"))
            finally:
                up.terminate()
                up.communicate(timeout=60)
        assert up.returncode == 0
    assert [str(message["to"]) for message in server.received] == ["ops@example.org"] * 2


def _mailed(server: MailServer, text: str) -> bool:
    return any(text in body(message).replace("\n", " ") for message in server.received)
