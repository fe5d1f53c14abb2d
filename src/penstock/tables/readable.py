"""What Penstock can read of a table that others write to as well; the rest is refused, never read wrongly.

Rows are read straight from the snapshot's Parquet files, columns by field id. What another writer may leave that would
come out wrong that way is told here: files that delete rows of other files, files of other formats, files without field
ids, fields within a struct that have changed their name or place, types that Penstock does not store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penstock.errors import UnreadableTableError
from penstock.naming import TableName, is_pack
from penstock.state.files import MEMBERS, DataFile
from penstock.tables.placing import partition_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    Footer = Callable[[str], FileMetaData]

NAME_MAPPING = "schema.name-mapping.default"
"""Property that stands for files without field ids: other columns are then found by name."""
REWRITE = "write the table anew with the program that did so; docs/interop.md shows how with pyiceberg and with Spark"
_FIELD_ID = b"PARQUET:field_id"


def footer_of(path: str) -> FileMetaData:
    """What the footer of a file on this machine says."""
    import pyarrow.parquet as pq

    return pq.read_metadata(path)


def live_file(file: IcebergDataFile, path: str = "", footer: Footer = footer_of) -> DataFile:
    """A file of a snapshot; a pack's footer says whose rows it holds.

    Args:
        file: The snapshot's entry.
        path: Where the file stands on this machine, if not under the name that the entry has for it.
        footer: Reads the footer of the file at that path.
    """
    path = path or file.file_path
    packed = (footer(path).metadata or {}).get(MEMBERS.encode(), b"").decode() if is_pack(path) else ""
    return DataFile(path, file.record_count, file.file_size_in_bytes, packed, partition_of(file))


def assert_data(table: TableName, file: IcebergDataFile) -> None:
    """Make sure that an entry of a snapshot is a Parquet file of rows.

    Raises:
        UnreadableTableError: It deletes rows of other files, or has another format.
    """
    from pyiceberg.manifest import DataFileContent, FileFormat

    if file.content != DataFileContent.DATA:
        raise UnreadableTableError(
            f"another writer deleted rows by a delete file ({file.file_path}); Penstock does not apply such files, and "
            "would show the deleted rows",
            where=str(table),
            hint=REWRITE,
        )
    if file.file_format != FileFormat.PARQUET:
        raise UnreadableTableError(
            f"another writer added a file of the format {file.file_format.name} ({file.file_path}), "
            "which Penstock does not read",
            where=str(table),
            hint=REWRITE,
        )


def assert_readable(table: TableName, loaded: Table, files: Iterable[DataFile], footer: Footer) -> None:
    """Make sure that every column can be found in every file.

    Footers are only looked at where something hints at trouble: most tables cost nothing here.

    Raises:
        UnreadableTableError: One cannot.
    """
    schema = loaded.schema()
    for field in (schema.find_field(at) for at in schema.field_ids):
        if field.initial_default is not None:
            raise UnreadableTableError(
                f'another writer gave the column "{schema.find_column_name(field.field_id)}" a value for older rows '
                f"({field.initial_default}), which their files do not hold",
                where=str(table),
                hint=REWRITE,
            )
    mapped = NAME_MAPPING in loaded.properties
    moved = _moved(schema, loaded.schemas())
    if not mapped and not moved:
        return
    for file in files:
        if moved or not file.members:
            _assert_fields(table, schema, file, footer(file.path).schema.to_arrow_schema())


def _moved(schema: Schema, schemas: Mapping[int, Schema]) -> bool:
    """Whether a field within a column ever had another name, or its name another field."""
    now = _nested_names(schema)
    ids = {name: at for at, name in now.items()}
    for other in schemas.values():
        for at, name in _nested_names(other).items():
            if now.get(at, name) != name or ids.get(name, at) != at:
                return True
    return False


def _nested_names(schema: Schema) -> dict[int, tuple[int, str]]:
    """By its id, of every field within a column: the column's id and the path below it."""
    return {at: (column.field_id, path) for column in schema.fields for at, path in _below("", column.field_type)}


def _below(start: str, kind: Any) -> Iterator[tuple[int, str]]:
    """Ids and paths of the fields within a type."""
    from pyiceberg import types

    fields: tuple[types.NestedField, ...] = ()
    if isinstance(kind, types.StructType):
        fields = kind.fields
    elif isinstance(kind, types.ListType):
        fields = (kind.element_field,)
    elif isinstance(kind, types.MapType):
        fields = (kind.key_field, kind.value_field)
    for field in fields:
        path = f"{start}.{field.name}"
        yield field.field_id, path
        yield from _below(path, field.field_type)


def _assert_fields(table: TableName, schema: Schema, file: DataFile, found: pa.Schema) -> None:
    """Make sure that a file's fields have ids, and that those within columns are called as they are now."""
    columns = {column.field_id: column.name for column in schema.fields}
    nested = _nested_names(schema)
    for field in found:
        at = _id_of(field)
        if at is None:
            raise UnreadableTableError(
                f"another writer added a file without field ids ({file.path}), so that its columns cannot be found",
                where=str(table),
                hint=REWRITE,
            )
        now = {path for column, path in nested.values() if column == at}
        for path, below in _within("", field.type) if at in columns else ():
            _, there = nested.get(_id_of(below) or 0, (0, None))
            if there != path and (there is not None or path in now):
                raise UnreadableTableError(
                    f'another writer changed the names of fields within the column "{columns[at]}": '
                    + _what_moved(path[1:], (there or "")[1:], file.path),
                    where=str(table),
                    hint=REWRITE,
                )


def _what_moved(path: str, there: str, file: str) -> str:
    if there:
        return f'what is "{there}" now is "{path}" in the file {file}'
    return f'"{path}" is another field now than in the file {file}'


def _within(path: str, kind: pa.DataType) -> list[tuple[str, pa.Field]]:
    """Fields within a type, with their paths as Iceberg spells them."""
    import pyarrow as pa

    below: list[tuple[str, pa.Field]] = []
    if pa.types.is_struct(kind):
        below = [(f"{path}.{kind.field(at).name}", kind.field(at)) for at in range(kind.num_fields)]
    elif pa.types.is_map(kind):
        below = [(f"{path}.key", kind.key_field), (f"{path}.value", kind.item_field)]
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        below = [(f"{path}.element", kind.value_field)]
    return [*below, *(found for name, field in below for found in _within(name, field.type))]


def _id_of(field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(_FIELD_ID)
    return int(text) if text else None
