"""`penstock status --watch` and what `penstock logs` chooses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from penstock.lake import Lake
from tests.cli.conftest import COMMAND, call, environment, line_of, started

Make = Callable[[str, dict[str, str]], Path]
SHOP = 'lake: shop\ntables:\n  orders: {files: "o*.csv"}\n'


def test_status_is_shown_again_when_it_changes(make: Make) -> None:
    """`--watch` prints the whole again where nobody sees a screen; Ctrl-C ends it with 0."""
    folder = make(SHOP, {"o1.csv": "id\n1\n"})
    with started("-C", folder, "status", "--watch", "--json") as watching:
        assert json.loads(line_of(watching))["tables"][0]["finished"] == 0
        with Lake(folder) as lake:
            lake.run()
        while json.loads(line := line_of(watching))["tables"][0]["finished"] == 0:
            assert line
        watching.send_signal(signal.SIGINT)
        _out, err = watching.communicate(timeout=30)
    assert (watching.returncode, err) == (0, "")


def test_status_is_drawn_in_place_on_a_terminal(make: Make) -> None:
    """On a terminal the same lines are drawn again."""
    folder = make(SHOP, {"o1.csv": "id\n1\n"})
    leader, follower = os.openpty()
    command = [*COMMAND, "-C", str(folder), "status", "--watch"]
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment(TERM="xterm")
    ) as process:
        os.close(follower)
        shown = b""
        while shown.count(b"no run yet") < 3:
            shown += os.read(leader, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(leader)
    assert b"\x1b[" in shown


def test_logs_of_a_run_of_a_time_and_of_failures(make: Make) -> None:
    """`--run`, `--since`, `--failed` and `--table` choose lines; what cannot be a moment is refused."""
    folder = make(SHOP, {"o1.csv": "id\n1\n", "o2.csv": "", "o3.csv": "id\n3\n"})
    with Lake(folder) as lake:
        lake.run()
        run = lake.state.runs.list()[-1].run
    lines = [json.loads(line) for line in call("-C", folder, "logs", "--run", run, "--json").out.splitlines()]
    assert [(line["event"], line["run"]) for line in lines] == [("finished", run)]
    failed = call("-C", folder, "logs", "--failed").out
    assert "o2.csv  dead: " in failed
    assert "o1.csv" not in failed
    assert "o1.csv" in call("-C", folder, "logs", "--since", "10m").out
    none = call("-C", folder, "logs", "--since", "2999-01-01")
    assert (none.out, none.err) == ("", f"nothing of that kind has happened; penstock -C {folder} logs shows all\n")
    wrong = call("-C", folder, "logs", "--since", "yesterday")
    assert wrong.code == 2
    assert '"yesterday" is no moment' in wrong.err
