"""A process that attends to workflows as `penstock up` does: held at moments that a test names.

Started as `python -m tests.workflow.racing FOLDER FROM UNTIL STEP`: waits for a line, then goes from one moment to the
next by itself, and ends when nothing is left to do.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from penstock.clock import HeldClock
from penstock.lake import Lake


def main(folder: str, start: str, until: str, step: str) -> None:
    """Attend from moment to moment."""
    clock = HeldClock(float(start))
    with Lake(Path(folder), clock) as lake:
        workflows = lake.workflows()
        workflows.attend()
        print("ready", flush=True)  # noqa: T201 - the test waits for it
        sys.stdin.readline()
        while clock.seconds < float(until):
            clock.seconds += float(step)
            workflows.attend()
        while workflows.busy or lake.state.workflows.active():
            workflows.attend()
            time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:5])
