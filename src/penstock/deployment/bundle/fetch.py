"""Unpacks wheels for the functions' machine, whatever machine this is: no container, no compiler.

uv does it where it is installed, because it keeps wheels and is done in a second; pip does it otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.deployment.bundle.packages import MACHINES, Package
from penstock.errors import BundleError
from penstock.redaction import redacted

LIBC = 28
"""glibc 2.28, which Amazon Linux 2023 (glibc 2.34) is newer than."""
LAST_LINES = 12


def fetch(packages: Sequence[Package], architecture: str, python: str, target: Path) -> None:
    """Unpack the wheels of `packages` in the empty folder `target`.

    Raises:
        BundleError: There is neither uv nor pip, or a wheel for that machine cannot be had.
    """
    wanted = target.with_suffix(".txt")
    wanted.write_text("".join(f"{package}\n" for package in packages))
    command = _command(architecture, python, target, wanted)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - made here
    wanted.unlink()
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:])
        message = f"the packages for {architecture} could not be fetched; {Path(command[0]).name} says:\n{said}"
        hint = (
            f"each needs a wheel for Linux on {MACHINES[architecture]} and Python {python}, of the version installed "
            f"here:\n{', '.join(map(str, packages))}"
        )
        raise BundleError(redacted(message), hint=hint)


def _command(architecture: str, python: str, target: Path, wanted: Path) -> list[str]:
    shared = ["--target", str(target), "--no-deps", "--only-binary", ":all:", "--python-version", python]
    machine = MACHINES[architecture]
    if uv := _uv():
        platform = ["--python-platform", f"{machine}-manylinux_2_{LIBC}", "--link-mode", "copy"]
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, *shared, *platform, "-r", str(wanted)]
    assert_pip()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(LIBC, 4, -1)]
    tags += [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    platform = [word for tag in tags for word in ("--platform", tag)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--implementation", "cp"]
    return [sys.executable, "-m", "pip", "install", *quiet, *shared, *platform, "-r", str(wanted)]


def _uv() -> str | None:
    """The program uv: beside this Python, or on the path; `PENSTOCK_BUNDLE_WITH=pip` passes it over."""
    if os.environ.get("PENSTOCK_BUNDLE_WITH") == "pip":
        return None
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def assert_pip() -> None:
    """Assert that this Python has pip. Raises BundleError."""
    import importlib.util

    if importlib.util.find_spec("pip") is None:
        message = "neither uv nor pip is there to fetch the packages of the functions"
        raise BundleError(message, hint="install one of them: python -m ensurepip, or pip install uv")
