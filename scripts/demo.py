"""The demonstration that `make demo` runs: a lake from nothing to answers, on realistic and on real data.

It makes the `consultations` lake with its dirty sample data, adds two public data sets (airports of the United States
and four years of Seattle's weather), and runs the commands that a user would type. Then it makes the `immobilier` lake,
whose files are each written in another way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from vega_datasets import local_data

HERE = Path.cwd()
PLACE = Path("demo") / "consultations"
LISTINGS = Path("demo") / "immobilier"
ROWS = 50_000
MORE_TABLES = """
  airports:                              # a public data set: every US airport
    files: "airports/*.csv"
    steps:
      - rename: {iata: airport_id}

  weather:                               # a public data set: Seattle, 2012 to 2015
    files: "weather/*.csv"
    steps:
      - parse: {date: {type: date, format: "%Y/%m/%d"}}
      - derive: {month: month(date)}
"""
AGE_GROUPS = """
SELECT age_group, count(*) AS consultations, round(avg(montant), 2) AS average_fee
FROM consultations
GROUP BY age_group
ORDER BY consultations DESC
"""
FLU_AND_WEATHER = """
WITH flu AS (SELECT month, count(*) AS flu_cases FROM consultations WHERE diagnostic LIKE 'Grippe%' GROUP BY month),
     cold AS (SELECT month, round(avg(temp_min), 1) AS coldest_avg FROM weather GROUP BY month)
SELECT month, flu_cases, coldest_avg FROM flu JOIN cold USING (month) ORDER BY month
"""
SET_ASIDE = """
SELECT file, line, reason FROM penstock.quarantine ORDER BY file, line LIMIT 5
"""
PRICES = """
SELECT source, count(*) AS listings, count(prix_m2) AS with_prix_m2, round(median(prix_m2)) AS median_prix_m2
FROM annonces
GROUP BY source
ORDER BY listings DESC
"""
WHY_SET_ASIDE = """
SELECT column_name, count(*) AS rows, min(reason) AS for_example
FROM penstock.quarantine
GROUP BY column_name
ORDER BY column_name
"""
NEXT = f"""
What to try next, in {PLACE}:
  penstock show consultations                      columns, their types and why they have them
  penstock query "SELECT * FROM penstock.runs"     what happened, as a table
  drop another CSV into raw/ and `penstock run`    it becomes rows; change a file and its rows are replaced
  edit lake.yaml and `penstock check`              mistakes are named with line and column
The command is .venv/bin/penstock; `. .venv/bin/activate` puts it on your path.
The guide starts at docs/getting-started.md.
"""


def main() -> None:
    """Run the demonstration, stopping at the first command that fails."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.parent.mkdir(exist_ok=True)
    penstock("init", "consultations", str(PLACE), "--sample-data", "--rows", str(ROWS))
    add_public_data()
    os.chdir(PLACE)
    penstock("check")
    penstock("run")
    penstock("query", AGE_GROUPS)
    penstock("query", FLU_AND_WEATHER)
    penstock("query", SET_ASIDE)
    show_listings()
    print(NEXT)


def show_listings() -> None:
    """Make the second lake: four files with two delimiters, two encodings and one compression, and one table."""
    os.chdir(HERE)
    shutil.rmtree(LISTINGS, ignore_errors=True)
    penstock("init", "immobilier", str(LISTINGS), "--sample-data")
    os.chdir(LISTINGS)
    penstock("run")
    penstock("query", PRICES)
    penstock("query", WHY_SET_ASIDE)


def add_public_data() -> None:
    """Copy two public CSV files below raw/ and declare their tables."""
    for data_set, folder in ((local_data.airports, "airports"), (local_data.seattle_weather, "weather")):
        source = Path(data_set.filepath)
        (PLACE / "raw" / folder).mkdir()
        shutil.copy(source, PLACE / "raw" / folder / source.name)
    with (PLACE / "lake.yaml").open("a", encoding="utf-8") as declaration:
        declaration.write(MORE_TABLES)
    say("# two public data sets are added: airports.csv and seattle-weather.csv")


def penstock(*arguments: str) -> None:
    """Show a command as a user would type it, and run it."""
    shown = " ".join(f'"{word.strip()}"' if " " in word.strip() else word for word in arguments)
    say(f"$ penstock {shown}")
    command = Path(sys.executable).with_name("penstock").absolute()
    done = subprocess.run([command, *arguments], check=False)
    if done.returncode:
        sys.exit(f"demo: `penstock {arguments[0]}` ended with exit code {done.returncode}")


def say(line: str) -> None:
    """Print a line that stands out from what commands print."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
    print(f"\n{bold}{line}{plain}", flush=True)


if __name__ == "__main__":
    main()
