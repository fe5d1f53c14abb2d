"""The part of a template that keeps data when the rest goes, and comes back with the next deployment.

Pure. What is kept are the files as delivered, the tables with their catalog, the state store and the key that all of
it is encrypted with; and whatever these refer to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.deployment.resolving import references

KEPT_TYPES = frozenset({"AWS::KMS::Key", "AWS::KMS::Alias", "AWS::Glue::Database", "AWS::DynamoDB::Table"})
KEPT_BUCKETS = ("RawBucket", "ProcessedBucket")
BUCKET_POLICY = "AWS::S3::BucketPolicy"


def keeping_data(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with only what keeps data in it."""
    resources: Mapping[str, Mapping[str, Any]] = template.get("Resources", {})
    kept = _closed({name for name, part in resources.items() if _keeps(name, part)}, resources)
    kept |= {
        name for name, part in resources.items() if part["Type"] == BUCKET_POLICY and _about(part, kept, resources)
    }
    found = {name: _without_lost(part, kept, resources) for name, part in resources.items() if name in kept}
    outputs = {name: part for name, part in template.get("Outputs", {}).items() if _known(part, kept, resources)}
    reduced = {**template, "Resources": found}
    reduced.pop("Outputs", None)
    return {**reduced, "Outputs": outputs} if outputs else reduced


def kept_by(outputs: Mapping[str, str]) -> dict[str, str]:
    """What a stack that was reduced keeps, and where, from what it says at its end; nothing for a whole one."""
    if "IntakeQueue" in outputs or "RawBucket" not in outputs:
        return {}
    places = {
        "files as delivered": f"s3://{outputs['RawBucket']}",
        "tables": f"s3://{outputs.get('ProcessedBucket', '')}",
        "state store": f"DynamoDB table {outputs.get('StateTable', '')}",
        "key": outputs.get("Key", ""),
    }
    return {what: place for what, place in places.items() if place}


def _keeps(name: str, resource: Mapping[str, Any]) -> bool:
    return resource["Type"] in KEPT_TYPES or name in KEPT_BUCKETS


def _closed(roots: set[str], resources: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The roots and what their properties refer to, and so on."""
    found, more = set(roots), set(roots)
    while more:
        pointed = {name for at in more for name in references(resources[at].get("Properties", {}))}
        more = (pointed & resources.keys()) - found
        found |= more
    return found


def _about(policy: Mapping[str, Any], kept: set[str], resources: Mapping[str, Any]) -> bool:
    """Whether a bucket's policy is about a kept bucket and about nothing that goes."""
    pointed = set(references(policy.get("Properties", {}))) & resources.keys()
    return bool(pointed) and pointed <= kept


def _without_lost(resource: Mapping[str, Any], kept: set[str], resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resource without an order relative to what goes."""
    before = resource.get("DependsOn")
    if before is None:
        return dict(resource)
    names = [before] if isinstance(before, str) else list(before)
    left = [name for name in names if name in kept or name not in resources]
    rest = {key: part for key, part in resource.items() if key != "DependsOn"}
    return {**rest, "DependsOn": left} if left else rest


def _known(output: Mapping[str, Any], kept: set[str], resources: Mapping[str, Any]) -> bool:
    return not ((set(references(output)) & resources.keys()) - kept)
