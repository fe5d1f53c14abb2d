"""The catalog on AWS: pyiceberg over Glue's Data Catalog, the files in a bucket.

A table `layer.name` of a lake is the table `name` of the Glue database `{lake}_{layer}`. Its entry points to metadata
in the bucket, which names `s3://` URIs, so that Athena and others read the same tables. Everything else here works on
copies: a head names paths of this machine. Only in the cache of heads do they stand as URIs, since machines that share
it keep their copies in different places.

A look at a table is one call (GetTable). It is used again for as long as AWS has told this process nothing else: what
follows from it then is what would have followed a moment ago, had this process been faster. With any answer, of any
service, the next look is a new one. A commit is one call (UpdateTable), and three objects: it names the version of the
entry that it was planned against, and Glue refuses it if there is a newer one.

Neither boto3 nor pyiceberg is imported before it is needed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.aws import asking, client, code_of, heard
from penstock.deployed import database_name
from penstock.errors import BadFileError, IntegrityError, UnreadableTableError
from penstock.naming import TableName
from penstock.state import Head, Heads
from penstock.storage import Seals
from penstock.storage.mirror import Mirror
from penstock.tables.catalog import Described
from penstock.tables.glue import MISSING, entry_of, open_glue_catalog, pointer_of
from penstock.tables.iceberg import IcebergCatalog
from penstock.tables.readable import footer_of

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData
    from pyiceberg.catalog.glue import GlueCatalog as LibraryCatalog
    from pyiceberg.table import Table

READING = ("glue:GetDatabases", "glue:GetTables", "glue:GetTable")
"""Actions of who looks at tables."""
ACTIONS = (*READING, "glue:CreateTable", "glue:UpdateTable")
"""Actions of who writes tables, in databases that are there."""
MAKING = ("glue:CreateDatabase",)
"""What a lake needs besides whose databases nobody has made; CloudFormation makes those of a deployed one."""
SPELLINGS = ("s3a://", "s3n://")
"""How other writers may spell `s3://`."""
LAKE_MARK = "penstock:lake"
"""The parameter of a database that says of which lake it is, where CloudFormation made it."""
TAIL = 65_536
"""Bytes at the end of a data file that are fetched at first when only its footer is needed."""
LOOK_SECONDS = 0.1
"""How long a look is used again at most: others than AWS may tell this process something, too."""
PLAN_SECONDS = 2.0
"""How long after a look it is not worth another one before the swap, which finds out anyway."""


@dataclass(frozen=True)
class _Look:
    """What Glue said of a table.

    Attributes:
        entry: Its entry; None when there is no such table.
        told: What AWS had told this process by then; None when it told something else at the same time.
        at: When it was asked.
    """

    entry: dict[str, Any] | None
    told: int | None
    at: float

    @property
    def pointer(self) -> str | None:
        """Where the table's metadata stood."""
        return None if self.entry is None else pointer_of(self.entry)

    @property
    def is_latest(self) -> bool:
        """Whether nothing was heard since."""
        return self.told == heard() and time.monotonic() - self.at < LOOK_SECONDS


class GlueCatalog(IcebergCatalog):
    """Tables of a lake on AWS; keeps the contract of `Catalog`."""

    def __init__(
        self,
        lake: str,
        mirror: Mirror,
        heads: Heads,
        seals: Seals,
        region: str | None = None,
    ) -> None:
        """Use the databases of `lake` and the bucket of `mirror`.

        Args:
            lake: The lake's name.
            mirror: Copies of the processed zone's bucket.
            heads: Where heads are kept.
            seals: What the files of the tables were; told paths of copies, and fetches those that are missing.
            region: Where Glue's Data Catalog is; the client's own when left out.
        """
        super().__init__(_MirroredHeads(heads, mirror, self.path), seals)
        self._lake, self._mirror, self._region = lake, mirror, region
        self._looks: dict[TableName, _Look] = {}
        self._opened: LibraryCatalog | None = None

    def tables(self) -> list[TableName]:
        """All tables, in order: those of the lake's databases whose files are in its bucket.

        A database of the lake `shop_eu` begins as one of the lake `shop` would; it says itself whose it is.
        """
        start = database_name(self._lake, "")
        found = []
        with asking("list the tables of the Glue Data Catalog", self._lake):
            for database in self._pages("get_databases", "DatabaseList"):
                whose = database.get("Parameters", {}).get(LAKE_MARK, self._lake)
                if database["Name"].startswith(start) and whose == self._lake:
                    layer = database["Name"].removeprefix(start)
                    found += [TableName(layer, entry["Name"]) for entry in self._entries(database["Name"])]
        return sorted(found)

    def _entries(self, database: str) -> Iterator[dict[str, Any]]:
        home = f"{self._mirror.uri(str(self._mirror.root / 'x'))[:-1]}"
        for entry in self._pages("get_tables", "TableList", DatabaseName=database):
            place = str(entry.get("StorageDescriptor", {}).get("Location", ""))
            if pointer_of(entry) is not None and _plain(place).startswith(home):
                yield entry

    def _pages(self, verb: str, wanted: str, **facts: str) -> Iterator[dict[str, Any]]:
        from botocore.exceptions import ClientError

        try:
            for page in client("glue", self._region).get_paginator(verb).paginate(**facts):
                yield from page[wanted]
        except ClientError as error:
            if code_of(error) != MISSING:  # a database that was removed meanwhile has no tables
                raise

    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands."""
        look = self._looks.get(table)
        if look is None or not look.is_latest:
            look = self._looks[table] = self._looked(table)
        return look.pointer

    def _looked(self, table: TableName) -> _Look:
        at, before = time.monotonic(), heard()
        entry = entry_of(self._region, *self.identifier(table))
        now = heard()
        return _Look(entry, now if now == before + 1 else None, at)

    def _stands(self, base: Head) -> bool:
        """What was seen a moment ago will do: the swap names its version."""
        look = self._looks.get(base.table)
        if look is None or look.pointer != base.pointer or time.monotonic() - look.at > PLAN_SECONDS:
            return super()._stands(base)
        return True

    def discard(self, paths: Iterable[str]) -> None:
        """Remove data files that no commit names, and their copies."""
        self._mirror.remove(list(paths))

    def identifier(self, table: TableName) -> tuple[str, str]:
        """The table's database and name in Glue."""
        return (database_name(self._lake, table.layer), table.name)

    def location(self, table: TableName) -> str:
        """The table's prefix in the bucket."""
        return self._mirror.uri(str(self._mirror.root / table.layer / table.name))

    def path(self, location: str) -> str:
        """The copy of an object."""
        try:
            return self._mirror.path(_plain(location))
        except BadFileError as error:
            message = f"another writer added a file that is not in the lake's bucket ({location})"
            raise UnreadableTableError(message, where=self._mirror.bucket) from error

    def uri(self, path: str) -> str:
        """The object that a copy is of."""
        return self._mirror.uri(path)

    def footer(self, path: str) -> FileMetaData:
        """What the footer of a data file says; of one that has no copy, only the footer is fetched."""
        if Path(path).exists():
            return footer_of(path)
        import pyarrow.parquet as pq

        with asking("read the end of a data file", self.uri(path)):
            return pq.read_metadata(io.BufferedReader(_Ranged(self._mirror, path), TAIL))

    def _content(self, pointer: str) -> bytes:
        path = self.path(pointer)
        try:
            self.seals.assert_whole([path], self._lake, lambda _: None)  # fetches it, and keeps what it is
        except IntegrityError as error:
            if Path(path).exists():
                raise
            raise FileNotFoundError(path) from error
        return super()._content(path)

    def _catalog(self) -> LibraryCatalog:
        if self._opened is None:
            self._opened = open_glue_catalog(self._lake, self._mirror, self._region, self._described)
        return self._opened

    def _described(self, table: TableName) -> Described:
        return self.describe(table)

    def _loaded(self, table: TableName) -> Table:
        """The table as of the look at its pointer just before; Glue is not asked a second time."""
        look = self._looks.get(table)
        known: Callable[[Any], Table] = self._catalog().known  # type: ignore[attr-defined]
        return super()._loaded(table) if look is None or look.entry is None else known(look.entry)

    def _made(self, table: TableName, facts: dict[str, Any]) -> Table:
        """Make a table; its database too, if that is missing."""
        return self._catalog().create_table(self.identifier(table), **facts)


def _plain(location: str) -> str:
    for spelling in SPELLINGS:
        if location.startswith(spelling):
            return f"s3://{location.removeprefix(spelling)}"
    return location


class _MirroredHeads:
    """A cache of heads in which files are named by their URIs; keeps the contract of `Heads`."""

    def __init__(self, heads: Heads, mirror: Mirror, path: Callable[[str], str]) -> None:
        self._heads, self._mirror, self._path = heads, mirror, path

    def get(self, table: TableName, pointer: str) -> Head | None:
        """The head for exactly this pointer, its files as copies."""
        head = self._heads.get(table, pointer)
        return None if head is None else _renamed(head, self._path)

    def put(self, head: Head) -> None:
        """Keep a head."""
        self._heads.put(_renamed(head, self._mirror.uri))


def _renamed(head: Head, name: Callable[[str], str]) -> Head:
    return replace(head, files=tuple(replace(file, path=name(file.path)) for file in head.files))


class _Ranged(io.RawIOBase):
    """An object that is read piece by piece, without a copy."""

    def __init__(self, mirror: Mirror, path: str) -> None:
        self._mirror, self._place = mirror, {"Bucket": mirror.bucket, "Key": mirror.key(path)}
        found = mirror.objects.look(self._place["Key"])
        if found is None:
            raise FileNotFoundError(path)
        self._at, self._size = 0, found[0].size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        last = self._at + wanted - 1
        answer = self._mirror.s3.get_object(**self._place, Range=f"bytes={self._at}-{last}")
        found = answer["Body"].read()
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
