"""Spark writes to a lake's tables, with Iceberg's runtime: no row is lost, doubled or shown wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.everything import Spark
from tests.interop.test_other_writers import FIRST, SECOND, assert_refused, forget, history, ids, lake, rows, run, table

pytestmark = pytest.mark.timeout(600)  # the first run downloads what Spark needs
__all__ = ["lake"]


def tell(spark: Spark, lake: Path, *statements: str) -> None:
    """Run statements in Spark."""
    for statement in statements:
        assert spark.tell(lake, statement) is None, statement


def test_spark_appends_deletes_and_alters(lake: Path, spark: Spark) -> None:
    """Rows and columns of Spark's are the table's, and Spark sees what the lake makes of it."""
    tell(
        spark,
        lake,
        "INSERT INTO penstock.main.t VALUES (7, 'x', 70)",
        "ALTER TABLE penstock.main.t ADD COLUMN extra STRING",
        "DELETE FROM penstock.main.t WHERE id = 2",
    )
    summary = run(lake, b="id,name,amount,extra\n4,d,40,new\n")
    assert [note for name, note in summary.notes if name == "t"] == [
        "another writer committed (append): rows added 1, deleted 0",
        "another writer committed (overwrite): rows added 2, deleted 3",
        "another writer changed the table's columns; penstock show --history says how",
    ]
    assert rows(lake, "id, extra") == [(1, None), (3, None), (4, "new"), (7, None)]
    assert history(lake) == [("extra", "added", None, "VARCHAR", "another writer added it")]
    found = spark.rows(lake, "SELECT id, extra FROM penstock.main.t")
    assert found[1:] == [(1, None), (3, None), (4, "new"), (7, None)]


def test_spark_compacts_and_expires(lake: Path, spark: Spark) -> None:
    """After Spark's own upkeep, which removes files, every row is there once, also when the state store is lost."""
    run(lake, b=SECOND)
    call = "CALL penstock.system"
    tell(
        spark,
        lake,
        f"{call}.rewrite_data_files(table => 'main.t', options => map('rewrite-all', 'true'))",
        f"{call}.expire_snapshots(table => 'main.t', older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1)",
    )
    assert ids(lake) == [1, 2, 3, 4]
    forget(lake)
    assert run(lake, c="id,name,amount\n5,e,50\n").dead == []
    assert ids(lake) == [1, 2, 3, 4, 5]


def test_delete_files_are_refused_until_they_are_applied(lake: Path, spark: Spark) -> None:
    """Rows that Spark deleted by a delete file are never shown: the table waits until Spark applied it."""
    tell(
        spark,
        lake,
        "ALTER TABLE penstock.main.t SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')",
        "DELETE FROM penstock.main.t WHERE id = 2",
    )
    assert_refused(lake, "another writer deleted rows by a delete file")
    tell(spark, lake, "INSERT OVERWRITE penstock.main.t SELECT * FROM penstock.main.t")
    assert ids(lake) == [1, 3]
    assert FIRST.count("\n") == 4
    assert table(lake).scan().to_arrow().num_rows == 2
