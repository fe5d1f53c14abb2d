"""The examples of a service unit and a container say what the product can do."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import click

from penstock.cli.main import penstock as command_line
from penstock.declaration import Up, seconds_of

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "examples" / "systemd" / "penstock@.service"
CONTAINER = ROOT / "examples" / "container" / "Containerfile"
READMES = [UNIT.with_name("README.md"), CONTAINER.with_name("README.md")]
DIRECTIVE = re.compile(r"^[A-Z]+$")


def unit() -> ConfigParser:
    """The unit, as the service manager reads it."""
    parser = ConfigParser(strict=True, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT, encoding="utf-8")
    return parser


def directives() -> list[tuple[str, str]]:
    """Lines of the container file, those that go on joined."""
    text = CONTAINER.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, rest in lines]


def assert_callable(arguments: list[str]) -> None:
    """Make sure that the command line takes these arguments, without doing anything."""
    context = command_line.make_context("penstock", list(arguments), obj=None, resilient_parsing=True)
    name, *rest = [*context._protected_args, *context.args]
    command = command_line.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    options = {text for option in command.params for text in [*option.opts, *option.secondary_opts]}
    if isinstance(command, click.Group):
        return
    assert [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options] == []


def test_the_unit_is_well_formed() -> None:
    """It has the three sections of a unit, and the service manager's own check, where there is one, finds nothing."""
    parser = unit()
    assert parser.sections() == ["Unit", "Service", "Install"]
    service = parser["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "penstock"
    assert_callable(arguments)
    assert service["Restart"] == "on-failure"
    assert service["User"] not in {"", "root"}
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["WorkingDirectory"] == service["ReadWritePaths"]


def test_the_service_manager_finds_nothing_wrong(tmp_path: Path) -> None:
    """`systemd-analyze verify`, or where that is not installed the names of the keys, say that the unit is sound."""
    text = UNIT.read_text(encoding="utf-8")
    keys = [line.partition("=")[0] for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert len(keys) == len(set(keys)) > 25
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", key) for key in keys)
    analyzer = shutil.which("systemd-analyze")
    if analyzer is not None:
        instance = tmp_path / "penstock@shop.service"
        instance.write_text(text.replace("/opt/penstock/bin/penstock", "/bin/true"), encoding="utf-8")
        done = subprocess.run([analyzer, "verify", str(instance)], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if "penstock@shop" in line] == []


def test_the_unit_waits_longer_than_a_drain() -> None:
    """Nobody is killed while the files at hand are being finished."""
    assert seconds_of(unit()["Service"]["TimeoutStopSec"]) > seconds_of(Up().drain) + 10


def test_the_container_file_is_well_formed() -> None:
    """Known directives, an image given from outside, an account that is not root, and a command that exists."""
    found = directives()
    assert all(DIRECTIVE.match(name) for name, _ in found)
    values = dict(found)
    assert values["FROM"] == "${PYTHON_IMAGE}"
    assert values["USER"] == "10001"
    assert values["STOPSIGNAL"] == "SIGTERM"
    entry, command = eval(values["ENTRYPOINT"]), eval(values["CMD"])  # noqa: S307 - our own file
    assert entry == ["penstock"]
    assert_callable(command)
    port = command[command.index("--port") + 1]
    assert f"http://127.0.0.1:{port}/healthz" in values["HEALTHCHECK"]


def test_no_host_is_named_but_this_one() -> None:
    """Images and packages come from wherever the reader has them."""
    text = "".join(path.read_text(encoding="utf-8") for path in [UNIT, CONTAINER, *READMES])
    assert set(re.findall(r"https?://([^/:\s'\"]+)", text)) <= {"127.0.0.1"}
    assert not re.search(r"\b[\w-]+\.(io|com|org|net)\b", text)


def test_the_readmes_call_what_exists() -> None:
    """Every command that they show is one of the command line's, with options that it has."""
    called = [
        line.partition("penstock ")[2]
        for path in READMES
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s+penstock ", line) or re.match(r"(podman exec \w+ )?penstock ", line)
    ]
    assert len(called) >= 5
    for line in called:
        assert_callable(shlex.split(line))
