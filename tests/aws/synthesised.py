"""Templates that the tests look at, and the golden files: the shipped lakes as they are deployed.

    python -m tests.aws.synthesised        # writes tests/aws/golden/*.yaml anew; read the difference before it is kept

The golden files are of the shipped lakes as they are. The lake "everything" says whatever else has a meaning on AWS.
"""

from __future__ import annotations

from pathlib import Path

import penstock
from penstock.declaration import examine_deployed
from penstock.deployment.synth import Synthesised, synthesise

GOLDEN = Path(__file__).parent / "golden"
SHIPPED = Path(penstock.__file__).parent / "templates"
LAKES = ("consultations", "immobilier", "orders")
EVERYTHING = """
lake: everything
tags: {"supnum:Lab": PROJET-5, "supnum:Owner": "21031"}
access:
  finance: {contacts: ["mailto:finance@example.org", "mailto:cfo@example.org"], query: [sales.orders]}
  admin: {query: all}
  nobody: {query: []}
notices:
  - {name: uploads, when: [arrived, committed, dead], to: finance}
  - {name: trouble, when: [alarm, ok, dead], to: ["mailto:ops@example.org", finance]}
  - {when: [alarm], to: "mailto:sales@example.org", tables: [sales.*]}
alarms:
  dead_letters: {dead_letters: {at_least: 3}, for: 5m}
  waiting: {oldest_waiting: {older_than: 10m}}
  mostly_bad: {error_rate: {above: 0.1, within: 1h, attempts: 20}}
  bad_sales: {error_rate: {above: 0.5}, tables: [sales.*]}
  slow: {duration: {above: 30s, of: p95}}
  slowest: {duration: {above: 2m}, tables: [sales.orders]}
  old: {freshness: {older_than: 2h}}
  broken: {breaches: {at_least: 100, within: 1d}}
  unheard: {undelivered: {}}
tables:
  sales.orders: {files: "orders/**/*.csv", retry: {attempts: 9}}
  sales.returns: {files: "returns/20[0-9][0-9]/r?.csv"}
  customers: {files: "customers*.parquet", steps: [{hash: {columns: [name, email], salt: "${SALT}"}}]}
queries:
  sales: SELECT customer, count(*) AS orders FROM sales.orders GROUP BY customer
  returned: {sql: "SELECT count(*) AS returns FROM sales.returns", description: What came back}
  middle: SELECT median(amount) AS middle FROM sales.orders
aws:
  here_only: [queries.middle]
  region: us-east-1
  stack: everything-prod
  owner: ops@example.org
  buckets: {raw: everything-raw, processed: everything-processed, enriched: everything-enriched}
  function: {memory: 3008, timeout: 15m, storage: 2048, architecture: x86_64, reserved: 20}
  intake: {batch: 100, window: 10s, concurrency: 10, receives: 20}
  upkeep: {memory: 1024, timeout: 10m, every: 1h}
  log_keep: 365d
  results_keep: 7d
  old_versions_keep: 3d
  query_cutoff: 1GB
  secrets:
    SALT:
      secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:everything/salt-a1B2c3
      key: salt
      kms_key: arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-1111-2222-3333-444455556666
  roles:
    finance: {who: ["arn:aws:iam::123456789012:role/analysts", "arn:aws:iam::999999999999:user/finance/*"], mfa: true}
    admin: {mfa: true}
"""
"""A lake that says everything that has a meaning on AWS."""


def text_of(lake: str) -> str:
    """The declaration of a lake."""
    if lake == "everything":
        return EVERYTHING
    return (SHIPPED / lake / "lake.yaml").read_text(encoding="utf-8")


def template_of(lake: str) -> Synthesised:
    """The template of one of the lakes, made anew."""
    return synthesise(examine_deployed(text_of(lake)))


def golden(lake: str) -> Path:
    """Where a lake's golden file is."""
    return GOLDEN / f"{lake}.yaml"


if __name__ == "__main__":
    for name in LAKES:
        golden(name).write_text(template_of(name).yaml, encoding="utf-8")
