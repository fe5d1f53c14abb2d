"""Formats of files that land: how a file is cut into records and fields, and what its text values are."""

from penstock.formats.careful import first_records, read_carefully
from penstock.formats.csv import detect, missing_column, open_records, read_head, read_header
from penstock.formats.decide import Reading, detect_dialect
from penstock.formats.dialect import RESERVED, Choice, Dialect
from penstock.formats.infer import NO_VALUE, Inferred, deciding_values, infer_from_sample, narrowest
from penstock.formats.later import verify
from penstock.formats.locate import Located, cut, locate_offsets, locate_records
from penstock.formats.packed import decompress
from penstock.formats.proof import Proof, prove
from penstock.formats.spill import Place, Spilled, SpillWriter
from penstock.formats.survey import Scan, scan
from penstock.formats.text_types import INFERRED_TYPES, holds_sql, is_type, pointed, pointed_sql, value_sql

__all__ = [
    "INFERRED_TYPES",
    "NO_VALUE",
    "RESERVED",
    "Choice",
    "Dialect",
    "Inferred",
    "Located",
    "Place",
    "Proof",
    "Reading",
    "Scan",
    "SpillWriter",
    "Spilled",
    "cut",
    "deciding_values",
    "decompress",
    "detect",
    "detect_dialect",
    "first_records",
    "holds_sql",
    "infer_from_sample",
    "is_type",
    "locate_offsets",
    "locate_records",
    "missing_column",
    "narrowest",
    "open_records",
    "pointed",
    "pointed_sql",
    "prove",
    "read_carefully",
    "read_head",
    "read_header",
    "scan",
    "value_sql",
    "verify",
]
