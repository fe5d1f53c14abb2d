"""Bytecode for the functions: without it, each cold start compiles 900 modules anew, because Lambda keeps nothing.

It is only good for the version of Python that wrote it, so that version is looked for on this machine. It names no
moment and no folder of this machine: each file holds a hash of its source that is never checked again, as the source
cannot change, and the place where Lambda unpacks the zip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from penstock.errors import BundleError

TASK_ROOT = "/var/task"
"""Where Lambda unpacks the zip; tracebacks name files there."""
FOLDER = "__pycache__"
GIVEN = "PENSTOCK_BUNDLE_PYTHON"
"""Names the Python that writes bytecode, where it is found in no usual place."""


def compile_below(folder: Path, python: str) -> bool:
    """Write bytecode for all Python files below a folder; False when no Python of that version is there to do it.

    Raises:
        BundleError: It failed for another reason than a file that is not meant for that version.
    """
    interpreter = interpreter_of(python)
    if interpreter is None:
        return False
    words = ["-m", "compileall", "-qq", "-s", str(folder), "-p", TASK_ROOT, "--invalidation-mode", "unchecked-hash"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(  # noqa: S603 - made here
        [interpreter, "-I", "-S", *words, str(folder)], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode not in {0, 1}:  # 1: some file is no Python of that version, such as a template
        message = f"bytecode for Python {python} could not be written: {done.stderr.strip()[-500:]}"
        raise BundleError(message, where=interpreter)
    return True


@cache
def interpreter_of(python: str) -> str | None:
    """A Python of a version, such as `3.13`, on this machine."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [os.environ.get(GIVEN), shutil.which(f"python{python}"), _by_uv(python), *_by_pyenv(python)]
    return next((one for one in candidates if one is not None and _version(one) == python), None)


def _by_uv(python: str) -> str | None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        return None
    command = [uv, "python", "find", "--no-project", "--no-python-downloads", python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - made here
    return done.stdout.strip() or None if done.returncode == 0 else None


def _by_pyenv(python: str) -> list[str]:
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return sorted(map(str, versions.glob(f"{python}.*/bin/python")), reverse=True)


def _version(interpreter: str) -> str:
    command = [interpreter, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - made here
    except OSError:  # no program
        return ""
    return done.stdout.strip()


def source_of(name: str) -> str:
    """The source of `a/__pycache__/b.cpython-313.pyc`, which is `a/b.py`; any other name as it is."""
    folder, slash, file = name.rpartition("/")
    if not file.endswith(".pyc") or folder.rpartition("/")[2] != FOLDER:
        return name
    above = folder.removesuffix(FOLDER)
    return f"{above}{file.split('.')[0]}.py" if slash else name
