"""What the tests of upkeep say at the end of a session."""

TOLD: list[str] = []
