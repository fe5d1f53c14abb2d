"""Write the reference pages from the code they describe, or say which of them are stale.

Usage: scripts/reference.py [--check]

The pages stand in `docs/reference/`. `--check` changes nothing and fails when a page differs from what would be
written; the documentation tests run it.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

import penstock.templates
from penstock import errors
from penstock.access.policy import Statement
from penstock.cli.main import penstock as command_line
from penstock.declaration import Declaration, examine
from penstock.deployment.permissions import principals
from penstock.deployment.permissions.functions import WITHOUT_RESOURCE
from penstock.queries.system import (
    QUARANTINE,
    QUARANTINE_COLUMNS,
    READMITTED,
    READMITTED_COLUMNS,
    SYSTEM_TABLES,
)
from penstock.service.metrics import DURATIONS, FAMILIES, LATENCIES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
GENERATED = "<!-- Written by scripts/reference.py; change the code it describes and run the script. -->"

MODELS: dict[str, tuple[str, str]] = {
    "Declaration": ("The document", "The top of `lake.yaml`."),
    "Zones": ("zones", "Relative folders are below the lake's folder."),
    "Table": ("tables", "Each key below `tables` names a table, `name` or `layer.name`; its value has these keys."),
    "Csv": ("csv", "Needed only where detection could be wrong."),
    "Json": ("json", "How JSON files are read."),
    "Excel": ("excel", "How Excel files are read."),
    "Column": ("columns", "Each key below `columns` names a column of the files; its value has these keys."),
    "Quarantine": ("quarantine", "What becomes of rows that were set aside."),
    "Upkeep": ("upkeep", "How tables are kept small, fast and clean."),
    "Alarm": (
        "alarms",
        (
            "Each key names an alarm; its value has one kind, the first nine of these keys, or is `false` for one "
            "that there is without being declared. [Alarms](../alarms.md) says what each kind means."
        ),
    ),
    "DeadLetters": ("dead_letters", "What may stand below `dead_letters`."),
    "ErrorRate": ("error_rate", "What stands below `error_rate`."),
    "LongRuns": ("duration", "What stands below `duration`."),
    "OldestWaiting": ("oldest_waiting", "What stands below `oldest_waiting`."),
    "Freshness": ("freshness", "What stands below `freshness`."),
    "DiskSpace": ("disk", "What may stand below `disk`."),
    "Breaches": ("breaches", "What may stand below `breaches`."),
    "Undelivered": ("undelivered", "What may stand below `undelivered`."),
    "Intake": ("intake", "How files are taken in while the lake is up."),
    "Workflow": (
        "workflows",
        (
            "Each key names a workflow; its value says what starts it, and has steps or one thing to do. "
            "[Workflows](../workflows.md) shows how they go."
        ),
    ),
    "SavedQuery": (
        "queries",
        (
            "Each key names a query; its value is a SELECT, or has these keys. [Saved queries](../saved-queries.md) "
            "shows what becomes of them."
        ),
    ),
    "On": ("on", "Events that start a workflow. [Events](../events.md) tells what each is."),
    "WorkflowStep": ("steps of workflows", "A step does exactly one thing; `timeout` and `retry` go for it alone."),
    "Notify": ("notify", "What stands below `notify`."),
    "Up": ("up", "How `penstock up` keeps a lake alive."),
    "Retry": ("retry", "How often something is tried, and how long it rests in between."),
    "Role": ("access", "Each key names a role; its value has these keys. [Roles](../access.md) shows them."),
    "Aws": ("aws", "Where and how the lake is deployed on AWS; a lake that says nothing of it has the defaults."),
    "AwsBuckets": ("aws.buckets", "Names of buckets are taken once in the whole world."),
    "AwsFunction": ("aws.function", "How large the function is that turns files into rows."),
    "AwsIntake": ("aws.intake", "How the queue of files that landed is worked on."),
    "AwsUpkeep": ("aws.upkeep", "How large the function is that looks after tables, and how often it runs."),
    "AwsSecret": (
        "aws.secrets",
        "What `${NAME}` is on AWS. [Deploying](../deploying.md#secrets) says where a secret can stand.",
    ),
    "AwsRole": ("aws.roles", "Who may act as a role of `access` on AWS. [Security](../security.md#roles) tells more."),
    "AwsCost": ("aws.cost", "What `penstock cost` reckons for. [Costs](../costs.md) shows it."),
    "Mail": ("mail", "Where plain mail addresses are sent through. [Notices](../notices.md) shows it."),
    "Notice": ("notices", "Who is told of what. [Notices](../notices.md) shows them at work."),
    "Step": ("steps", "A step has exactly one of these keys. [Steps](../steps.md) shows each one with rows."),
    "ParseRule": ("parse with options", "What may stand for a column below `parse`, in place of the type alone."),
    "Bucket": ("bucket", "What stands below `bucket`."),
    "Map": ("map with options", "What may stand for a column below `map`, in place of the values alone."),
    "Replace": ("replace", "What stands for a column below `replace`."),
    "Extract": ("extract", "What stands below `extract`."),
    "Split": ("split", "What stands below `split`."),
    "Explode": ("explode", "What stands below `explode`."),
    "Dedupe": ("dedupe", "What stands below `dedupe`."),
    "Hash": ("hash with options", "What may stand below `hash`, in place of the list of columns."),
    "Mask": ("mask with options", "What may stand for a column below `mask`, in place of the list of columns."),
    "Check": ("checks", "A check has exactly one of these keys, beside `on_breach`, `when` and `name`."),
    "Fresh": ("fresh", "What stands below `fresh`."),
}
ONE_OF = ("Step", "Check", "Alarm")
"""Models of which one key is given: their keys have no defaults worth naming."""
EXAMPLES: dict[str, Any] = {
    "Declaration.upkeep": {"max_snapshots": 50, "orphan_age": "2d"},
    "Table.upkeep": {"target_file_size": "256MB", "automatic": False},
    "Upkeep.automatic": False,
    "Declaration.alarms": {"late": {"freshness": {"older_than": "2h"}}, "disk": False},
    "DeadLetters.at_least": 5,
    "LongRuns.of": "p95",
    "Undelivered.at_least": 5,
    "OldestWaiting.older_than": "10m",
    "Freshness.older_than": "2h",
    "Declaration.queries": {"per_day": "SELECT day, count(*) AS orders FROM orders GROUP BY day"},
    "SavedQuery.description": "What was sold in each region",
    "Declaration.workflows": {"nightly": {"cron": "0 2 * * *", "refresh": "all"}},
    "Declaration.allow_exec": True,
    "Workflow.description": "The figures of the day before",
    "Workflow.on": {"committed": "orders"},
    "Workflow.steps": [{"refresh": "all"}, {"verify": "all"}],
    "Workflow.overlap": "skip",
    "Workflow.missed": "all",
    **{
        f"{model}.{key}": example
        for model in ("Workflow", "WorkflowStep")
        for key, example in (("notify", {"text": "the figures are in"}), ("retry", {"attempts": 5, "wait": "1m"}))
    },
    **{f"On.{event}": "orders" for event in ("arrived", "failed", "breached", "recovered", "replayed", "discarded")},
    **{f"On.{event}": "nightly" for event in ("scheduled", "workflow_failed")},
    "On.ok": "disk",
    "Declaration.intake": {"workers": 4},
    "Intake.settle": "2s",
    "Intake.workers": 4,
    "Declaration.up": {"port": 9000, "drain": "2m"},
    "Declaration.aws": {"region": "eu-west-3", "owner": "ops@example.org"},
    "Aws.buckets": {"raw": "shop-raw"},
    "Aws.function": {"memory": 3008, "timeout": "15m"},
    "AwsFunction.architecture": "x86_64",
    "AwsFunction.snapshot": False,
    "Aws.intake": {"concurrency": 10},
    "AwsIntake.batch": 100,
    "AwsIntake.concurrency": 10,
    "Aws.upkeep": {"every": "1h"},
    "Aws.cost": {"files": 1000},
    "Declaration.retry": {"attempts": 8, "max_wait": "10m"},
    "Table.retry": {"wait": "30s"},
    "Declaration.access": {"finance": {"contacts": ["mailto:finance@example.org"]}},
    "Declaration.mail": {"server": "smtp://mail.example.org:25", "from": "lake@example.org"},
    "Declaration.notices": [{"when": ["dead", "alarm", "ok"], "to": "mailto:ops@example.org"}],
    "Notice.digest": "10m",
    "Notice.at_most": "6/1h",
    "Notice.keep_trying": "1d",
    "Declaration.description": "Consultations of all centres since 2024",
    "Declaration.tags": {"owner": "data-team"},
    "Declaration.zones": {"raw": "/srv/drop"},
    "Declaration.tables": {"orders": {"files": "orders*.csv"}},
    "Zones.raw": "/srv/drop",
    "Zones.processed": "processed",
    "Zones.enriched": "enriched",
    "Table.description": "One row per order",
    "Table.format": "json",
    "Table.csv": {"delimiter": ";"},
    "Table.json": {"records": "result.items"},
    "Table.excel": {"sheet": "Orders"},
    "Table.contract": "freeze",
    "Table.columns": {"order_id": {"contract": "freeze"}},
    "Table.steps": [{"require": ["customer"]}],
    "Table.checks": [{"unique": "order_id"}],
    "Table.quarantine": {"keep": "90d"},
    "Table.on_reupload": "append",
    "Csv.skip": 3,
    "Csv.header": 0,
    "Csv.columns": ["id", "price"],
    "Csv.decimal": ",",
    "Json.flatten": True,
    "Excel.sheet": "Orders",
    "Excel.skip": 2,
    "Column.contract": "freeze",
    "Column.description": "As printed on the invoice",
    "Step.bucket": {"column": "age", "into": "age_group", "upto": {"minor": 17, "adult": None}},
    "Step.extract": {"column": "phone", "pattern": r"\+(\d+) (.*)", "into": ["country", "number"]},
    "Step.split": {"column": "name", "on": ", ", "into": ["last", "first"]},
    "Step.explode": {"column": "tags", "on": ";", "into": "tag"},
    "Step.dedupe": {"key": ["order_id"], "keep": "newest", "by": "updated_at"},
    "ParseRule.type": "date",
    "ParseRule.locale": "fr",
    "ParseRule.decimal": ",",
    "ParseRule.thousands": ".",
    "ParseRule.precision": 12,
    "ParseRule.scale": 3,
    "ParseRule.otherwise": "null",
    "Bucket.column": "age",
    "Bucket.into": "age_group",
    "Bucket.upto": {"minor": 17, "adult": None},
    "Map.values": {"O": "open", "C": "closed"},
    "Map.ignore_case": True,
    "Map.otherwise": "quarantine",
    "Replace.pattern": "[^0-9+]",
    "Replace.by": "",
    "Extract.column": "phone",
    "Extract.pattern": r"\+(\d+) (.*)",
    "Extract.into": ["country", "number"],
    "Extract.otherwise": "null",
    "Split.column": "name",
    "Split.on": ", ",
    "Split.into": ["last", "first"],
    "Split.otherwise": "null",
    "Explode.column": "tags",
    "Explode.on": ";",
    "Explode.into": "tag",
    "Dedupe.key": ["order_id"],
    "Dedupe.keep": "newest",
    "Dedupe.by": "updated_at",
    "Hash.columns": ["email"],
    "Hash.salt": "${SALT}",
    "Mask.keep_first": 2,
    "Mask.keep_last": 4,
    "Mask.char": "x",
    "Check.fresh": {"column": "ordered_at", "within": "2d"},
    "Check.on_breach": "quarantine",
    "Check.when": "before",
    "Check.name": "ids are unique",
    "Fresh.column": "ordered_at",
}
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


# --- Declaration -----------------------------------------------------------------------------


def declaration_page() -> Iterator[str]:
    """Every key of `lake.yaml`, from the models that read it."""
    yield from _opening(
        "Declaration",
        "Every key that `lake.yaml` may hold. The file is read strictly: an unknown key, a wrong type or a dangling "
        "name is an error with its line and column, and all errors are shown at once. `penstock schema` prints the "
        "same as a JSON Schema for editors. `${NAME}` in a value is taken from the environment; `$${NAME}` stands for "
        "itself.",
    )
    for model in _models(Declaration, []):
        title, text = MODELS[_named(model)]
        yield f"## {title}"
        yield text
        yield _table(
            ("key", "type", "default", "meaning", "example"),
            [_key(model, field.alias or name, field) for name, field in model.model_fields.items()],
        )


def _models(annotation: Any, found: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """Every model that a declaration is made of, in the order of the page."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in found:
            found.append(annotation)
            for field in annotation.model_fields.values():
                _models(field.annotation, found)
    else:
        for part in typing.get_args(annotation):
            _models(part, found)
    return sorted(found, key=lambda model: list(MODELS).index(_named(model)))


def _named(model: type[BaseModel]) -> str:
    if model.__name__ not in MODELS:
        sys.exit(f"reference: the model {model.__name__} has no section; add it to MODELS")
    return model.__name__


def _key(model: type[BaseModel], key: str, field: FieldInfo) -> tuple[str, ...]:
    one_of = model.__name__ in ONE_OF and field.default is None
    default = "required" if field.is_required() else "" if one_of else _default(field)
    example = _flow({key: _example(model, key, field)})
    return (
        _code(key),
        _type_words(_given(field.annotation)),
        default,
        _sentence(field.description or ""),
        _code(example),
    )


def _given(annotation: Any) -> Any:
    """What a key may hold when it is given: null stands for a key that is left out."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    return typing.Union[tuple(kinds)] if union else annotation  # noqa: UP007 - there is no other way to write it


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "as described there"
    if isinstance(value, (bool, int)):
        return _code(str(value).lower())
    return _code(value) if isinstance(value, str) and value else "empty"


def _example(model: type[BaseModel], key: str, field: FieldInfo) -> Any:
    name = f"{model.__name__}.{key}"
    example = field.examples[0] if field.examples else EXAMPLES.get(name, PydanticUndefined)
    if example is PydanticUndefined:
        sys.exit(f"reference: {name} has no example; give the field one, or add it to EXAMPLES")
    TypeAdapter(field.rebuild_annotation()).validate_python(example)
    return example


def _type_words(annotation: Any) -> str:
    if getattr(annotation, "__name__", "") in MODELS:
        title = MODELS[annotation.__name__][0]
        return f"[{title}](#{title.replace(' ', '-').replace('.', '')})"
    if annotation in PLAIN:
        return PLAIN[annotation]
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Annotated:
            words = _type_words(arguments[0])
        case typing.Literal:
            words = " or ".join(_code(value) for value in arguments)
        case builtins.list:
            words = f"list of {_type_words(arguments[0])}"
        case builtins.dict:
            words = f"mapping of name to {_type_words(arguments[1])}"
        case _:
            words = _union_words(arguments)
    return words


def _union_words(arguments: tuple[Any, ...]) -> str:
    """A union; whole numbers are numbers."""
    words = list(dict.fromkeys(_type_words(kind) for kind in arguments))
    return " or ".join(word for word in words if word != PLAIN[int] or PLAIN[float] not in words)


def _flow(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=True)
    return text.strip()[1:-1]


# --- Commands --------------------------------------------------------------------------------

EXITS = (
    (0, "Done. For `up`: Ctrl-C or SIGTERM ended it, and what was at hand was finished or given back in time."),
    (
        1,
        "The request could not be carried out, and the error says why; `check` found problems; `run` refused to begin.",
    ),
    (2, "The command line itself is wrong: an unknown command, option or argument."),
    (
        3,
        "`run` ended with dead letters: the other files are in, these are not. `maintain` left a table undone.",
    ),
    (70, "A defect of Penstock; `PENSTOCK_DEBUG=1` shows the traceback."),
    (130, "Stopped by Ctrl-C; `up` only by a second one, at once."),
    (143, "Stopped by SIGTERM; `up` only by a second signal, at once."),
)


def commands_page() -> Iterator[str]:
    """Every command with its options, from the command line's own objects."""
    yield from _opening(
        "Commands", "Every command and option. `penstock --help` and `penstock COMMAND --help` say the same."
    )
    yield "## Exit codes"
    yield _table(("code", "meaning"), ((str(code), text) for code, text in EXITS))
    yield "## penstock"
    yield _help(command_line)
    yield from _parameters(command_line)
    yield from _commands(command_line, "penstock")


def _commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"## {path} {name}"
        own = click.Context(command, info_name=name, parent=context)
        yield f"```text\n{' '.join([path, name, *command.collect_usage_pieces(own)])}\n```"
        yield _help(command)
        yield from _parameters(command)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _help(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").split("\f", 1)[0].replace("\b\n", "")
    return text.strip()


def _parameters(command: click.Command) -> Iterator[str]:
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    rows = [(_option_names(option), option.help or "", _option_default(option)) for option in options]
    if rows:
        yield _table(("option", "what it does", "default"), rows)


def _option_names(option: click.Option) -> str:
    names = ", ".join(_code(name) for name in [*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return names
    kind = option.metavar or (
        "|".join(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else option.type.name.upper()
    )
    return f"{names} {_code(kind)}"


def _option_default(option: click.Option) -> str:
    plain = option.default is not None and isinstance(option.default, (str, int, float)) and not option.is_flag
    return _code(option.default) if plain else ""


# --- Errors ----------------------------------------------------------------------------------


def errors_page() -> Iterator[str]:
    """Every error with its code, from the classes."""
    yield from _opening(
        "Errors",
        "Everything that Penstock raises on purpose is a `PenstockError`, so a program needs one `except`. An error "
        "says where it happened, what was found and which rule that breaks, and the next step. The code is stable; it "
        "stands in the output of `--json` and in the attribute `code`. [The runbook](../runbook.md#errors) says what "
        "to do about each.",
    )
    yield _table(
        ("code", "class", "meaning"),
        ((_code(kind.code), _code(kind.__name__), _first_sentence(kind)) for kind in _errors()),
    )
    yield "## Attributes"
    yield _table(
        ("attribute", "meaning"),
        ((_code(name), text) for name, text in _attributes(errors.PenstockError)),
    )
    yield "`DeclarationError` has `problems` besides: a list with `file`, `line`, `column`, `path` and `text` each."


def _errors() -> list[type[errors.PenstockError]]:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    found = [kind for kind in classes if issubclass(kind, errors.PenstockError)]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    section = inspect.cleandoc(kind.__doc__ or "").split("Attributes:\n", 1)[1]
    for name, text in re.findall(r"^    (\w+): ((?:.|\n(?!    \w+: ))*)", section, re.MULTILINE):
        yield name, " ".join(text.split())


def _first_sentence(kind: type) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n", 1)[0].split())


# --- System tables ---------------------------------------------------------------------------

MEANINGS = {
    "alarm": "Name of the alarm.",
    "measured": "What was measured; null where there was nothing to measure.",
    "since": "As of when it is in this state, UTC.",
    "sequence": "Order in which it was recorded.",
    "facts": "What is known of it, JSON; see Events.",
    "event": "What happened: the name of the event.",
    "arrivals": "Number of arrivals whose rows the run brought in.",
    "attempts": "How often it was tried.",
    "breaches": "Rows that broke the check; 1 for a file that broke it as a whole.",
    "byte_offset": "Byte of the file at which the record starts, from 0.",
    "bytes": "Size in bytes; of a table, that of its live data files.",
    "bytes_in": "Bytes of the files that were read.",
    "bytes_out": "Bytes of Parquet written.",
    "change": "What became of it: `created`, `added`, `widened`, or `decided` by its first value; "
    "and, by another writer, `added`, `renamed`, `retyped` or `dropped`.",
    "changed": "When the column, or the state, changed, UTC.",
    "check_name": "The check, as it is called or what it says.",
    "checked": "When it was looked at, UTC.",
    "code": "Kind of the error, as in [Errors](errors.md); `internal`, `system`, `memory` or `engine` for others.",
    "column_name": "Name of the column; of what failed the one to blame, null when it is no single one.",
    "committed": "When the current snapshot was committed, UTC.",
    "corrected": "The record as it was corrected: JSON, column to cell.",
    "corrections": "Name of the file of corrections.",
    "data_file": "The data file that holds the row now.",
    "declaration": "Fingerprint of what the table declared when it failed.",
    "duration_ms": "Milliseconds from start to commit.",
    "ended": "When the last attempt ended, UTC.",
    "error": "Why the run failed, or was left out; null when it did not and was not.",
    "failed": "When the first attempt failed, UTC.",
    "file": "Path below the raw zone.",
    "files": "Number of live data files.",
    "files_added": "Data files that the commit added.",
    "files_removed": "Data files that the commit removed.",
    "finished": "When its work ended, UTC; null while it has not.",
    "id": "Name of the row, or number of the dead letter, unlike any other; what `quarantine` and `dead` take.",
    "kind": "What is checked or watched, such as `between` or `freshness`.",
    "layer": "The table's layer; `main` where the declaration names none.",
    "line": "Line of the file on which the record starts, from 1; null when it could not be told for sure.",
    "name": "The table's name in its layer.",
    "operation": "What the commit did, in Iceberg's words: `append`, `overwrite`, `replace` or `delete`.",
    "on_breach": "What a breach does, as declared: `warn`, `quarantine` or `halt`.",
    "part": "Name of the part that holds the row; the data file's name has the attempt besides.",
    "penstock": "Version of Penstock that it failed under.",
    "position": "Place among the columns, from 1.",
    "processes_lost": "Attempts that ended because their process did, or fell silent.",
    "raw": "The record as it stands in the file.",
    "readmitted": "When the row came back, UTC.",
    "reason": "Why, for people.",
    "recorded": "When it was first seen, UTC.",
    "result": "What came of it: `held`, `warned`, `quarantined` or `halted`.",
    "row_number": "Number of the record, from 1, where the file has no lines.",
    "rows": "Rows of the table.",
    "rows_added": "Rows that the commit brought.",
    "rows_removed": "Rows that the commit took away, those that it wrote anew included.",
    "rows_dropped": "Rows dropped: a number for an arrival; for a run JSON, rule to number.",
    "rows_in": "Records read, those that could not be cut into fields included.",
    "rows_out": "Rows written to the table.",
    "rows_quarantined": "Rows set aside in quarantine.",
    "rule": "Name of the rule that set the row aside.",
    "run": "Name of the run; sorts by time.",
    "schema_id": "Iceberg's number of the schema from then on.",
    "snapshot": "Iceberg's id of the snapshot, as text.",
    "stage": "Whether rows were looked at `before` or `after` the steps.",
    "due": "When it was to start, UTC.",
    "joined": "Further triggers that the run stands for.",
    "steps": "How far each step is, JSON: its words, state, attempts, times, error and outcome.",
    "trigger": "What started it: a time, the sequence of an event, or a hand.",
    "workflow": "Name of the workflow.",
    "started": "When it began, UTC.",
    "state": "How far it is: see below.",
    "table_name": "The table, `name` or `layer.name`.",
    "tags": "Names of the snapshot, separated by commas; null where it has none.",
    "trace": "Names the cause; the log has its traceback under this name.",
    "type": "DuckDB's name of the stored type.",
    "value": "The value that decided; null where no single one did.",
    "version": "SHA-256 of the content, hexadecimal.",
    "was": "Its type before; null for a new column.",
}


def system_tables_page() -> Iterator[str]:
    """Every table `penstock.*`, from the code that fills them."""
    yield from _opening(
        "System tables",
        "What happened, as tables for `penstock query` and `lake.query`.",
    )
    quarantine = "Rows set aside, of the versions that tables hold now; empty when there are none."
    tables = {name: (table.description, table.columns) for name, table in SYSTEM_TABLES.items()}
    tables[QUARANTINE] = (quarantine, QUARANTINE_COLUMNS)
    tables[READMITTED] = ("Rows that came back from quarantine, and are in their tables now.", READMITTED_COLUMNS)
    for name, (description, columns) in tables.items():
        yield f"## penstock.{name}"
        yield description
        yield _table(
            ("column", "type", "meaning"), ((_code(column), kind, _meaning(column)) for column, kind in columns)
        )
    yield "## States"
    yield _table(("of", "state", "meaning"), STATES)


STATES = (
    ("arrival", "`pending`", "Recorded; waits for a worker, or for its next attempt."),
    ("arrival", "`working`", "Leased by a worker."),
    ("arrival", "`finished`", "Its rows are in the table, or no row was left."),
    ("arrival", "`dead`", "It failed for good; its reason is kept. A changed declaration lets it try again."),
    ("arrival", "`discarded`", "A dead letter that was given up; it comes back only when its file changes."),
    ("arrival", "`superseded`", "A newer version of the same file took its place."),
    ("alarm", "`OK`", "All is well, or was until too little time ago."),
    ("alarm", "`ALARM`", "It is too much, or was until too little time ago."),
    ("workflow run", "`queued`", "It waits for its turn, or rests until a step is tried again."),
    ("workflow run", "`running`", "A process works on it."),
    ("workflow run", "`finished`", "All its steps are done."),
    ("workflow run", "`failed`", "A step failed for good; its reason is kept."),
    ("workflow run", "`skipped`", "It was left out, because of `overlap`, `missed`, or since it was its own effect."),
    ("run", "`finished`", "Rows were committed."),
    ("run", "`empty`", "Every row was dropped or quarantined; nothing was committed."),
    ("run", "`failed`", "An arrival became a dead letter; nothing was changed."),
)


def _meaning(column: str) -> str:
    if column not in MEANINGS:
        sys.exit(f"reference: the column {column} of the system tables has no meaning; add it to MEANINGS")
    return MEANINGS[column]


# --- Metrics ---------------------------------------------------------------------------------


def metrics_page() -> Iterator[str]:
    """Every metric, from the families that `/metrics` tells."""
    yield from _opening(
        "Metrics",
        "What `penstock up` tells Prometheus on `/metrics` of its port, in Prometheus' text format and in OpenMetrics. "
        "[Running it for good](../operations.md#metrics) shows how to scrape it.",
    )
    for of, title, text in METRICS_OF:
        yield f"## {title}"
        yield text
        yield _table(
            ("metric", "kind", "labels", "meaning"),
            (
                (_code(family.name), family.kind, ", ".join(map(_code, family.labels)), family.text)
                for family in FAMILIES
                if family.of == of
            ),
        )
    yield (
        "Prometheus' own library adds what it knows of the process: `process_cpu_seconds_total`, "
        "`process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_open_fds`, `process_max_fds` and "
        "`process_start_time_seconds`."
    )
    yield "## Buckets"
    yield f"Upper bounds in seconds of `penstock_commit_latency_seconds`: {_bounds(LATENCIES)}."
    yield f"Upper bounds in seconds of `penstock_run_duration_seconds`: {_bounds(DURATIONS)}."


METRICS_OF = (
    (
        "lake",
        "Of the lake",
        (
            "Read from the state store when they are asked for: they count what every process did, go on after a "
            "restart where they were, and are the same whichever process is asked. Where several processes are "
            "scraped, take the greatest value and never their sum."
        ),
    ),
    (
        "process",
        "Of the process",
        (
            "What this one process did since it started; they begin at nothing. Where several processes are scraped, "
            "add them up; what a `penstock run` did is not in them."
        ),
    ),
)


def _bounds(bounds: typing.Iterable[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)


# --- Permissions -----------------------------------------------------------------------------

SHOWN_LAKE = "immobilier"
"""The template whose permissions are shown."""


def permissions_page() -> Iterator[str]:
    """Who may do what in a deployed lake, statement by statement."""
    folder = Path(penstock.templates.__file__).parent / SHOWN_LAKE
    declaration = examine((folder / "lake.yaml").read_text(encoding="utf-8")).declaration
    if declaration is None:
        raise ValueError(f"{folder} cannot be read")
    yield from _opening(
        "Permissions",
        f"Everybody who may do something in the lake `{SHOWN_LAKE}` once it is deployed, with all that they may do; "
        "what is not here is refused. [Security](../security.md) says how this comes about. ARNs are written without "
        "their beginning, the partition, and without region and account, which are the stack's own; `${...}` is what "
        "CloudFormation puts in. A policy names each of these resources, and each condition must be met.",
    )
    for principal in principals(declaration):
        yield f"## {principal.name}"
        yield f"{principal.who[0].upper()}{principal.who[1:]}."
        if principal.trust:
            yield f"Who may act as it: {' '.join(map(_trusted, principal.trust))}"
        yield _table(
            ("statement", "may", "on", "if", "why"),
            (
                (
                    _code(statement.sid),
                    _lines(statement.actions),
                    _lines(map(_shortened, statement.resources)),
                    _lines(_conditions(statement)),
                    statement.why,
                )
                for statement in principal.statements
            ),
        )
    yield "## Without a resource"
    yield "Actions that no policy can hold to a resource; they alone stand with `*`."
    yield _table(("action", "why"), ((_code(action), why) for action, why in WITHOUT_RESOURCE.items()))


def _trusted(statement: Statement) -> str:
    who = [_code(_shortened(str(name))) for name in (statement.principal or {}).values()]
    conditions = ", ".join(_conditions(statement))
    return f"{', '.join(who)}{f' where {conditions}' if conditions else ''}: {statement.why}."


def _conditions(statement: Statement) -> Iterator[str]:
    for operator, keys in statement.conditions.items():
        for key, value in keys.items():
            values = (value,) if isinstance(value, str) else value
            sign = "=" if operator == "StringEquals" else "like"
            yield f"`{key}` {sign} {' or '.join(_code(_shortened(text)) for text in values)}"


def _shortened(text: str) -> str:
    return text.removeprefix("arn:${AWS::Partition}:").replace("${AWS::Region}:${AWS::AccountId}:", "")


def _lines(texts: typing.Iterable[str]) -> str:
    return "<br>".join(text if text.startswith("`") else _code(text) for text in texts)


# --- Writing ---------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "declaration.md": declaration_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "system-tables.md": system_tables_page,
    "metrics.md": metrics_page,
    "permissions.md": permissions_page,
}


def _opening(title: str, text: str) -> Iterator[str]:
    yield f"# {title}"
    yield GENERATED
    yield text


def _code(value: object) -> str:
    return f"`{value}`"


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _table(head: tuple[str, ...], rows: typing.Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Write every page, or with `--check` compare them; gives the exit code."""
    stale = []
    for name, page in PAGES.items():
        text = "\n\n".join(part for part in page() if part) + "\n"
        file = FOLDER / name
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            FOLDER.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"stale: {', '.join(stale)}; run scripts/reference.py and commit what it writes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
