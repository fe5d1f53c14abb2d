"""What is asked of DynamoDB, call by call: reads that are consistent, and writes that say what they replace.

Every write ends in one of three ways: it landed, somebody else changed something of it first (`Beaten`), or AWS refuses
or cannot be reached, which is an error. A write whose answer is lost is made again: if the first one landed, what is
found bears its name. Throttling and transactions that meet are tried again after a pause by chance.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock import aws
from penstock.errors import AwsError
from penstock.state.aws.documents import BY, NOTHING, REV, Doc, Found, Item, found_in, item_of, key_attributes, key_of
from penstock.state.aws.layout import PARTITION, SORT, Key

ACTIONS = (
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:DeleteItem",
    "dynamodb:UpdateItem",
    "dynamodb:ConditionCheckItem",
)
"""What every user of the store needs, on its table; a transaction needs no action of its own."""
ATTEMPTS = 12
PAUSE_SECONDS, LONGEST_SECONDS = 0.02, 2.0
AT_ONCE = 100
"""Items in one batch, or in one transaction."""
_AGAIN = frozenset(
    {
        *("TransactionConflict", "TransactionConflictException", "TransactionInProgressException", "ThrottlingError"),
        *("ThrottlingException", "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException"),
        *("RequestLimitExceeded", "InternalServerError", "InternalServerErrorException", "ServiceUnavailable"),
    }
)
_BEATEN = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
_SAME = f"{REV} = :rev"
_NEW = f"attribute_not_exists({PARTITION})"


@dataclass
class Write:
    """Documents that change together: what is put, what is removed, what must stay as it is, what is counted.

    Attributes:
        puts: Documents, each with when it may be forgotten.
        sums: Numbers to add to, and texts to set, by document.
        revs: The revision that each document has, 0 for none, those included that only must stay as they are.
    """

    puts: dict[Key, tuple[Doc, float | None]] = field(default_factory=dict)
    deletes: set[Key] = field(default_factory=set)
    sums: dict[Key, Doc] = field(default_factory=dict)
    revs: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Beaten:
    """Somebody else changed these documents first; nothing was written."""

    keys: frozenset[Key]


def pause(attempt: int) -> None:
    """Wait a little, longer with every attempt; by chance, so that two who met do not meet again."""
    time.sleep(random.uniform(0, min(LONGEST_SECONDS, PAUSE_SECONDS * 2**attempt)))  # noqa: S311 - not a secret


class Calls:
    """Calls to one table.

    Attributes:
        own: Documents that only this process writes for a while, as it wrote them last.
    """

    def __init__(self, table: str, region: str | None) -> None:
        """Use the table of this name."""
        self.table, self._region = table, region
        self.own: dict[Key, Found] = {}

    @property
    def _client(self) -> Any:
        return aws.client("dynamodb", self._region)

    def get(self, key: Key) -> Found:
        """One document as it is now."""
        with aws.asking("read the state store", self.table):
            answer = self._client.get_item(TableName=self.table, Key=key_attributes(key), ConsistentRead=True)
        return found_in(answer.get("Item"))

    def get_all(self, keys: Iterable[Key]) -> dict[Key, Found]:
        """Many documents as they are now, those that are not there included."""
        wanted = list(dict.fromkeys(keys))
        found = dict.fromkeys(wanted, NOTHING)
        for at in range(0, len(wanted), AT_ONCE):
            some = [key_attributes(key) for key in wanted[at : at + AT_ONCE]]
            for item in self._batch(some):
                found[key_of(item)] = found_in(item)
        return found

    def _batch(self, keys: list[Item]) -> Iterator[Item]:
        for attempt in range(ATTEMPTS):
            request = {self.table: {"Keys": keys, "ConsistentRead": True}}
            with aws.asking("read the state store", self.table):
                answer = self._client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self.table, [])
            keys = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
            if not keys:
                return
            pause(attempt)
        raise AwsError("AWS does not give everything that was asked for", where=self.table, hint="try again later")

    def query(
        self, partition: str, first: str = "", last: str = "", *, newest: bool = False, page: int | None = None
    ) -> Iterator[list[tuple[Key, Found]]]:
        """Documents of a partition between two sort keys, both included, page by page and in order."""
        condition, values = f"{PARTITION} = :pk", {":pk": {"S": partition}}
        if first:
            condition += f" AND {SORT} BETWEEN :first AND :last"
            values |= {":first": {"S": first}, ":last": {"S": last}}
        wanted: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            "ScanIndexForward": not newest,
            **({"Limit": page} if page else {}),
        }
        while True:
            with aws.asking("read the state store", self.table):
                answer = self._client.query(**wanted)
            yield [(key_of(item), found_in(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            wanted["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, write: Write, by: str) -> Beaten | None:
        """Write documents under a name, all or none; None when they are in.

        Raises:
            AwsError: AWS refuses, or cannot be reached; whether they are in is not known in the second case.
        """
        parts = self._parts(write, by)
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                self._send(parts)
            except Exception as error:
                with aws.asking("write the state store", self.table):
                    reasons = _reasons(error, len(parts))
                    if reasons is None or (last and not any(code in _BEATEN for code, _ in reasons)):
                        raise
                if any(code in _BEATEN for code, _ in reasons):
                    return _judged(parts, reasons, by)
                pause(attempt)
            else:
                return None
        raise AssertionError  # the last attempt returns or raises

    def _send(self, parts: Sequence[tuple[str, Item]]) -> None:
        (kind, part), *more = parts
        if more or kind == "ConditionCheck":
            self._client.transact_write_items(TransactItems=[{kind: part} for kind, part in parts])
        elif kind == "Put":
            self._client.put_item(**part)
        elif kind == "Delete":
            self._client.delete_item(**part)
        else:
            self._client.update_item(**{name: part[name] for name in part if name not in _OF_CONDITIONS})

    def _parts(self, write: Write, by: str) -> list[tuple[str, Any]]:
        parts: list[tuple[str, Any]] = []
        for key, (doc, expires) in write.puts.items():
            item = item_of(key, doc, write.revs[key] + 1, by, expires)
            parts.append(("Put", {"Item": item, **self._condition(write.revs[key])}))
        checked = write.revs.keys() - write.puts.keys() - write.deletes
        for kind, keys in (("Delete", write.deletes), ("ConditionCheck", checked)):
            parts += [(kind, {"Key": key_attributes(key), **self._condition(write.revs[key])}) for key in keys]
        parts += [("Update", {"TableName": self.table, **_summed(key, sums)}) for key, sums in write.sums.items()]
        return parts

    def _condition(self, rev: int) -> dict[str, Any]:
        given: dict[str, Any] = {"TableName": self.table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if rev == 0:
            return {**given, "ConditionExpression": _NEW}
        return {**given, "ConditionExpression": _SAME, "ExpressionAttributeValues": {":rev": {"N": str(rev)}}}

    def replace(self, key: Key, doc: Doc) -> None:
        """Write a document over whatever is there: for what is only a copy of something known elsewhere."""
        with aws.asking("write the state store", self.table):
            self._client.put_item(TableName=self.table, Item=item_of(key, doc, 1, "", None))

    def next_number(self, what: Key, many: int = 1) -> int:
        """Count on by `many`; gives the first of the new numbers."""
        with aws.asking("write the state store", self.table):
            answer = self._client.update_item(
                TableName=self.table,
                Key=key_attributes(what),
                UpdateExpression="ADD #last :many",
                ExpressionAttributeNames={"#last": "last"},
                ExpressionAttributeValues={":many": {"N": str(many)}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["last"]["N"]) - many + 1


_OF_CONDITIONS = ("ReturnValuesOnConditionCheckFailure",)


def _summed(key: Key, sums: Doc) -> dict[str, Any]:
    """What adds to the numbers of a document, and sets its texts."""
    names = {f"#n{at}": name for at, name in enumerate(sums)}
    values = {f":v{at}": _value(value) for at, value in enumerate(sums.values())}
    adds = [f"#n{at} :v{at}" for at, value in enumerate(sums.values()) if not isinstance(value, str)]
    sets = [f"#n{at} = :v{at}" for at, value in enumerate(sums.values()) if isinstance(value, str)]
    parts = [f"{word} {', '.join(some)}" for word, some in (("ADD", adds), ("SET", sets)) if some]
    return {
        "Key": key_attributes(key),
        "UpdateExpression": " ".join(parts),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _value(value: str | int) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _reasons(error: Exception, parts: int) -> list[tuple[str, Item | None]] | None:
    """Why a write did not land, part by part; None for what trying again does not mend."""
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError

    response = getattr(error, "response", None) or {}
    code = aws.code_of(error)
    if code == "TransactionCanceledException":
        found = [(why.get("Code") or "None", why.get("Item")) for why in response.get("CancellationReasons", [])]
        codes = {code for code, _ in found} - {"None"}
        return found if codes and codes <= _AGAIN | _BEATEN else None
    if code in _BEATEN:
        return [(code, response.get("Item"))]
    lost = isinstance(error, (ConnectionClosedError, EndpointConnectionError, HTTPClientError))
    return [("lost", None)] * parts if lost or code in _AGAIN else None


def _judged(parts: list[tuple[str, Any]], reasons: list[tuple[str, Item | None]], by: str) -> Beaten | None:
    """What a failed condition means: the very same write had landed before, or somebody was faster."""
    if len(parts) == 1 and parts[0][0] == "Delete" and not reasons[0][1]:
        return None  # what was to go has gone
    beaten = set[Key]()
    for (_, part), (code, item) in zip(parts, reasons, strict=True):
        if item and item.get(BY, {}).get("S") == by:
            return None
        if code in _BEATEN:
            beaten.add(key_of(part.get("Item") or part["Key"]))
    return Beaten(frozenset(beaten))
