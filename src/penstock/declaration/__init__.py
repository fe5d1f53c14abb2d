"""The declaration: what `lake.yaml` may say, read strictly, with positions."""

from penstock.declaration.access import Role
from penstock.declaration.alarms import DEFAULTS, Alarm, alarms_in_force, chosen_tables
from penstock.declaration.aws import LOG_DAYS, MAIL_ADDRESS, Aws, AwsRole, days_of
from penstock.declaration.aws_secrets import AwsSecret, may_hold_secret
from penstock.declaration.checks import Check, Fresh
from penstock.declaration.files import Csv, Excel, Format, Json
from penstock.declaration.json_schema import json_schema
from penstock.declaration.model import Column, Contract, Declaration, OnReupload, Quarantine, Table, Zones
from penstock.declaration.notices import EMBEDDED, PLAIN_MAIL, Mail, Notice, notice_name
from penstock.declaration.on_aws import (
    ABOUT_UP,
    examine_deployed,
    lacks_secrets,
    load_deployed,
    staying,
    wanted_secrets,
)
from penstock.declaration.parse import Document
from penstock.declaration.parse_rule import ParseRule
from penstock.declaration.partition import parse_transform
from penstock.declaration.patterns import matches
from penstock.declaration.queries import SavedQuery, sql_of
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
    "ABOUT_UP",
    "DEFAULTS",
    "EMBEDDED",
    "FILE_NAME",
    "LOG_DAYS",
    "MAIL_ADDRESS",
    "PLAIN_MAIL",
    "Alarm",
    "Aws",
    "AwsRole",
    "AwsSecret",
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
    "SavedQuery",
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
    "examine_deployed",
    "json_schema",
    "lacks_secrets",
    "load",
    "load_deployed",
    "loads",
    "matches",
    "may_hold_secret",
    "notice_name",
    "parse_transform",
    "patience_of",
    "read_text",
    "seconds_of",
    "sql_of",
    "staying",
    "wanted_secrets",
]
