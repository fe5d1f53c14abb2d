"""Spark with Iceberg's runtime, as a program of its own: takes one question a line on its input, answers with one line.

It runs in the environment that `environments.py` makes. A question is JSON: `{"sql": ...}` runs a statement, `{"files":
[...], "schema": ...}` reads Parquet files by field id; `out` is a folder for the rows, as Parquet. `{"program": ...}`
runs Python, and `out` is a file for what that prints.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any


def session(jars: list[str]) -> Any:
    """Start Spark; a `penstock` catalog is added for each lake."""
    sql = importlib.import_module("pyspark.sql")
    builder = sql.SparkSession.builder.master("local[2]").appName("interop")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # starts sooner
        "spark.driver.extraClassPath": ":".join(jars),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.fieldId.read.enabled": "true",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def answer(spark: Any, question: dict[str, Any]) -> None:
    """Do what is asked."""
    if "program" in question:
        with Path(question["out"]).open("w", encoding="utf-8") as printed, contextlib.redirect_stdout(printed):
            exec(question["program"], {})  # noqa: S102 - the test's own program
        return
    if "files" in question:
        types = importlib.import_module("pyspark.sql.types")
        schema = types.StructType.fromJson(question["schema"])
        rows = spark.read.schema(schema).parquet(*question["files"])
    else:
        rows = spark.sql(question["sql"])
    if "out" in question:
        rows.coalesce(1).write.mode("overwrite").parquet(question["out"])


def main(jars: list[str]) -> None:
    """Answer until the input ends; every lake has a session of its own, because a catalog is opened once in each."""
    spark = session(jars)
    sessions: dict[str, Any] = {}
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        question = json.loads(line)
        try:
            settings = question.get("settings", {})
            name = json.dumps(settings)
            own = sessions[name] = sessions.get(name) or spark.newSession()
            for key, value in settings.items():
                own.conf.set(key, value)
            answer(own, question)
        except Exception as error:  # noqa: BLE001 - the asker decides what an error means
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)  # noqa: T201
        else:
            print(json.dumps(None), flush=True)  # noqa: T201
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
