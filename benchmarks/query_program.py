"""Statements over the table `consultations`, by the product and bare. Arguments: the lake's folder, and how many turns.

Prints JSON: milliseconds of each turn by statement, and whether both gave the same rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb

import penstock
from penstock.naming import TableName

STATEMENTS = {
    "count": "SELECT count(*) FROM consultations",
    "group by": "SELECT age_group, count(*), sum(montant::DECIMAL(12, 2)) FROM consultations GROUP BY age_group",
    "filter": "SELECT count(*), min(medecin) FROM consultations WHERE date_consultation = DATE '2024-03-05'",
    "point": "SELECT * FROM consultations WHERE consultation_id = {id}",
    "join": (
        "SELECT a.centre_id, count(*) FROM consultations a JOIN (SELECT centre_id, max(montant) AS most FROM "
        "consultations GROUP BY centre_id) b ON a.centre_id = b.centre_id AND a.montant = b.most GROUP BY a.centre_id"
    ),
}
Rows = list[tuple[Any, ...]]


def main() -> None:
    """Ask and print."""
    folder, turns = sys.argv[1], int(sys.argv[2])
    with penstock.open(folder) as lake:
        head = lake.catalog.head(TableName.parse("consultations"))
        if head is None:
            sys.exit("the lake has no table `consultations`")
        relation = f"read_parquet({[file.path for file in head.files]})"
        some = lake.query("SELECT median(consultation_id)::BIGINT FROM consultations").fetchall()[0][0]
        found = {}
        for name, template in STATEMENTS.items():
            sql = template.format(id=some)
            found[name] = _compare(sql, lambda sql: lake.query(sql).fetchall(), _bare(relation), turns)
        print(json.dumps({"statements": found, "rows": head.rows, "files": len(head.files)}))


def _bare(relation: str) -> Callable[[str], Rows]:
    def ask(sql: str) -> Rows:
        connection = duckdb.connect()
        return connection.execute(sql.replace("consultations", relation)).fetchall()

    return ask


def _compare(sql: str, own: Callable[[str], Rows], bare: Callable[[str], Rows], turns: int) -> dict[str, Any]:
    ways = {"penstock": own, "bare": bare}
    answers = {name: sorted(map(repr, way(sql))) for name, way in ways.items()}  # the first time warms what is cached
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            ways[name](sql)
            times[name].append(round((time.perf_counter() - started) * 1000, 3))
    return {"sql": sql, "same": answers["penstock"] == answers["bare"], **times}


if __name__ == "__main__":
    main()
