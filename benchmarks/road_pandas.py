"""The same with pandas, file by file in memory. Arguments: raw folder, output folder.

Lines with too many fields are skipped; lines with too few are filled up and cannot be told apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

NUMBERS = ("id_consultation", "id_centre", "patient_age", "montant")
BOUNDS = [-1, 12, 17, 64, 120]
GROUPS = ["enfant", "adolescent", "adulte", "senior"]


def main() -> None:
    """Turn every file into Parquet."""
    raw, out = Path(sys.argv[1]), Path(sys.argv[2])
    for file in sorted(raw.iterdir()):
        rows = pd.read_csv(file, dtype="str", keep_default_na=False, na_values=[""], on_bad_lines="skip")
        for name in NUMBERS:
            rows[name] = pd.to_numeric(rows[name], errors="coerce")
        day = pd.to_datetime(rows["date_consultation"], format="%Y-%m-%d", errors="coerce")
        age = rows["patient_age"]
        kept = (
            (age.isna() | age.between(0, 120))
            & rows["diagnostic"].notna()
            & (rows["diagnostic"].str.strip() != "")
            & (rows["date_consultation"].isna() | day.notna())
        )
        rows = rows[kept].assign(date_consultation=day[kept].dt.date, year=day[kept].dt.year, month=day[kept].dt.month)
        rows["age_group"] = pd.cut(rows["patient_age"], BOUNDS, labels=GROUPS).astype("str").replace("nan", None)
        rows["patient_age"] = rows["patient_age"].astype("Int64")
        named = rows.rename(columns={"id_consultation": "consultation_id", "id_centre": "centre_id", "sexe": "gender"})
        named.to_parquet(out / f"{file.stem}.parquet", compression="snappy", index=False)


if __name__ == "__main__":
    main()
