"""The bare copy: one hand-written SELECT, no more than the rows need.

Arguments: raw folder, output folder; `--at-once` for one query over all files instead of one for each.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import duckdb

COLUMNS = (
    "id_consultation",
    "id_centre",
    "patient_age",
    "sexe",
    "diagnostic",
    "date_consultation",
    "montant",
    "medecin",
    "notes",
)
SELECT = """
SELECT id_consultation AS consultation_id, id_centre AS centre_id, patient_age, sexe AS gender, diagnostic,
       day AS date_consultation, montant, medecin, notes, year(day) AS year, month(day) AS month,
       CASE WHEN patient_age <= 12 THEN 'enfant' WHEN patient_age <= 17 THEN 'adolescent'
            WHEN patient_age <= 64 THEN 'adulte' WHEN patient_age IS NOT NULL THEN 'senior' END AS age_group
FROM (SELECT TRY_CAST(id_consultation AS BIGINT) AS id_consultation, TRY_CAST(id_centre AS BIGINT) AS id_centre,
             TRY_CAST(patient_age AS BIGINT) AS patient_age, sexe, diagnostic, date_consultation,
             TRY_CAST(date_consultation AS DATE) AS day, TRY_CAST(montant AS DOUBLE) AS montant, medecin, notes
      FROM {source})
WHERE (patient_age IS NULL OR patient_age BETWEEN 0 AND 120) AND diagnostic IS NOT NULL AND trim(diagnostic) <> ''
  AND (date_consultation IS NULL OR day IS NOT NULL)
"""


def main() -> None:
    """Copy every file, or all at once."""
    raw, out = Path(sys.argv[1]), Path(sys.argv[2])
    connection = duckdb.connect(
        config={
            "memory_limit": "300MB",
            "temp_directory": str(out / "spill"),
            "threads": len(os.sched_getaffinity(0)),
            "preserve_insertion_order": "false",
        }
    )
    files = sorted(raw.iterdir())
    for group in [files] if "--at-once" in sys.argv else [[file] for file in files]:
        target = out / f"{group[0].stem}.parquet"
        select = SELECT.format(source=_source(group))
        connection.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION snappy)")


def _source(files: list[Path]) -> str:
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
    return (
        f"read_csv({[str(file) for file in files]}, auto_detect=false, header=true, columns={{{columns}}}, "
        f"delim=',', quote='\"', escape='\"', nullstr='', encoding='utf-8', store_rejects=true)"
    )


if __name__ == "__main__":
    main()
