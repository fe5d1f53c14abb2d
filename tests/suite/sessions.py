"""Small sessions of pytest, each a process of its own, that use the plugins of this suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = f"""
[pytest]
pythonpath = {ROOT}
addopts = -p no:cacheprovider
filterwarnings = error
timeout = 60
"""
CONFTEST = """
pytest_plugins = ["tests.parallel", "tests.told"]
"""


def session(folder: Path, files: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder with these files."""
    for name, text in {"pytest.ini": SETTINGS, "conftest.py": CONFTEST, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PENSTOCK", "COV"))}
    command = [sys.executable, "-P", "-m", "pytest", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**kept, "COLUMNS": "200"}, capture_output=True, text=True, timeout=100, check=False
    )
