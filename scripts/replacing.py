"""Write down which properties of a resource CloudFormation cannot change in place: it makes the resource anew.

Usage: scripts/replacing.py [--check]

The facts are those of AWS's own resource schemas, as cfn-lint carries them. `--check` changes nothing and fails when
the file differs from what would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

FILE = Path(__file__).resolve().parents[1] / "src" / "penstock" / "deployment" / "replacing.json"
REGION = "us-east-1"
SERVICES = (
    *("Athena", "CloudWatch", "DynamoDB", "Events", "Glue", "IAM", "KMS", "Lambda", "Logs", "S3", "SNS", "SQS"),
    *("Scheduler", "LakeFormation", "StepFunctions"),
)


def text() -> str:
    """The file as it is to be."""
    types = [name for name in PROVIDER_SCHEMA_MANAGER.get_resource_types(REGION) if name.split("::")[1] in SERVICES]
    found = {name: fixed for name in sorted(types) if (fixed := _fixed(name))}
    return json.dumps(found, indent=1) + "\n"


def _fixed(name: str) -> list[str]:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, name).schema
    return sorted(path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", []))


def main() -> int:
    """Write the file, or say that it is stale."""
    if "--check" in sys.argv[1:]:
        stale = text() != FILE.read_text(encoding="utf-8")
        print(f"{FILE.name} is stale; run scripts/replacing.py" if stale else f"{FILE.name} is up to date")
        return int(stale)
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
