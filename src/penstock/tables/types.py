"""Types: DuckDB's names on one side, Iceberg's on the other, and which DuckDB type a table stores.

Types that Iceberg does not have are widened where that loses nothing (`UINTEGER` becomes `BIGINT`); the others are
refused with the cast that helps.
"""

from __future__ import annotations

import re

from penstock.errors import BadFileError

_STORED_AS = {
    "VARCHAR": "VARCHAR",
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "INTEGER",
    "SMALLINT": "INTEGER",
    "INTEGER": "INTEGER",
    "UTINYINT": "INTEGER",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "BIGINT": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
    "BLOB": "BLOB",
    "UUID": "UUID",
    "NULL": "VARCHAR",
    '"NULL"': "VARCHAR",
}
ICEBERG = {  # names of pyiceberg's classes
    "VARCHAR": "StringType",
    "BOOLEAN": "BooleanType",
    "INTEGER": "IntegerType",
    "BIGINT": "LongType",
    "FLOAT": "FloatType",
    "DOUBLE": "DoubleType",
    "DATE": "DateType",
    "TIME": "TimeType",
    "TIMESTAMP": "TimestampType",
    "TIMESTAMP WITH TIME ZONE": "TimestamptzType",
    "BLOB": "BinaryType",
    "UUID": "UUIDType",
}
_DUCKDB = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "binary": "BLOB",
    "uuid": "UUID",
}
DECIMAL = re.compile(r"^decimal\((\d+),\s*(\d+)\)$", re.IGNORECASE)


def storage_type(duckdb_type: str, column: str) -> str:
    """The DuckDB type that a table stores for values of `duckdb_type`.

    Raises:
        BadFileError: Iceberg has no type for it.
    """
    if decimal := DECIMAL.match(duckdb_type):
        return f"DECIMAL({decimal[1]},{decimal[2]})"
    try:
        return _STORED_AS[duckdb_type.upper()]
    except KeyError:
        raise BadFileError(
            f'column "{column}" has the type {duckdb_type}, which tables cannot store',
            hint=f"add a step such as `derive: {{{column}: cast({column} as varchar)}}`",
        ) from None


def column_type(iceberg: str) -> str:
    """The stored DuckDB type of an Iceberg primitive's name."""
    if decimal := DECIMAL.match(iceberg):
        return f"DECIMAL({decimal[1]},{decimal[2]})"
    return _DUCKDB[iceberg]
