"""The catalog on AWS beside others: programs that use the same tables, what they find in Glue, and what they change."""

from __future__ import annotations

import pytest

from penstock import aws
from penstock.clock import HeldClock
from penstock.errors import CatalogError, CommitConflictError, PlanOutdatedError, UnreadableTableError
from penstock.naming import TableName
from penstock.tables import Change, commit_group
from penstock.tables.catalog import Described
from tests.aws import cloud
from tests.aws.glued import lake_of, mirror_of
from tests.aws.machines import COLUMNS, Machines, T, entry, foreign
from tests.contracts.parquet import arrival, rows


def test_other_programs_read_and_write_the_tables(machines: Machines) -> None:
    """A program that uses pyiceberg finds and reads a table; what it appends, renames and deletes is noticed."""
    import pyarrow as pa

    one = machines()
    one.catalog.create(T, COLUMNS, {})
    one.commit(one.staged("a", 1), one.staged("b", 2))
    identifier = one.catalog.identifier(T)
    table = foreign().load_table(identifier)
    assert table.scan().to_arrow().sort_by("id").to_pylist() == [{"id": 1, "Name": "a"}, {"id": 2, "Name": "b"}]
    table.append(pa.table({"id": pa.array([3]), "Name": pa.array(["theirs"])}))
    assert one.rows() == [(1, "a"), (2, "b"), (3, "theirs")]
    with table.update_schema() as schema:
        schema.rename_column("Name", "called")
    assert [column.name for column in one.head().columns] == ["id", "called"]
    table.delete("id = 1")
    head = one.head()
    assert (rows(head), head.displaced != "") == ([(2, "b"), (3, "theirs")], True)
    outcome = commit_group(one.catalog, T, [one.staged("a", 1, attempt=1)], HeldClock(), lambda: None)
    assert outcome.already == {arrival("a")}
    assert machines("other").rows() == [(2, "b"), (3, "theirs")]


def test_another_writer_makes_a_commit_start_again(machines: Machines) -> None:
    """A commit that was planned before another program's is refused, and planned anew."""
    import pyarrow as pa

    one = machines()
    base = one.catalog.create(T, COLUMNS, {})
    staged = one.staged("a", 1)
    foreign().load_table(one.catalog.identifier(T)).append(pa.table({"id": pa.array([3]), "Name": pa.array(["x"])}))
    with pytest.raises(CommitConflictError):
        one.catalog.commit(Change(base, staged.files, (), {"penstock.arrivals": "a"}))
    with pytest.raises(PlanOutdatedError):
        one.catalog.create(T, COLUMNS, {})
    assert one.commit(staged).rows == 2
    assert one.rows() == [(1, "a"), (3, "x")]


def test_files_elsewhere_are_refused(machines: Machines) -> None:
    """A table that names a file of another bucket cannot be read here, and that is said."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = machines()
    one.catalog.create(T, COLUMNS, {})
    there, path = cloud.bucket(), machines.lake / "x.parquet"
    pq.write_table(pa.table({"id": pa.array([3]), "Name": pa.array(["x"])}), path)
    aws.client("s3").upload_file(str(path), there, "x.parquet")
    foreign().load_table(one.catalog.identifier(T)).add_files([f"s3://{there}/x.parquet"])
    with pytest.raises(UnreadableTableError, match="not in the lake's bucket"):
        one.catalog.head(T)


def test_what_the_console_changes_is_no_conflict(machines: Machines) -> None:
    """Somebody describes the table in the console: the next commit lands, and the description stays."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    there = entry(machines.lake)
    described = {key: there[key] for key in ("Name", "TableType", "Parameters", "StorageDescriptor")}
    described |= {"Description": "by hand", "Owner": "the lab"}
    described["StorageDescriptor"]["Columns"][0]["Comment"] = "a number"
    aws.client("glue").update_table(DatabaseName=there["DatabaseName"], TableInput=described)
    one.commit(one.staged("a", 1))
    now = entry(machines.lake)
    assert (now["Description"], now["Owner"]) == ("by hand", "the lab")
    assert now["StorageDescriptor"]["Columns"][0]["Comment"] == "a number"
    assert now["Parameters"]["metadata_location"] == one.catalog.pointer(T)


def test_only_tables_of_the_lake_are_listed(machines: Machines) -> None:
    """Neither what is no Iceberg table, nor what stands in another bucket, nor another lake's databases are listed."""
    one, glue = machines(), aws.client("glue")
    one.catalog.create(T, COLUMNS, {})
    one.catalog.create(TableName("layer", "t"), COLUMNS, {})
    database, lake = one.catalog.identifier(T)[0], lake_of(machines.lake / "processed")
    glue.create_table(DatabaseName=database, TableInput={"Name": "plain", "Parameters": {"classification": "csv"}})
    elsewhere = {"table_type": "ICEBERG", "metadata_location": "s3://other/x.metadata.json"}
    place = {"Location": "s3://other/x", "Columns": []}
    wanted = {"Name": "away", "Parameters": elsewhere, "StorageDescriptor": place}
    glue.create_table(DatabaseName=database, TableInput=wanted)
    glue.create_database(DatabaseInput={"Name": f"{lake}_other_main"})
    glue.create_table(DatabaseName=f"{lake}_other_main", TableInput=wanted)
    assert one.catalog.tables() == [TableName("layer", "t"), T]
    with pytest.raises(CatalogError, match="no Iceberg table"):
        one.catalog.head(TableName.parse("plain"))


def test_the_entry_tells_people_what_the_table_is(machines: Machines) -> None:
    """Glue's entry has what other engines need, the declaration's sentences and tags, and none of our bookkeeping."""
    one = machines()
    one.catalog.describe = lambda _table: Described("Visits of\npatients.", {"name": "Who came.", "ID": "A number."})
    tags = {"penstock.tag.supnum:Lab": "PROJET-5", "penstock.source": "{}", "write.note": "x"}
    one.catalog.create(T, COLUMNS, tags)
    first = entry(machines.lake)
    head = one.commit(one.staged("a", 1))
    there = entry(machines.lake)
    parameters, place = there["Parameters"], there["StorageDescriptor"]
    assert there["TableType"] == "EXTERNAL_TABLE"
    assert (parameters["table_type"], parameters["metadata_location"]) == ("ICEBERG", head.pointer)
    assert parameters["previous_metadata_location"] == first["Parameters"]["metadata_location"]
    assert (parameters["supnum:Lab"], parameters["write.note"]) == ("PROJET-5", "x")
    assert not [key for key in parameters if key.startswith("penstock.")]
    assert place["Location"] == f"s3://{mirror_of(machines.lake / 'processed').bucket}/main/t"
    assert there["Description"] == "Visits of patients."
    said = [(one["Name"], one["Type"], one["Comment"]) for one in place["Columns"]]
    assert said == [("id", "bigint", "A number."), ("name", "string", "Who came.")]
    own = one.catalog._catalog().load_table(one.catalog.identifier(T))
    own.transaction().remove_properties("write.note").commit_transaction()
    one.commit(one.staged("b", 2))
    assert "write.note" not in entry(machines.lake)["Parameters"]
    assert entry(machines.lake)["Description"] == "Visits of patients."


def test_columns_that_glue_cannot_list_are_counted(machines: Machines) -> None:
    """Names that AWS refuses are left out of the entry, which says how many; the table has them all the same."""
    one = machines()
    names = ["é" * 128, "two\nlines", "fine"]
    head = one.catalog.create(T, [(name, "BIGINT") for name in names], {})
    there = entry(machines.lake)
    assert [column["Name"] for column in there["StorageDescriptor"]["Columns"]] == ["fine"]
    assert there["Parameters"]["penstock.unlisted"] == "2"
    assert [column.name for column in head.columns] == names
