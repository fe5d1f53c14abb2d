"""Asking Athena: a query runs in the lake's workgroup, and its rows are read from the results that it leaves in S3.

Athena writes every value as text, in quotes, and leaves nulls empty, so that nothing is lost but the inner structure of
lists, maps and rows, which come as Athena writes them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from penstock.aws import asking, client
from penstock.clock import Clock
from penstock.deployed import Deployed
from penstock.errors import QueryError
from penstock.naming import identifier, literal
from penstock.queries.athena import Compiled, Schema, compiled
from penstock.queries.query import Result

ACTIONS = (
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:StopQueryExecution",
    "s3:GetObject",
)
OPERATOR = "_operator"
"""Whose results they are that are asked for no role."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 2.0
GOING = frozenset({"QUEUED", "RUNNING"})


@dataclass(frozen=True)
class Told:
    """What Athena says of a query that it ran.

    Attributes:
        id: Its execution.
        rows: How many rows the answer has.
        scanned: Bytes that were read, and are paid for; 10 MB is the least.
    """

    id: str
    rows: int
    scanned: int


class Answer(Result):
    """The rows of a query that Athena ran."""

    def __init__(self, relation: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection, told: Told) -> None:
        """Hold on to the connection for as long as rows may be read."""
        super().__init__(relation, connection)
        self.told = told


class AthenaAsker:
    """Answers queries over a deployed lake."""

    def __init__(self, deployed: Deployed, schema: Schema, clock: Clock) -> None:
        """Ask about the tables of `schema`, in the lake's workgroup."""
        self._deployed, self._schema, self._clock = deployed, schema, clock

    def ask(self, sql: str, role: str | None = None, progress: Callable[[str], object] | None = None) -> Answer:
        """Run one statement that reads.

        Args:
            sql: The statement, in DuckDB's dialect.
            role: For whom, in the role's own workgroup; the operator's, when left out.
            progress: Is told the state that the query is in, now and then.

        Raises:
            QueryError: It is not valid, has no equal in Athena's dialect, or Athena could not run it.
            AwsError: AWS could not be asked.
        """
        statement = compiled(sql, self._deployed.lake, self._schema)
        group = self._deployed.workgroup + (f"-role-{role}" if role else "")
        execution = self._finished(self._started(statement.sql, group, role or OPERATOR), progress or (lambda _: None))
        return self._rows(execution, statement)

    def _started(self, statement: str, group: str, who: str) -> str:
        place = f"s3://{self._deployed.enriched_bucket}/results/{who}/"  # the workgroup enforces the same
        with asking("run a query", group):
            started = client("athena", self._deployed.region).start_query_execution(
                QueryString=statement, WorkGroup=group, ResultConfiguration={"OutputLocation": place}
            )
        return str(started["QueryExecutionId"])

    def _finished(self, number: str, progress: Callable[[str], object]) -> dict[str, Any]:
        """Wait for a query; who does not wait to its end has it stopped, so that nothing more is paid for."""
        athena, wait = client("athena", self._deployed.region), FIRST_WAIT
        try:
            while True:
                with asking("look at a query", number):
                    found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]
                if found["Status"]["State"] not in GOING:
                    break
                progress(found["Status"]["State"].lower())
                self._clock.sleep(wait)
                wait = min(wait * 1.5, LONGEST_WAIT)
        except BaseException:
            with contextlib.suppress(Exception):
                athena.stop_query_execution(QueryExecutionId=number)
            raise
        if found["Status"]["State"] != "SUCCEEDED":
            reason = found["Status"].get("StateChangeReason", "no reason was given")
            raise QueryError(f"Athena: {reason}", where=number, hint=_hint(reason))
        return found

    def _rows(self, execution: dict[str, Any], asked: Compiled) -> Answer:
        connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        connection.execute("SET TimeZone='UTC'")
        with self._fetched(execution["ResultConfiguration"]["OutputLocation"]) as file:
            ((rows,),) = connection.execute(_reading(str(file), asked)).fetchall()
        connection.execute("SET enable_external_access=false")
        scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
        told = Told(execution["QueryExecutionId"], rows, scanned)
        return Answer(connection.sql("SELECT * FROM answer"), connection, told)

    @contextlib.contextmanager
    def _fetched(self, place: str) -> Iterator[Path]:
        """The file that Athena wrote, for a moment."""
        bucket, _, key = place.removeprefix("s3://").partition("/")
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder, asking("read a query's rows", place):
            file = Path(folder) / "rows.csv"
            client("s3", self._deployed.region).download_file(bucket, key, str(file))
            yield file


def _reading(file: str, asked: Compiled) -> str:
    """SQL that takes Athena's rows as a table of the names and types that they have here."""
    texts = [f"c{at}" for at in range(len(asked.names))]
    kinds = ", ".join(f"{literal(text)}: 'VARCHAR'" for text in texts)
    cells = ", ".join(
        f"{_value(text, kind)} AS {identifier(name)}"
        for text, name, kind in zip(texts, asked.names, asked.types, strict=True)
    )
    return (
        f"CREATE TEMP TABLE answer AS SELECT {cells} FROM read_csv({literal(file)}, auto_detect=false, header=true, "
        f"delim=',', quote='\"', escape='\"', nullstr='', allow_quoted_nulls=false, columns={{{kinds}}})"
    )


def _value(text: str, kind: str) -> str:
    if kind == "BLOB":
        return f"unhex(replace({text}, ' ', ''))"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST(regexp_replace({text}, ' UTC$', '+00') AS TIMESTAMPTZ)"
    return text if kind.endswith(("]", ")")) and not kind.startswith("DECIMAL") else f"CAST({text} AS {kind})"


def _hint(reason: str) -> str:
    if "bytes scanned limit" in reason.lower():
        return "it would read more than aws.query_cutoff allows: name fewer columns, or a part of the rows"
    if "not authorized" in reason.lower() or "access denied" in reason.lower():
        return "the credentials may not read this table; a role asks with: --role"
    return "the statement as Athena got it is in its history, under this number"
