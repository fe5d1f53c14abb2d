"""The lakes whose policies are questioned, each as if it were deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import penstock.templates
from penstock.access.policy import document, filled, stack_values
from penstock.declaration import Declaration, examine_deployed
from penstock.deployed import Deployed, stack_name
from penstock.deployment.permissions import principals
from penstock.naming import TableName

REGION, ACCOUNT = "eu-west-3", "123456789012"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-1111-2222-3333-444455556666"
TEMPLATES = ("consultations", "immobilier", "orders")
AGENCY = """
lake: agency
access:
  finance: {query: [annonces, "sales.*"]}
  curated: {query: ["*"]}
  admin: {query: all}
  guest: {}
notices:
  - {name: failures, when: [dead], to: "mailto:ops@example.org"}
tables:
  annonces: {files: "annonces*.csv"}
  sales.orders: {files: "orders*.csv"}
  sales.lines: {files: "sales/**/lines*.csv"}
  salaries: {files: "pay_[12].csv", steps: [{hash: {columns: [name], salt: "${SALT}"}}]}
  hr.people: {files: "people/*.csv", steps: [{hash: {columns: [name], salt: "${PEPPER}"}}]}
queries: {sales: SELECT count(*) AS lines FROM sales.lines}
aws:
  secrets:
    SALT: agency/salt
    PEPPER:
      secret: arn:aws:secretsmanager:us-east-1:999999999999:secret:pepper-Xy12zZ
      key: pepper
      kms_key: arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555
  roles:
    curated: {who: ["arn:aws:iam::123456789012:role/analysts", "arn:aws:iam::999999999999:user/visitors/*"]}
    admin: {who: ["arn:aws:iam::123456789012:user/boss"], mfa: true}
"""


@dataclass(frozen=True)
class Questioned:
    """A lake, where its parts are, and each principal's policy as it would be there."""

    declaration: Declaration
    deployed: Deployed
    policies: Mapping[str, dict[str, Any]]

    @property
    def words(self) -> dict[str, str]:
        """What stands for `{...}` in questions."""
        at = f"{REGION}:{ACCOUNT}"
        name, table = next(iter(self.declaration.tables.items()))
        first = TableName.parse(name)
        return {
            "region": REGION,
            "account": ACCOUNT,
            "stack": self.deployed.stack,
            "layer": first.layer,
            "table": first.name,
            "file": table.files.replace("*", "_2024"),
            "raw": f"arn:aws:s3:::{self.deployed.raw_bucket}",
            "processed": f"arn:aws:s3:::{self.deployed.processed_bucket}",
            "enriched": f"arn:aws:s3:::{self.deployed.enriched_bucket}",
            "queue": f"arn:aws:sqs:{at}:{self.deployed.stack}",
            "topic": f"{self.deployed.topic_prefix.rstrip('-')}",
        }

    def arn(self, short: str) -> str:
        """The ARN of a resource that is written short."""
        words, text = self.words, short.format(**self.words)
        kind, colon, name = text.partition(":")
        zone, slash, key = text.partition("/")
        if zone in {"raw", "processed", "enriched"}:
            return words[zone] + slash + key
        if zone == "state":
            return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self.deployed.state_table}{slash}{key}"
        at = f"{REGION}:{ACCOUNT}"
        layer, _, table = name.partition(".")
        known = {
            "key": KEY,
            "catalog": f"arn:aws:glue:{at}:catalog",
            "database": f"arn:aws:glue:{at}:database/{self.deployed.database(name)}",
            "table": f"arn:aws:glue:{at}:table/{self.deployed.database(layer)}/{table}",
            "queue": f"{words['queue']}-{name}",
            "topic": f"{words['topic']}-{name}",
            "workgroup": f"arn:aws:athena:{at}:workgroup/{self.deployed.workgroup}"
            + (f"-role-{name}" if colon else ""),
            "function": f"arn:aws:lambda:{at}:function:{self.deployed.stack}-{name}:live",
            "log": f"arn:aws:logs:{at}:log-group:{self.deployed.log_group(name)}:log-stream:2026/11/21/a",
        }
        return known.get(kind, text)


def deployed_as(lake: str) -> Deployed:
    """Where the parts of a lake would be."""
    stack, at = stack_name(lake), f"{REGION}:{ACCOUNT}"
    queues = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{stack}"
    return Deployed(
        lake=lake,
        stack=stack,
        region=REGION,
        account=ACCOUNT,
        raw_bucket=f"{stack}-raw",
        processed_bucket=f"{stack}-processed",
        enriched_bucket=f"{stack}-enriched",
        state_table=f"{stack}-state",
        intake_queue=f"{queues}-intake",
        dead_letter_queue=f"{queues}-dead-letters",
        topic_prefix=f"arn:aws:sns:{at}:{stack}-notice-",
        workgroup=stack,
        key=KEY,
    )


@cache
def questioned(lake: str) -> Questioned:
    """A template's lake, or `agency`."""
    examined = examine_deployed(_text(lake))
    assert examined.declaration is not None
    assert not examined.problems
    deployed = deployed_as(examined.declaration.lake)
    values = stack_values(deployed)
    policies = {
        principal.name: document(principal.statements, lambda text: filled(text, values))
        for principal in principals(examined.declaration)
    }
    return Questioned(examined.declaration, deployed, policies)


def _text(lake: str) -> str:
    if lake == "agency":
        return AGENCY
    folder = Path(penstock.templates.__file__).parent
    return (folder / lake / "lake.yaml").read_text()
