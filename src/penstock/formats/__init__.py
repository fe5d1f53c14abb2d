"""Formats of files that land: how a file is cut into records and fields, and what its text values are."""

from penstock.formats.csv.careful import first_records, read_carefully
from penstock.formats.csv.decide import Reading, detect_dialect
from penstock.formats.csv.dialect import RESERVED, Choice, Dialect
from penstock.formats.csv.later import verify
from penstock.formats.csv.locate import Located, cut, locate_offsets, locate_records
from penstock.formats.csv.proof import Proof, prove
from penstock.formats.csv.survey import LARGE_BYTES, Scan, glance, scan
from penstock.formats.infer import NO_VALUE, Inferred, deciding_values, infer_from_sample, narrowest
from penstock.formats.packed import decompress
from penstock.formats.spill import Place, Spilled, SpillWriter
from penstock.formats.text_types import INFERRED_TYPES, holds_sql, is_type, pointed, pointed_sql, value_sql

__all__ = [
    "INFERRED_TYPES",
    "LARGE_BYTES",
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
    "detect_dialect",
    "first_records",
    "glance",
    "holds_sql",
    "infer_from_sample",
    "is_type",
    "locate_offsets",
    "locate_records",
    "narrowest",
    "pointed",
    "pointed_sql",
    "prove",
    "read_carefully",
    "scan",
    "value_sql",
    "verify",
]
