"""The machine and the versions that figures hold for."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("penstock", "duckdb", "pyarrow", "pyiceberg", "polars", "pandas")


def machine_line() -> str:
    """Machine and versions, in one line."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    known = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    machine = f"{cores} cores of {_processor()}, {memory:.0f} GB of memory, {platform.system()}"
    return f"{machine}; python {platform.python_version()}, {known}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
