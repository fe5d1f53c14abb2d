"""Asking Athena: a query runs in the lake's workgroup, and its rows are read from the results that it leaves in S3.

Athena writes every value as text, in quotes, and leaves nulls empty, so that nothing is lost but the inner structure of
lists, maps and rows, which come as Athena writes them.

What Athena refuses is told with the statement as it got it, which is not the one that was asked.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from penstock.aws import asking, client, code_of
from penstock.clock import Clock
from penstock.deployed import Deployed
from penstock.errors import QueryError
from penstock.naming import identifier, literal
from penstock.queries.athena import HERE, Compiled, Schema, compiled
from penstock.queries.query import Result

ACTIONS = (
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:StopQueryExecution",
    "s3:GetObject",
)
KEEPING_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
"""What keeping the rows of a saved query does, and reading them again, through the zone enriched."""
OPERATOR = "_operator"
"""Whose results they are that are asked for no role."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 2.0
GOING = frozenset({"QUEUED", "RUNNING"})
UNREAD = re.compile(
    r"^\s*(Queries of this type|line \d+:\d+|mismatched input|extraneous input|no viable)", re.IGNORECASE
)
"""How Athena begins to say what is wrong with a statement."""
INVALID = "InvalidRequestException"
"""What Athena calls a statement that it cannot read, before it is run; and anything else that is asked wrongly."""
LONGEST_ROW = 70_000_000
"""Bytes of one row's text: Athena's rows have 32 MB at most, and a quote is written twice."""


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
        number = self._started(statement.sql, group, role or OPERATOR)
        return self._rows(self._finished(number, statement.sql, progress or (lambda _: None)), statement)

    def _started(self, statement: str, group: str, who: str) -> str:
        from botocore.exceptions import ClientError

        place = f"s3://{self._deployed.enriched_bucket}/results/{who}/"  # the workgroup enforces the same
        with asking("run a query", group):
            try:
                started = client("athena", self._deployed.region).start_query_execution(
                    QueryString=statement, WorkGroup=group, ResultConfiguration={"OutputLocation": place}
                )
            except ClientError as error:
                reason = str(error.response.get("Error", {}).get("Message", ""))
                if code_of(error) == INVALID and UNREAD.search(reason):
                    raise _refused(reason, group, statement) from error
                raise
        return str(started["QueryExecutionId"])

    def _finished(self, number: str, statement: str, progress: Callable[[str], object]) -> dict[str, Any]:
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
            raise _refused(found["Status"].get("StateChangeReason", "no reason was given"), number, statement)
        return found

    def _rows(self, execution: dict[str, Any], asked: Compiled) -> Answer:
        connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        connection.execute("SET TimeZone='UTC'")
        place = execution["ResultConfiguration"]["OutputLocation"]
        with self._fetched(place) as file:
            try:
                ((rows,),) = connection.execute(_reading(str(file), asked)).fetchall()
            except duckdb.Error as error:
                raise _unreadable(error, place) from error
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
        f"delim=',', quote='\"', escape='\"', nullstr='', allow_quoted_nulls=false, max_line_size={LONGEST_ROW}, "
        f"parallel=false, columns={{{kinds}}})"
    )


def _value(text: str, kind: str) -> str:
    if kind == "BLOB":
        return f"unhex(replace({text}, ' ', ''))"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST(regexp_replace({text}, ' UTC$', '+00') AS TIMESTAMPTZ)"
    return text if kind.endswith(("]", ")")) and not kind.startswith("DECIMAL") else f"CAST({text} AS {kind})"


def _refused(reason: str, where: str, statement: str) -> QueryError:
    """What Athena says of a statement, and the statement as it got it."""
    return QueryError(f"Athena: {reason}\nit was asked: {statement}", where=where, hint=_hint(reason))


def _hint(reason: str) -> str:
    if "bytes scanned limit" in reason.lower():
        return "it would read more than aws.query_cutoff allows: name fewer columns, or a part of the rows"
    if "not authorized" in reason.lower() or "access denied" in reason.lower():
        return "the credentials may not read this table; a role asks with: --role"
    return HERE


def _unreadable(error: duckdb.Error, place: str) -> QueryError:
    """The rows that came are not of the form or of the types that they are to have."""
    said = str(error).strip().splitlines()[0]
    if "maximum line size" in str(error).lower():
        said = f"a row is longer than {LONGEST_ROW // 1_000_000} MB"
    message = f"the rows that Athena wrote cannot be read: {said}"
    return QueryError(message, where=place, hint=f"they are there as Athena wrote them; or {HERE}")
