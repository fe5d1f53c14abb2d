"""Runs a deployed lake's functions out of an unpacked bundle, in a Python that has nothing but its standard library.

Usage: python -I -S -B from_bundle.py FOLDER EVENT_FILE SQL

FOLDER is what Lambda calls the task root. The event of EVENT_FILE is given to the function `intake`, an empty one to
`upkeep`, as Lambda does, and SQL is asked. The last line of the output says, as JSON, what came of it, and which
modules were loaded from anywhere else than FOLDER and the standard library: none, if the bundle is whole.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

MINUTES_15 = 900_000


class Context:
    """What Lambda says of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long it may still take."""
        return MINUTES_15


def main(root: str, event_file: str, sql: str) -> None:
    """Run the functions, and say what came of it."""
    assert not [place for place in sys.path if "site-packages" in place], sys.path
    sys.path.insert(0, root)
    os.environ["LAMBDA_TASK_ROOT"] = root
    began = time.perf_counter()
    from penstock.deployment import handlers

    imported = time.perf_counter() - began
    event: dict[str, Any] = json.loads(Path(event_file).read_text())
    answer = handlers.intake(event, Context())
    tended = handlers.upkeep({}, Context())
    from penstock.deployment.functions import opened

    rows = opened().lake.query(sql).fetchall()
    facts = {"answer": answer, "tended": tended, "rows": rows, "elsewhere": elsewhere(root), "imported": imported}
    print(json.dumps(facts, default=str))  # noqa: T201 - this is a program


def elsewhere(root: str) -> list[str]:
    """Modules that are neither of the bundle nor of the standard library."""
    own = {root, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    places = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return sorted(
        f"{name}: {file}"
        for name, file in places.items()
        if file and file != __file__ and not any(file.startswith(place) for place in own)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
