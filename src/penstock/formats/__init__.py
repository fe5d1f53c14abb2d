"""Formats of files that land: how a file is cut into records and fields, and what its text values are."""

from penstock.formats.csv import RESERVED, Dialect, detect, missing_column, open_records, read_head, read_header
from penstock.formats.infer import Inferred, infer_from_sample, narrowest
from penstock.formats.locate import Located, cut, locate_offsets, locate_records
from penstock.formats.text_types import INFERRED_TYPES, holds_sql, is_type, value_sql

__all__ = [
    "INFERRED_TYPES",
    "RESERVED",
    "Dialect",
    "Inferred",
    "Located",
    "cut",
    "detect",
    "holds_sql",
    "infer_from_sample",
    "is_type",
    "locate_offsets",
    "locate_records",
    "missing_column",
    "narrowest",
    "open_records",
    "read_head",
    "read_header",
    "value_sql",
]
