"""awswrangler, as a program of its own: `wrangler_side.py DATABASE TABLE` prints what it finds of a table, as JSON.

It runs in an environment that `tests.interop.environments` makes. Rows of Iceberg tables it reads through Athena, which
nothing here stands for: the rows printed are those of the Parquet files below the table's location.
"""

from __future__ import annotations

import json
import sys

import awswrangler as wr  # type: ignore[import-not-found]


def main(database: str, table: str) -> None:
    """Print it."""
    location = wr.catalog.get_table_location(database=database, table=table)
    described = wr.catalog.table(database=database, table=table)
    rows = wr.s3.read_parquet(path=f"{location}/data/")
    found = {
        "tables": [one["Name"] for one in wr.catalog.get_tables(database=database)],
        "exists": wr.catalog.does_table_exist(database=database, table=table),
        "types": wr.catalog.get_table_types(database=database, table=table),
        "comments": dict(zip(described["Column Name"], described["Comment"], strict=True)),
        "description": wr.catalog.get_table_description(database=database, table=table),
        "parameters": wr.catalog.get_table_parameters(database=database, table=table),
        "location": location,
        "rows": sorted(map(list, rows.astype(object).to_numpy().tolist())),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
