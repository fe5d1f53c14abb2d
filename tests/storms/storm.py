"""What the storms share: chance that can be repeated, their sizes, and what they tell when they are over.

`PENSTOCK_SEED` repeats a storm. `PENSTOCK_STORM=full` makes the same storms larger; `make storm` sets it.
`PENSTOCK_STORM_SHARE=0.1` makes them a tenth of that, for trying them out.
"""

from __future__ import annotations

import os
import random

from tests.told import close, say

SEED = int(os.environ.get("PENSTOCK_SEED", "20261121"))
FULL = os.environ.get("PENSTOCK_STORM") == "full"
SHARE = float(os.environ.get("PENSTOCK_STORM_SHARE", "1"))


def size(usual: int, full: int) -> int:
    """How large a storm is: as CI runs it, or as `make storm` does."""
    return max(round((full if FULL else usual) * SHARE), 1)


def chance(storm: str) -> random.Random:
    """The chance that a storm is made of; storms do not share it, so each can be repeated alone."""
    return random.Random(f"{storm} {SEED}")


def tell(line: str) -> None:
    """Say a line at the end of the session, and below all of them how to repeat the storms."""
    say("storms", line)
    again = f"PENSTOCK_SEED={SEED}{' PENSTOCK_STORM=full' if FULL else ''}"
    close("storms", f"repeat them with {again} pytest tests/storms")
