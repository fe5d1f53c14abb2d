"""What a newcomer does with each tool: install it, load one CSV file, ask how many rows each city has.

Arguments: the tool, an empty folder, the CSV file, and what to install. The last line printed is the answer as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

UV = str(Path(sys.executable).with_name("uv"))
QUESTION = "SELECT city, count(*) AS count FROM sales GROUP BY city"
DLT = """
import csv, json, sys
import dlt
pipeline = dlt.pipeline("sales", destination="duckdb", dataset_name="shop", pipelines_dir="pipelines")
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    pipeline.run(csv.DictReader(file), table_name="sales")
with pipeline.sql_client() as client, client.execute_query("SELECT city, count(*) FROM sales GROUP BY city") as rows:
    print(json.dumps(dict(rows.fetchall())))
"""
SQLMESH_CONFIG = """\
gateways:
  local: {connection: {type: duckdb, database: db.db}}
default_gateway: local
model_defaults: {dialect: duckdb, start: 2024-01-01}
disable_anonymized_analytics: true
"""
SQLMESH_MODEL = """\
MODEL (
  name shop.sales,
  kind SEED (path '../seeds/sales.csv'),
  columns (id BIGINT, city VARCHAR, amount DECIMAL(12, 2))
);
"""
SQLMESH_ASK = """
import json
from sqlmesh import Context
rows = Context(paths=".").fetchdf("SELECT city, count(*) AS count FROM shop.sales GROUP BY city")
print(json.dumps({city: int(count) for city, count in rows.itertuples(index=False)}))
"""


@dataclass(frozen=True)
class Job:
    """One tool.

    Attributes:
        packages: What is installed.
        work: Loads the file and gives the answer; called in an empty folder.
        note: What people type.
    """

    packages: tuple[str, ...]
    work: Callable[[Path, Path], dict[str, int]]
    note: str


def main() -> None:
    """Make the environment, install, load, ask."""
    tool, folder, sales, *packages = sys.argv[1:]
    os.chdir(folder)
    programs = Path(folder) / "venv" / "bin"
    _run(UV, "venv", "--quiet", "--python", sys.executable, "venv")
    _run(UV, "pip", "install", "--quiet", "--python", str(programs / "python"), *packages)
    print(json.dumps(JOBS[tool].work(programs, Path(sales))))


def _run(*command: str) -> str:
    """Run a program; what it says is shown when it fails."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "DO_NOT_TRACK": "1",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _penstock(programs: Path, sales: Path) -> dict[str, int]:
    penstock = str(programs / "penstock")
    _run(penstock, "init", "blank", "shop")
    declaration = Path("shop/lake.yaml")
    text = declaration.read_text(encoding="utf-8").replace("tables: {}", 'tables: {sales: {files: "sales*.csv"}}')
    declaration.write_text(text, encoding="utf-8")
    Path("shop/raw").mkdir(exist_ok=True)
    shutil.copy(sales, "shop/raw")
    _run(penstock, "-C", "shop", "run")
    return _counts(_run(penstock, "-C", "shop", "query", "--format", "json", QUESTION))


def _datasette(programs: Path, sales: Path) -> dict[str, int]:
    _run(str(programs / "sqlite-utils"), "insert", "shop.db", "sales", str(sales), "--csv")
    url = f"/shop.json?sql={QUESTION.replace(' ', '+')}&_shape=array"
    return _counts(_run(str(programs / "datasette"), "shop.db", "--get", url))


def _dlt(programs: Path, sales: Path) -> dict[str, int]:
    Path("load.py").write_text(DLT, encoding="utf-8")
    found: dict[str, int] = json.loads(_run(str(programs / "python"), "load.py", str(sales)).splitlines()[-1])
    return found


def _sqlmesh(programs: Path, sales: Path) -> dict[str, int]:
    for folder in ("seeds", "models"):
        Path(folder).mkdir()
    shutil.copy(sales, "seeds/sales.csv")
    Path("config.yaml").write_text(SQLMESH_CONFIG, encoding="utf-8")
    Path("models/sales.sql").write_text(SQLMESH_MODEL, encoding="utf-8")
    Path("ask.py").write_text(SQLMESH_ASK, encoding="utf-8")
    _run(str(programs / "sqlmesh"), "plan", "--auto-apply", "--no-prompts")
    found: dict[str, int] = json.loads(_run(str(programs / "python"), "ask.py").splitlines()[-1])
    return found


def _counts(text: str) -> dict[str, int]:
    return {row["city"]: row["count"] for row in json.loads(text)}


JOBS = {
    "penstock": Job(("penstock",), _penstock, "`init blank`, one line in lake.yaml, `run`, `query`."),
    "datasette": Job(("datasette", "sqlite-utils"), _datasette, "`sqlite-utils insert`, `datasette --get`."),
    "dlt": Job(("dlt[duckdb]",), _dlt, "a script of seven lines."),
    "SQLMesh": Job(("sqlmesh",), _sqlmesh, "a configuration, a seed model, `sqlmesh plan`, `fetchdf`."),
}

if __name__ == "__main__":
    main()
