"""What a declaration says of files that land while the lake is up."""

from __future__ import annotations

from pydantic import Field

from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration


class Intake(Strict):
    """How files are taken in while `penstock up` runs."""

    settle: Duration = "1s"
    """How long a file must have been left alone where the file system does not tell who writes to it, such as a network
    disk; on a disk of the machine, a file is taken as soon as nobody has it open for writing."""
    workers: int = Field(default=2, ge=1, le=64)
    """How many files are worked on at the same time; the memory is shared out among them."""
