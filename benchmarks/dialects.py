"""How readers do on polluted CSV files: Penstock, DuckDB's sniffer, DuckDB told how each file is written, clevercsv.

    python benchmarks/dialects.py [--every N]

The files are those of the tests. `perfect`: every row that can be read is right, and what cannot is set aside;
`flagged`: all that is not right was set aside or carries a warning; `refused`: a clear error; `wrong`: something is
wrong in silence.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.formats.pollution import Polluted, corpus
from tests.formats.scoring import Outcome, Reader, ours, score, sniffer, told

VERDICTS = ("perfect", "flagged", "refused", "wrong")


def clever(file: Polluted, path: Path) -> Outcome:
    """The package clevercsv, where it is installed: its own detection, then its own reader."""
    import clevercsv  # type: ignore[import-not-found,unused-ignore]

    del file
    try:
        rows = clevercsv.read_table(str(path))
    except Exception as error:  # noqa: BLE001 - whatever it raises is a refusal
        return Outcome(refused=str(error) or type(error).__name__)
    return Outcome(rows[0] if rows else [], [[cell or None for cell in row] for row in rows[1:]])


def measured(files: list[Polluted], reader: Reader, folder: Path) -> tuple[Counter[str], int, float]:
    """Verdicts, cells that are wrong in silence, and seconds."""
    verdicts: Counter[str] = Counter()
    wrong, start = 0, time.perf_counter()
    path = folder / "file.csv"
    for file in files:
        path.write_bytes(file.content)
        found = score(file, reader(file, path))
        verdicts[found.verdict] += 1
        wrong += found.wrong
    return verdicts, wrong, time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take one file in so many (default: %(default)s)")
    files = corpus()[:: parser.parse_args().every]
    readers: dict[str, Reader] = {"Penstock": ours, "DuckDB sniffer": sniffer, "DuckDB told": told}
    try:
        import clevercsv as _clevercsv  # noqa: F401
    except ImportError:
        pass
    else:
        readers["clevercsv"] = clever
    print(f"{len(files):,} files of {len({file.kind for file in files})} kinds")
    print(f"{'':16}" + "".join(f"{verdict:>10}" for verdict in VERDICTS) + f"{'wrong cells':>13}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, reader in readers.items():
            verdicts, wrong, seconds = measured(files, reader, Path(folder))
            print(f"{name:16}" + "".join(f"{verdicts[verdict]:10,}" for verdict in VERDICTS), end="")
            print(f"{wrong:13,}{seconds:9.1f}")


if __name__ == "__main__":
    main()
