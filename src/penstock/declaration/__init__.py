"""The declaration: what `lake.yaml` may say, read strictly, with positions."""

from penstock.declaration.access import Role
from penstock.declaration.alarms import DEFAULTS, Alarm, alarms_in_force, chosen_tables
from penstock.declaration.aws import LOG_DAYS, MAIL_ADDRESS, Aws, days_of
from penstock.declaration.checks import Check, Fresh
from penstock.declaration.files import Csv, Excel, Format, Json
from penstock.declaration.json_schema import json_schema
from penstock.declaration.model import Column, Contract, Declaration, OnReupload, Quarantine, Table, Zones
from penstock.declaration.notices import EMBEDDED, PLAIN_MAIL, Mail, Notice, notice_name
from penstock.declaration.parse import Document
from penstock.declaration.parse_rule import ParseRule
from penstock.declaration.partition import parse_transform
from penstock.declaration.patterns import matches
from penstock.declaration.retry import Patience, Retry, patience_of
from penstock.declaration.steps import (
    Bucket,
    Dedupe,
    Explode,
    Extract,
    Hash,
    Map,
    Mask,
    Replace,
    Split,
    Step,
)
from penstock.declaration.up import Up
from penstock.declaration.upkeep import Upkeep, bytes_of, seconds_of
from penstock.declaration.validate import FILE_NAME, Examined, decoded, examine, load, loads, read_text
from penstock.naming import Transform

__all__ = [
    "DEFAULTS",
    "EMBEDDED",
    "FILE_NAME",
    "LOG_DAYS",
    "MAIL_ADDRESS",
    "PLAIN_MAIL",
    "Alarm",
    "Aws",
    "Bucket",
    "Check",
    "Column",
    "Contract",
    "Csv",
    "Declaration",
    "Dedupe",
    "Document",
    "Examined",
    "Excel",
    "Explode",
    "Extract",
    "Format",
    "Fresh",
    "Hash",
    "Json",
    "Mail",
    "Map",
    "Mask",
    "Notice",
    "OnReupload",
    "ParseRule",
    "Patience",
    "Quarantine",
    "Replace",
    "Retry",
    "Role",
    "Split",
    "Step",
    "Table",
    "Transform",
    "Up",
    "Upkeep",
    "Zones",
    "alarms_in_force",
    "bytes_of",
    "chosen_tables",
    "days_of",
    "decoded",
    "examine",
    "json_schema",
    "load",
    "loads",
    "matches",
    "notice_name",
    "parse_transform",
    "patience_of",
    "read_text",
    "seconds_of",
]
