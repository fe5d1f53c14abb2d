"""How many points each sweep struck, for the summary that is printed at the end."""

from __future__ import annotations

from collections import Counter

POINTS: Counter[str] = Counter()
"""By the kind of fault."""
