"""AWS's own library for pandas finds the tables in Glue's Data Catalog, and reads their files.

Its way of reading rows of Iceberg tables is Athena, whose answers moto makes up: that is not tried here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from penstock.tables.catalog import Described
from tests.aws.machines import COLUMNS, Machine, T
from tests.interop.environments import wrangler_python
from tests.told import say


def test_awswrangler_finds_and_reads_a_table(tmp_path: Path) -> None:
    """Its columns, types, comments, description, parameters and place are what the table has; so are its rows."""
    machine = Machine(tmp_path, "one")
    try:
        catalog = machine.catalog
        catalog.describe = lambda _table: Described("Visits.", {"name": "Who came."})
        catalog.create(T, COLUMNS, {"penstock.tag.supnum:Lab": "PROJET-5"})
        head = machine.commit(machine.staged("a", 1), machine.staged("b", 2))
        database, name = catalog.identifier(T)
        side = Path(__file__).with_name("wrangler_side.py")
        command = [str(wrangler_python()), "-W", "ignore", str(side), database, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["tables"], found["exists"], found["description"]) == (["t"], True, "Visits.")
        assert found["types"] == {"id": "bigint", "name": "string"}
        assert found["comments"] == {"id": "", "name": "Who came."}
        assert found["parameters"]["table_type"] == "ICEBERG"
        assert found["parameters"]["metadata_location"] == head.pointer
        assert found["parameters"]["supnum:Lab"] == "PROJET-5"
        assert found["location"] == catalog.location(T)
        assert found["rows"] == [[1, "a"], [2, "b"]]
        say("catalog on AWS", "awswrangler found a table, and read its files")
    finally:
        machine.heads.close()
