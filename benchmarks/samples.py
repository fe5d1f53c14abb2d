"""Sample data, made once and kept, the truth about it, and judging what came out against that truth."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from measuring import PENSTOCK, PYTHON, Usage, run_process
from road_truth import KINDS

HERE = Path(__file__).parent
Truth = dict[str, dict[str, int]]
SAME, LENIENT = "same", "same but for empty last fields"
CUT, FILLED = "same, ragged lines taken in", "same, short lines taken in"
WORDS = {"strict": SAME, "lenient": LENIENT, "cut": CUT, "filled": FILLED}
"""What a table says of rows that are those of one of the kinds of truth."""
GROUPS = "SELECT age_group, count(*) AS rows FROM {rows} GROUP BY age_group"
SAMPLE = """
import sys
from pathlib import Path
from penstock.templates.create import create
create("consultations", Path(sys.argv[1]), sample_data=True, rows=int(sys.argv[2]))
"""
COUNT = """
import json, sys
import duckdb
print(json.dumps({str(name): rows for name, rows in duckdb.sql(sys.argv[1]).fetchall()}))
"""


def sample(data: Path, rows: int) -> Path:
    """The lake with that many rows of sample data, made when it is not there; its `lake.yaml` is written last."""
    lake = data / f"consultations-{rows}"
    if not (lake / "lake.yaml").exists():
        shutil.rmtree(lake, ignore_errors=True)
        data.mkdir(parents=True, exist_ok=True)
        print(f"making {rows:,} rows of sample data", flush=True)
        run_process([PYTHON, "-c", SAMPLE, str(lake), str(rows)])
    return lake


def many_files(data: Path, files: int, rows: int) -> Path:
    """A lake whose sample data stands in `files` files of `rows` records."""
    lake = data / f"consultations-{files}-files-of-{rows}"
    if not (lake / "lake.yaml").exists():
        source = sample(data, files * rows * 21 // 20 + 100)  # some more, for each file ends with a part
        run_process([PYTHON, __file__, str(source), str(lake), str(files), str(rows)])
    return lake


def cut(source: Path, lake: Path, files: int, rows: int) -> None:
    """Make that lake out of another one; in a process of its own, which needs memory."""
    shutil.rmtree(lake, ignore_errors=True)
    (lake / "raw").mkdir(parents=True)
    for number, (header, part) in enumerate(islice(_parts(source / "raw", rows), files)):
        with (lake / "raw" / f"consultations-{number:05}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *part])
    shutil.copy(source / "lake.yaml", lake)


def _parts(raw: Path, rows: int) -> Iterator[tuple[list[str], list[list[str]]]]:
    for path in sorted(raw.iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            records = csv.reader(file)
            header = next(records)
            while part := list(islice(records, rows)):
                if len(part) == rows:
                    yield header, part


def truth(lake: Path) -> Truth:
    """Rows by age group as plain Python counts them, in every way of reading; kept beside the sample."""
    kept = lake / "truth.json"
    found: Truth = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if tuple(found) != KINDS:
        print("counting the truth in plain Python", flush=True)
        output = run_process([PYTHON, str(HERE / "road_truth.py"), str(lake / "raw")]).output
        kept.write_text(output, encoding="utf-8")
        found = json.loads(output)
    return found


def fresh_lake(lake: Path, place: Path) -> None:
    """The same lake as new, its files linked."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "raw").mkdir(parents=True)
    shutil.copy(lake / "lake.yaml", place)
    for file in (lake / "raw").iterdir():
        os.link(file, place / "raw" / file.name)


def fresh_folder(place: Path, out: Path) -> None:
    """An empty folder `out` in `place`."""
    shutil.rmtree(place, ignore_errors=True)
    out.mkdir(parents=True)


@contextmanager
def passing(place: Path) -> Iterator[Path]:
    """A folder that is not there before, nor afterwards."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def judge_lake(place: Path, right: Truth, _usage: Usage) -> str:
    """Whether the lake's table has the rows."""
    sql = GROUPS.format(rows="consultations")
    answer = run_process([PENSTOCK, "-C", str(place), "query", "--format", "json", sql]).output
    return outcome({str(row["age_group"]): row["rows"] for row in _json_in(answer)}, right)


def judge_files(out: Path, right: Truth, _usage: Usage) -> str:
    """Whether the Parquet files have the rows."""
    sql = GROUPS.format(rows=f"read_parquet('{out}/*.parquet')")
    return outcome(json.loads(run_process([PYTHON, "-c", COUNT, sql]).output), right)


def outcome(found: dict[str, int], right: Truth) -> str:
    """Which truth the rows are, or by how many they differ from the strict one."""
    for kind in KINDS:
        if found == right[kind]:
            return WORDS[kind]
    groups = found.keys() | right["strict"].keys()
    differ = sum(abs(found.get(group, 0) - right["strict"].get(group, 0)) for group in groups)
    return f"differ by {differ:,}"


def _json_in(text: str) -> list[dict[str, int]]:
    """The JSON array in a command's output, which a line for people may follow."""
    found: list[dict[str, int]] = json.loads(text[: text.rindex("]") + 1])
    return found


if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
