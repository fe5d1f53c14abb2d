"""Walk through a lake on AWS, for real: deploy it, deliver files, ask, break one, mend it, and take everything away.

    python scripts/walk.py [--yes] [--keep] [--folder DIR]

It uses the account and region that AWS's own tools would, asks before it begins, and costs a few cents. Each step says
what it does, runs it, and fails loudly when the lake does not answer as it should. The suite takes the same walk on an
emulator, as far as that carries.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock import aws
from penstock.deployed import Deployed
from penstock.deployment.reach import whereabouts

PATIENCE = 600.0
"""Seconds that a file may take to come in, and an alarm to go on."""
LOOK_SECONDS = 5.0
LAKE = """\
lake: {name}
tags: {{purpose: walk}}
tables:
  consultations:
    files: "consultations*.csv"
    steps:
      - parse: {{date_consultation: date}}
      - derive: {{year: year(date_consultation), month: month(date_consultation)}}
      - bucket: {{column: patient_age, into: age_group,
                 upto: {{enfant: 12, adolescent: 17, adulte: 64, senior: null}}}}
      - require: [diagnostic]
      - rename: {{id_consultation: consultation_id, id_centre: centre_id, sexe: gender}}
"""
HEADER = "id_consultation,id_centre,patient_age,sexe,diagnostic,date_consultation\n"
GOOD = HEADER + "".join(
    f"{at},C{at % 3},{at % 90},{'FM'[at % 2]},{'' if at % 10 == 0 else 'grippe'},2025-{1 + at % 12:02}-15\n"
    for at in range(1, 201)
)
ROWS = 180
"""Rows of the file that have a diagnosis."""
QUESTION = "SELECT age_group, count(*) AS n FROM consultations GROUP BY age_group ORDER BY age_group"
GROUPS = (("enfant", 12), ("adolescent", 17), ("adulte", 64), ("senior", 999))
COUNTED = Counter(next(name for name, end in GROUPS if at % 90 <= end) for at in range(1, 201) if at % 10)
ANSWER = [{"age_group": name, "n": COUNTED[name]} for name in sorted(COUNTED)]
"""What the question has to be answered with, counted apart from the lake."""
Step = tuple[Callable[[], None], str]


class WalkError(Exception):
    """The lake did not answer as it should."""


@dataclass
class Walk:
    """A lake on AWS, walked through step by step.

    Attributes:
        folder: Where its `lake.yaml` is.
        say: Is told what happens.
        meanwhile: Is called while something is waited for.
        athena: Whether Athena runs queries.
        alarms: Whether alarms are evaluated.
        done: Steps that were taken.
    """

    folder: Path
    say: Callable[[str], object] = print
    meanwhile: Callable[[], object] = lambda: time.sleep(LOOK_SECONDS)
    athena: bool = True
    alarms: bool = True
    done: list[str] = field(default_factory=list)

    def penstock(self, *words: str) -> str:
        """Run a command; gives what it prints."""
        call = [sys.executable, "-P", "-m", "penstock", "-C", str(self.folder), *words]
        found = subprocess.run(call, capture_output=True, text=True, check=False)
        if found.returncode:
            raise WalkError(f"penstock {' '.join(words)}: {found.stderr.strip() or found.stdout.strip()}")
        return found.stdout

    def asked(self, *words: str) -> Any:
        """Run a command that prints JSON; gives what it says."""
        return json.loads(self.penstock(*words, "--json"))

    @property
    def deployed(self) -> Deployed:
        """Where the lake's parts are."""
        return whereabouts(self.folder)

    def deliver(self, key: str, text: str) -> None:
        """Put a file into the raw bucket, as `aws s3 cp` does."""
        aws.client("s3", self.deployed.region).put_object(Bucket=self.deployed.raw_bucket, Key=key, Body=text.encode())

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > end:
                raise WalkError(f"{what}: not within {PATIENCE:.0f} seconds")
            self.meanwhile()

    def counts(self) -> dict[str, Any]:
        """How far the files of the table are."""
        found: dict[str, Any] = self.asked("status", "--aws")["tables"][0]
        return found

    # --- The steps ----------------------------------------------------------------------------

    def deploy(self) -> None:
        """`penstock deploy`: everything is created."""
        self.penstock("deploy", "--yes")

    def deliver_file(self) -> None:
        """`aws s3 cp consultations-2025.csv s3://RAW_BUCKET/`: its rows are in the table."""
        self.deliver("consultations-2025.csv", GOOD)
        self.wait("the file's rows", lambda: bool(self.counts()["finished"]))
        assert_equal("rows", self.counts()["rows"], ROWS)

    def read_log(self) -> None:
        """`penstock logs --aws`: a line for the file, with its numbers of rows."""
        self.wait("the log's line", lambda: "consultations-2025.csv" in self.penstock("logs", "--aws"))

    def list_files(self) -> None:
        """`aws s3 ls`: Parquet files below the table's place."""
        found = aws.client("s3", self.deployed.region).list_objects_v2(
            Bucket=self.deployed.processed_bucket, Prefix="main/consultations/data/"
        )
        assert_equal("Parquet files", {one["Key"][-8:] for one in found.get("Contents", [])}, {".parquet"})

    def ask_catalog(self) -> None:
        """`aws glue get-table`: the columns, and the Iceberg table behind them."""
        table = aws.client("glue", self.deployed.region).get_table(
            DatabaseName=self.deployed.database("main"), Name="consultations"
        )["Table"]
        assert_equal("kind of table", table["Parameters"].get("table_type", "").upper(), "ICEBERG")
        columns = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
        assert_equal("columns", columns & {"age_group", "gender"}, {"age_group", "gender"})

    def ask_here(self) -> None:
        """`penstock query --aws --engine duckdb`: counts by age group."""
        self.ask("duckdb")

    def ask_athena(self) -> None:
        """`penstock query --aws`: the same counts, by Athena."""
        self.ask("athena")

    def ask(self, engine: str) -> None:
        """Ask the question of age groups."""
        found = self.penstock("query", QUESTION, "--aws", "--engine", engine, "--format", "json")
        assert_equal(f"answer by {engine}", json.loads(found), ANSWER)

    def fetch_rows(self) -> None:
        """`penstock query --aws --format csv --output groups.csv`: the answer as a file."""
        file = self.folder / "groups.csv"
        engine = "athena" if self.athena else "duckdb"
        self.penstock("query", QUESTION, "--aws", "--engine", engine, "--format", "csv", "--output", str(file))
        with file.open(encoding="utf-8", newline="") as rows:
            found = [{**row, "n": int(row["n"])} for row in csv.DictReader(rows)]
        assert_equal("rows of groups.csv", found, ANSWER)

    def deliver_bad_file(self) -> None:
        """`aws s3 cp bad.csv`: a dead letter, a message in its queue."""
        self.deliver("consultations-bad.csv", "")
        self.wait("the dead letter", lambda: bool(self.asked("dead", "list", "--aws")))
        self.wait("the dead letter's message", lambda: self.asked("status", "--aws")["aws"]["dead_letters"] == 1)

    def read_queue(self) -> None:
        """`aws sqs get-queue-attributes`: one message waits in the dead-letter queue."""
        names: Any = ["ApproximateNumberOfMessages"]
        sqs, queue = aws.client("sqs", self.deployed.region), self.deployed.dead_letter_queue

        def waiting() -> int:
            return int(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"][names[0]])

        self.wait("the queue's own figure", lambda: waiting() == 1)

    def hear_alarm(self) -> None:
        """`penstock status --aws`: the alarm of dead letters is on."""
        self.wait("the alarm", lambda: bool(self.asked("status", "--aws")["alarms"]))

    def mend_file(self) -> None:
        """The corrected file under the same name: its rows are in, and nothing is dead."""
        self.deliver("consultations-bad.csv", HEADER + "900,C1,30,F,grippe,2025-02-01\n")
        self.wait("the corrected file", lambda: self.counts()["rows"] == ROWS + 1)
        assert_equal("dead letters", self.asked("dead", "list", "--aws"), [])

    def deliver_again(self) -> None:
        """The first file again, with a row less: its own rows are replaced, and none are doubled."""
        self.deliver("consultations-2025.csv", GOOD.rpartition("199,")[0])
        self.wait("the new version", lambda: self.counts()["rows"] == ROWS)

    def destroy(self) -> None:
        """`penstock destroy`: nothing is left but the key, which AWS deletes later."""
        self.penstock("destroy", "--yes")
        self.done.append("destroyed")

    def steps(self) -> list[Step]:
        """The steps in order, each with why it cannot be taken here; empty where it can."""
        nobody_asks = "" if self.athena else "the emulator runs no queries"
        nobody_looks = "" if self.alarms else "the emulator evaluates no alarms"
        return [
            (self.deploy, ""),
            (self.deliver_file, ""),
            (self.read_log, ""),
            (self.list_files, ""),
            (self.ask_catalog, ""),
            (self.ask_here, ""),
            (self.ask_athena, nobody_asks),
            (self.fetch_rows, ""),
            (self.deliver_bad_file, ""),
            (self.read_queue, ""),
            (self.hear_alarm, nobody_looks),
            (self.mend_file, ""),
            (self.deliver_again, ""),
        ]

    def go(self, steps: Sequence[Step] = ()) -> list[str]:
        """Take every step, or `steps`, that can be taken; gives those that could not, with the reason."""
        left = []
        for step, gap in steps or self.steps():
            text = (step.__doc__ or "").strip()
            self.say(f"{'left out: ' + gap if gap else 'now'}: {text}")
            if gap:
                left.append(f"{step.__name__}: {gap}")
            else:
                step()
                self.done.append(step.__name__)
        return left


def assert_equal(what: str, found: object, wanted: object) -> None:
    """Make sure that something is as it should be."""
    if found != wanted:
        raise WalkError(f"{what}: {found!r}, not {wanted!r}")


def make_lake(folder: Path) -> str:
    """Write a small declaration with a name of its own; gives the name."""
    name = f"walk_{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lake.yaml").write_text(LAKE.format(name=name), encoding="utf-8")
    return name


def main() -> int:
    """Take the walk on the account that the credentials are for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--keep", action="store_true", help="leave the lake on AWS")
    parser.add_argument("--folder", type=Path, help="where the lake's folder is made")
    wanted = parser.parse_args()
    with aws.asking("learn whose account this is"):
        caller = aws.client("sts").get_caller_identity()
    region = aws.client("sts").meta.region_name
    print(f"This deploys a small lake to the account {caller['Account']}, region {region}, as {caller['Arn']},")
    print("and removes it at the end. It takes about 20 minutes and costs a few cents.")
    if not wanted.yes and input("Go on? [y/N] ").strip().lower() != "y":
        return 1
    with tempfile.TemporaryDirectory(prefix="penstock-walk-") as temporary:
        folder = wanted.folder or Path(temporary)
        name = make_lake(folder)
        walk = Walk(folder)
        try:
            walk.go()
        except WalkError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        finally:
            if not wanted.keep:
                print("now: penstock destroy")
                walk.destroy()
        print(f"walked through {name}: {len(walk.done)} steps, all as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
