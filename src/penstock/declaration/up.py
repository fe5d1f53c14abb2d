"""What a declaration says of `penstock up`: where it answers, how it ends, how much room it leaves, what it logs."""

from __future__ import annotations

from pydantic import Field

from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration, Size


class Up(Strict):
    """How a lake is kept alive."""

    port: int = Field(default=8321, ge=0, le=65_535, examples=[8321])
    """Where `/healthz` and `/metrics` are, on this machine only; 0 for any port that is free."""
    drain: Duration = Field(default="30s", examples=["2m"])
    """How long files at hand may take to be finished after SIGTERM; the others wait for the next start."""
    min_free: Size = Field(default="500MB", examples=["2GB"])
    """How much room stays on the lake's disks: with less, files wait until there is more."""
    log_size: Size = Field(default="50MB", examples=["10MB"])
    """How large a file of the log becomes before the next one is begun."""
    log_files: int = Field(default=5, ge=1, le=1_000, examples=[5])
    """How many full files of the log are kept; older ones are removed."""
