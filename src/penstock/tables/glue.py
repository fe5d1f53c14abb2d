"""pyiceberg's Glue catalog as a lake on AWS needs it: one look, one swap, and no commit whose end is unknown.

The pointer stands in Glue's entry of the table, which has a version. An update says which version it replaces, and Glue
refuses it if there is a newer one. The library looks the entry up again right before it updates it, so that a commit
which was planned against an older table could take the newer one for its base; here an update always names the version
that the commit was planned against. That also saves two calls.

An update may land although its answer is lost: the client then sends it again, and is told that another writer was
first. So a refusal proves nothing by itself, and the entry is looked at: the pointer, and where others went on, the log
of earlier metadata, tell whether the commit is in the table.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from penstock import faults
from penstock.aws import asking, client, code_of
from penstock.errors import AwsError, CatalogError, CommitUnknownError
from penstock.naming import TableName
from penstock.storage.mirror import Mirror
from penstock.tables.catalog import Describe, Described
from penstock.tables.glue_table import table_input
from penstock.tables.library import LOADING, light, remember_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.table import CommitTableResponse, StagedTable, Table

FILE_IO, MIRROR = "penstock.tables.mirror_io.MirrorFileIO", "penstock.mirror"
"""What the Iceberg library loads by name, and how it learns of the mirror."""
MISSING = "EntityNotFoundException"
CONFLICT = "ConcurrentModificationException"
OPEN_END = frozenset({CONFLICT, "OperationTimeoutException"})
"""Refusals that do not prove that nothing happened."""
LOOKS = 5
"""How often metadata that upkeep takes away meanwhile is looked for."""
AGAIN = "what it would have added is not lost: the next run looks whether it is there, and adds it if not"


def open_glue_catalog(name: str, mirror: Mirror, region: str | None, describe: Describe) -> GlueCatalog:
    """Open the library's Glue catalog, over the objects that `mirror` has copies of."""
    with LOADING:
        kind = _catalog_class()
    made: GlueCatalog = kind(name, mirror, region, describe)
    return made


def entry_of(region: str | None, database: str, name: str) -> dict[str, Any] | None:
    """Glue's entry of a table; None where there is no such table.

    Raises:
        CatalogError: What is called so is no Iceberg table.
    """
    from botocore.exceptions import ClientError

    where = f"{database}.{name}"
    with asking("look up a table in the Glue Data Catalog", where):
        try:
            entry: dict[str, Any] = client("glue", region).get_table(DatabaseName=database, Name=name)["Table"]
        except ClientError as error:
            if code_of(error) == MISSING:
                return None
            raise
    if pointer_of(entry) is None:
        message = "Glue's Data Catalog holds something of that name which is no Iceberg table"
        raise CatalogError(message, where=where, hint="remove it, or give the table in lake.yaml another name")
    return entry


def pointer_of(entry: Mapping[str, Any]) -> str | None:
    """Where the metadata of a Glue entry stands; None for what is no Iceberg table."""
    parameters = entry.get("Parameters", {})
    found = parameters.get("metadata_location") if parameters.get("table_type", "").upper() == "ICEBERG" else None
    return str(found) if found else None


@cache
def _catalog_class() -> type[Any]:  # noqa: C901 - one class, which needs the library for its base
    from botocore.exceptions import BotoCoreError, ClientError
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError
    from pyiceberg.table import CommitTableResponse

    remember_lists()

    class Catalog(GlueCatalog):
        """Remembers what it saw of each table last, and swaps that for what comes next."""

        def __init__(self, name: str, mirror: Mirror, region: str | None, describe: Describe) -> None:
            properties: dict[str, Any] = {"py-io-impl": FILE_IO, MIRROR: mirror}
            super().__init__(name, client=client("glue", region), **properties)
            self._lake, self._region, self._describe = name, region, describe
            self._latest: dict[tuple[str, str], tuple[str, Any, Mapping[str, Any] | None]] = {}

        def known(self, entry: Mapping[str, Any]) -> Table:
            """The table that an entry of Glue tells of; its metadata is read if it is not the one known."""
            return self._convert_glue_to_iceberg(entry)

        def _convert_glue_to_iceberg(self, glue_table: Any) -> Table:
            name, location = (glue_table["DatabaseName"], glue_table["Name"]), pointer_of(glue_table)
            there, metadata, _ = self._latest.get(name, (None, None, None))
            if metadata is None or there != location:
                table = super()._convert_glue_to_iceberg(glue_table)
                metadata = table.metadata = light(table.metadata)
            else:
                table = self._table(name, metadata, str(there))
            self._latest[name] = (table.metadata_location, metadata, glue_table)
            return table

        def _table(self, name: tuple[str, str], metadata: Any, location: str) -> Table:
            from pyiceberg.table import Table

            return Table(name, metadata, location, self._load_file_io(metadata.properties, location), self)

        def _load_file_io(self, properties: Any = (), location: str | None = None) -> Any:
            own = {"py-io-impl": FILE_IO, MIRROR: self.properties[MIRROR]}  # whatever another writer's table says
            return super()._load_file_io({**dict(properties), **own}, location)

        def _get_glue_table(self, database_name: str, table_name: str) -> Any:
            entry = entry_of(self._region, database_name, table_name)
            if entry is None:
                raise NoSuchTableError(f"{database_name}.{table_name} is not there")
            return entry

        def _is_s3tables_database(self, database_name: str) -> bool:  # noqa: ARG002 - Penstock's are none
            return False

        def _create_glue_table(self, database_name: str, table_name: str, table_input: Any) -> None:
            with asking("make a table in the Glue Data Catalog", f"{database_name}.{table_name}"):
                super()._create_glue_table(database_name, table_name, table_input)

        def create_table(self, identifier: Any, *arguments: Any, **facts: Any) -> Table:
            self.glue = client("glue", self._region)  # not that of a process that forked, or of older credentials
            database, name = self.identifier_to_database_and_table(identifier)
            staged = self._create_staged_table(identifier, *arguments, **facts)
            self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
            wanted = table_input(name, staged.metadata_location, staged.metadata, self._described(database, name))
            faults.reach("catalog.commit")
            try:
                self._create_glue_table(database, name, wanted)
            except NoSuchNamespaceError:  # CloudFormation makes those of a deployed lake
                with asking("make a database in the Glue Data Catalog", database):
                    self.create_namespace_if_not_exists(database)
                self._create_glue_table(database, name, wanted)
            faults.reach("catalog.committed")
            return self._table((database, name), light(staged.metadata), staged.metadata_location)

        def _described(self, database: str, name: str) -> Described:
            return self._describe(TableName(database.removeprefix(f"{self._lake}_"), name))

        def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
            name = self.identifier_to_database_and_table(table.name(), NoSuchTableError)
            entry = self._entry_at(name, table.metadata_location)
            staged = self._update_and_stage_table(table, table.name(), requirements, updates)
            if staged.metadata == table.metadata:
                return CommitTableResponse(metadata=table.metadata, metadata_location=table.metadata_location)
            self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
            self._swap(name, entry, table, staged)
            self._latest[name] = (staged.metadata_location, light(staged.metadata), None)
            return CommitTableResponse(metadata=staged.metadata, metadata_location=staged.metadata_location)

        def _entry_at(self, name: tuple[str, str], location: str) -> Mapping[str, Any]:
            """Glue's entry, with its version, as it pointed to `location`."""
            there, _, entry = self._latest.get(name, (None, None, None))
            if there != location or entry is None:
                entry = self._get_glue_table(*name)
                if pointer_of(entry) != location:
                    raise CommitFailedException(f"{'.'.join(name)} has moved on")
            return entry

        def _swap(self, name: tuple[str, str], entry: Mapping[str, Any], table: Table, staged: StagedTable) -> None:
            """Let the entry point to the new metadata, if it is still of the version that was looked at."""
            where = ".".join(name)
            wanted = table_input(
                name[1], staged.metadata_location, staged.metadata, self._described(*name), (entry, table.metadata)
            )
            faults.reach("catalog.commit")
            try:
                client("glue", self._region).update_table(
                    DatabaseName=name[0], TableInput=wanted, SkipArchive=True, VersionId=entry["VersionId"]
                )
            except (ClientError, BotoCoreError) as error:
                if _is_refusal(error):
                    with asking("commit to a table in the Glue Data Catalog", where):
                        raise
                self._settle(name, entry, table, staged, error)
            faults.reach("catalog.committed")

        def _settle(
            self, name: tuple[str, str], entry: Mapping[str, Any], table: Table, staged: StagedTable, error: Exception
        ) -> None:
            """Find out whether an update landed whose answer does not say so; raises where it did not."""
            where = ".".join(name)
            for _ in range(LOOKS):
                try:
                    there = self._get_glue_table(*name)
                    log = self._log(there, staged.metadata_location, table.metadata_location)
                except FileNotFoundError:
                    continue  # others went on, and took away what they replaced
                except AwsError:
                    break
                if staged.metadata_location in log:
                    return
                moved = there["VersionId"] != entry["VersionId"]
                if table.metadata_location in log and (moved or _is_first_answer(error)):
                    raise CommitFailedException(f"{where} has moved on") from error
                break
            message = f"AWS did not say whether a commit landed: {error}"
            raise CommitUnknownError(message, where=where, hint=AGAIN) from error

        def _log(self, there: Mapping[str, Any], *wanted: str) -> set[str]:
            """Metadata that a table has and had, as far back as it tells."""
            location = pointer_of(there)
            if location in wanted:
                return {str(location)}
            metadata = self._convert_glue_to_iceberg(there).metadata
            return {str(location), *(entry.metadata_file for entry in metadata.metadata_log)}

    return Catalog


def _is_refusal(error: BaseException) -> bool:
    """Whether an error proves that an update did not happen: AWS's first answer says what is wrong with it."""
    status = _answer(error).get("HTTPStatusCode", 500)
    return code_of(error) not in OPEN_END and 400 <= status < 500 and _is_first_answer(error)  # noqa: PLR2004


def _is_first_answer(error: BaseException) -> bool:
    """Whether AWS answered the first request; else an earlier one may have landed, or may still."""
    return _answer(error).get("RetryAttempts") == 0


def _answer(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    return response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
