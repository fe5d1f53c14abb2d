"""How much memory an engine may use, where several of them share what there is."""

from __future__ import annotations

import os
import re

from penstock.engines.duckdb import MEMORY, MEMORY_VARIABLE


def memory_share(engines: int) -> str:
    """What each of several engines may use, as DuckDB writes it: `300MB` for one is `150MB` for each of two."""
    text = os.environ.get(MEMORY_VARIABLE, MEMORY)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\D*)", text)
    return f"{float(found[1]) / engines:g}{found[2].strip()}" if found else text
