"""What a declaration may say, as pydantic models; the reference and the JSON Schema are generated from here.

Every model forbids unknown keys and does not convert types: `"12"` is not a number. Descriptions and examples are the
text of the reference page.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from penstock.declaration.access import Role
from penstock.declaration.alarms import Alarm
from penstock.declaration.aws import Aws
from penstock.declaration.checks import Check
from penstock.declaration.files import Csv, Excel, Format, Json
from penstock.declaration.intake import Intake
from penstock.declaration.notices import Mail, Notice
from penstock.declaration.partition import Partition, assert_distinct, parse_transform
from penstock.declaration.queries import Query, SavedQuery, as_saved
from penstock.declaration.retry import Retry
from penstock.declaration.steps import Step
from penstock.declaration.strict import Strict
from penstock.declaration.up import Up
from penstock.declaration.upkeep import Upkeep
from penstock.declaration.workflows import Workflow
from penstock.naming import Transform

LAKE_NAME = r"^[a-z][a-z0-9_]*$"

OnReupload = Literal["replace", "append", "ignore"]
Contract = Literal["evolve", "freeze", "quarantine"]


class Column(Strict):
    """What is known beforehand of one column of the files."""

    contract: Contract | None = None
    """What a file does whose column is missing or of another type; the table's contract when left out."""
    description: str | None = None
    """One sentence for people."""


class Quarantine(Strict):
    """How long quarantined rows are kept."""

    keep: str | None = Field(default=None, pattern=r"^\d+\s*[dwh]$", examples=["90d"])
    """A whole number and h, d or w; for ever when left out."""


class Table(Strict):
    """A table whose rows come from files that land."""

    files: str = Field(min_length=1, examples=["orders/*.csv"])
    """Which files below `raw/` are the table's: a glob, where `*` stays within a folder and `**` crosses folders."""
    description: str | None = None
    """One sentence for people."""
    format: Format | None = None
    """How the files are written; told by the ending of their names when left out, and CSV for any other ending."""
    csv: Csv = Csv()
    """How CSV files are written."""
    json_: Json = Field(default=Json(), alias="json")
    """How JSON files are written."""
    excel: Excel = Excel()
    """How Excel files are written."""
    contract: Contract = "evolve"
    """What files do that differ from the table's earlier ones. `evolve` takes new columns in and widens types where
    nothing is lost; `freeze` refuses such files; `quarantine` sets the rows aside that differ."""
    columns: dict[str, Column] = Field(default={})
    """Contracts of single columns, as the files call them."""
    steps: list[Step] = Field(default=[])
    """What is done to arriving rows, in order."""
    checks: list[Check] = Field(default=[])
    """What must hold of the rows."""
    partition: list[Partition] = Field(default=[], examples=[["month(at)", "country"]])
    """By what data files are laid out, so that queries read fewer of them: columns, or of a column `year(...)`,
    `month(...)`, `day(...)`, `hour(...)`, `"bucket(16, ...)"`, `"truncate(3, ...)"`."""
    quarantine: Quarantine = Quarantine()
    """What becomes of rows that were set aside."""
    upkeep: Upkeep = Upkeep()
    """How the table is looked after, where not as the lake says."""
    retry: Retry = Retry()
    """How often the table's files are tried, where not as the lake says."""
    on_reupload: OnReupload = "replace"
    """What a new version of a file does: `replace` the rows of the old one, `append` to them, or be `ignore`d. Content
    that was delivered before replaces its own rows, never doubles them."""

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What `partition` says."""
        return tuple(map(parse_transform, self.partition))

    @field_validator("partition")
    @classmethod
    def _no_two_alike(cls, partition: list[Partition]) -> list[Partition]:
        assert_distinct(partition)
        return partition

    @field_validator("files")
    @classmethod
    def _below_the_zone(cls, files: str) -> str:
        if files.startswith("/") or ".." in files.split("/") or "\\" in files:
            message = "is a pattern below raw/, with / between folders and without .."
            raise ValueError(message)
        return files


class Zones(Strict):
    """Where bytes live: folders below the lake's folder, or absolute folders."""

    raw: str = "raw"
    """Files as delivered; never changed."""
    processed: str = "processed"
    """Tables."""
    enriched: str = "enriched"
    """Results of saved queries."""


class Declaration(Strict):
    """A data lake."""

    lake: str = Field(pattern=LAKE_NAME, examples=["consultations"])
    """The lake's name: lower-case letters, digits and underscores, starting with a letter."""
    description: str | None = None
    """One sentence for people."""
    tags: dict[str, str] = Field(default={})
    """Labels for everything that is created; written to the properties of every table."""
    zones: Zones = Zones()
    """Where bytes live."""
    upkeep: Upkeep = Upkeep()
    """How tables are looked after."""
    up: Up = Up()
    """How the lake is kept alive."""
    intake: Intake = Intake()
    """How files are taken in while the lake is up."""
    retry: Retry = Retry()
    """How often a file is tried that fails for a reason that may pass, and how long it rests in between."""
    access: dict[str, Role] = Field(default={})
    """Roles by name: who somebody is to the lake, and what they may query."""
    mail: Mail = Mail()
    """The mail server behind plain addresses."""
    notices: list[Notice] | None = None
    """Who is told of what. When left out, dead letters and alarms are told to the outbox, `.penstock/outbox/`; an empty
    list tells nobody of anything."""
    alarms: dict[str, Alarm | bool] = Field(default={})
    """What is watched, by name, beside the alarms that are there anyway, `dead_letters` and `disk`; `false` switches
    one of those off."""
    queries: dict[str, Query] = Field(default={})
    """Queries whose rows are kept in the zone enriched, by name: a SELECT, or a mapping."""
    workflows: dict[str, Workflow] = Field(default={})
    """What runs together, by name: on a schedule, after events, or by hand."""
    allow_exec: bool = False
    """Whether workflows may start programs; `PENSTOCK_ALLOW_EXEC=1` in the environment allows it, too."""
    aws: Aws = Aws()
    """Where and how the lake is deployed on AWS."""
    tables: dict[str, Table] = Field(default={})
    """Tables by `name` or `layer.name`."""

    @property
    def saved_queries(self) -> dict[str, SavedQuery]:
        """The saved queries by name."""
        return {name: as_saved(said) for name, said in self.queries.items()}
