"""Penstock: a folder with a `lake.yaml` is a data lake.

import penstock

with penstock.open("consultations") as lake:
    lake.run()
    print(lake.query("SELECT age_group, count(*) FROM consultations GROUP BY age_group"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.version import __version__

__all__ = ["Lake", "PenstockError", "__version__", "open"]

if TYPE_CHECKING:
    from penstock.errors import PenstockError
    from penstock.lake import Lake
    from penstock.lake import open_lake as open  # noqa: A004 - reads as penstock.open


def __getattr__(name: str) -> Any:
    """Load on first use, so that `penstock --help` stays instant."""
    if name == "PenstockError":
        from penstock.errors import PenstockError

        return PenstockError
    if name in {"Lake", "open"}:
        from penstock import lake

        return lake.Lake if name == "Lake" else lake.open_lake
    message = f"module 'penstock' has no attribute {name!r}"
    raise AttributeError(message)
