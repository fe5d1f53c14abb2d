"""What moto does not do as AWS does with stacks and the policies of buckets, mended.

- S3: statements of a bucket's policy that have conditions are left out when moto judges a call. It judges without
  looking at conditions, so that "nothing without TLS" would be "nothing". What these statements say, only AWS enforces.
- CloudFormation: several change sets for a stack that is not created yet belong to one stack, as on AWS; moto makes
  another stack of the same name with each.
- CloudFormation: what is to be kept (`DeletionPolicy`) stays when its stack goes, or when it leaves the template.
- CloudFormation: what stood in a deleted stack can still be listed, moto makes it anew to list it; its change sets go.
- CloudFormation: a change set that was executed gives the stack its outputs and parameters.
- CloudFormation: what moto cannot change stays as it was; moto forgets it.
- CloudFormation: types that moto leaves out are made, see `moto_models`; events are only told of the stack as a whole.
- IAM: a managed policy goes with its stack.
- KMS: a key of a template may carry tags, and can be described afterwards.
- CloudFormation: a change set is looked for among those of the stack that is named, not among all.
- CloudFormation: a change set is executed once, and one that is gone is refused as AWS refuses it; moto stumbles. Of
  one name there is one, and no other is made meanwhile; moto makes another.
"""

from __future__ import annotations

import importlib
import json
import re
import threading
from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from tests.aws import moto_models

IGNORED: set[str] = set()
"""Types of resources that moto's CloudFormation said it does not know, and left out, since the process began."""


def _of(module: str, name: str) -> Any:
    """Something of moto's, which is about to be changed: its types would forbid that."""
    return getattr(importlib.import_module(module), name)


@cache
def mend() -> None:
    """Mend it, once in a process."""
    _policies()
    _reviews()
    _keys()
    _ignored()
    _kept()
    _deleted()
    _versions()
    _outputs()
    _updates()
    _policies_go()
    _once()
    moto_models.add()


def _policies() -> None:
    results, policy = _of("moto.iam.access_control", "PermissionResult"), _of("moto.iam.access_control", "IAMPolicy")
    buckets = _of("moto.s3.models", "FakeBucket")

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return results.NEUTRAL
        whole = json.loads(self.policy)
        kept = [statement for statement in whole["Statement"] if "Condition" not in statement]
        return policy(json.dumps({**whole, "Statement": kept})).is_action_permitted(action, resource)

    buckets.get_permission = get_permission


def _reviews() -> None:
    stacks_of = _of("moto.cloudformation.models", "CloudFormationBackend")

    original = stacks_of.create_change_set

    def create_change_set(self: Any, stack_name: str, change_set_name: str, **more: Any) -> Any:
        waiting = [each for each in self.stacks.values() if each.name == stack_name]
        made = original(self, stack_name, change_set_name, **more)
        if more.get("change_set_type") == "CREATE" and waiting and waiting[0].status == "REVIEW_IN_PROGRESS":
            change_set = self.change_sets[made[0]]
            extra = self.stacks.pop(made[1])
            change_set.stack, change_set.stack_id = waiting[0], waiting[0].stack_id
            waiting[0].resource_map = extra.resource_map
            waiting[0].output_map = extra.output_map
            return made[0], waiting[0].stack_id
        return made

    stacks_of.create_change_set = create_change_set


def _keys() -> None:
    keys = _of("moto.kms.models", "Key")

    original = keys.create_from_cloudformation_json.__func__

    def create(cls: Any, name: str, cloudformation_json: Mapping[str, Any], *more: Any, **named: Any) -> Any:
        properties = dict(cloudformation_json["Properties"])
        properties["Tags"] = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in properties.get("Tags", [])]
        properties["KeyPolicy"] = json.dumps(properties["KeyPolicy"])
        return original(cls, name, {**cloudformation_json, "Properties": properties}, *more, **named)

    keys.create_from_cloudformation_json = classmethod(create)


def _ignored() -> None:
    parsing: Any = importlib.import_module("moto.cloudformation.parsing")

    class Noted:
        """Takes the place of `warnings`: a type that is left out is noted, not warned of."""

        @staticmethod
        def warn(text: str, stacklevel: int = 1) -> None:
            del stacklevel
            IGNORED.update(re.findall(r"AWS::\w+::\w+", text))

    parsing.warnings = Noted


def _kept() -> None:
    resources = _of("moto.cloudformation.parsing", "ResourceMap")

    original = resources._delete_resource

    def delete(self: Any, parsed: Any, facts: Mapping[str, Any]) -> None:
        if facts.get("DeletionPolicy") not in {"Retain", "RetainExceptOnCreate"}:
            original(self, parsed, facts)

    resources._delete_resource = delete
    updating = resources.update

    def update(self: Any, template: Mapping[str, Any], parameters: Any = None) -> None:
        gone = self._resource_json_map.keys() - template["Resources"].keys()
        updating(self, template, parameters)
        for name in gone:  # else it would count as there when it comes back
            self._parsed_resources.pop(name, None)

    resources.update = update


def _deleted() -> None:
    stacks_of = _of("moto.cloudformation.models", "CloudFormationBackend")

    listing, deleting = stacks_of.list_stack_resources, stacks_of.delete_stack
    names = ("logical_resource_id", "physical_resource_id", "cf_resource_type")

    def delete_stack(self: Any, name_or_stack_id: str) -> None:
        stacks = [stack for stack in self.stacks.values() if name_or_stack_id in {stack.name, stack.stack_id}]
        before = [each for stack in stacks for each in stack.resource_map._parsed_resources.values()]
        was = [
            SimpleNamespace(**{name: getattr(each, name, "") for name in names})
            for each in before
            if hasattr(each, names[0])
        ]
        deleting(self, name_or_stack_id)
        for stack in stacks:
            stack.stood_in_it = was
            for name in [name for name, made in self.change_sets.items() if made.stack_id == stack.stack_id]:
                del self.change_sets[name]

    def list_stack_resources(self: Any, stack_name_or_id: str) -> Any:
        stack = self.get_stack(stack_name_or_id)
        return (stack, stack.stood_in_it) if hasattr(stack, "stood_in_it") else listing(self, stack_name_or_id)

    stacks_of.delete_stack = delete_stack
    stacks_of.list_stack_resources = list_stack_resources


def _versions() -> None:
    versions = _of("moto.awslambda.models", "LambdaVersion")

    versions.has_cfn_attr = classmethod(lambda _cls, attribute: attribute == "Version")
    versions.get_cfn_attribute = lambda self, _attribute: str(self.version)


def _outputs() -> None:
    change_sets = _of("moto.cloudformation.models", "ChangeSet")

    original = change_sets.apply

    def apply(self: Any) -> None:
        original(self)
        self.stack.template_dict = self.template_dict
        self.stack.output_map = self.stack._create_output_map()
        self.stack.parameters = self.parameters

    change_sets.apply = apply


def _updates() -> None:
    parsing: Any = importlib.import_module("moto.cloudformation.parsing")

    original = parsing.parse_and_update_resource

    def update(logical_id: str, resource_json: Any, resources_map: Any, **where: str) -> Any:
        found = original(logical_id, resource_json, resources_map, **where)
        return resources_map[logical_id] if found is None else found

    parsing.parse_and_update_resource = update


def _once() -> None:
    stacks_of = _of("moto.cloudformation.models", "CloudFormationBackend")
    refused = _of("moto.cloudformation.exceptions", "CloudFormationError")
    original, deleting = stacks_of.execute_change_set, stacks_of.delete_change_set

    def found(self: Any, name: str) -> Any:
        if name not in self.change_sets:
            raise refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")
        return self.change_sets[name]

    making, alone = stacks_of.create_change_set, threading.Lock()

    def create_change_set(self: Any, stack_name: str, change_set_name: str, **more: Any) -> Any:
        with alone:
            names = {(each.stack_name, each.change_set_name) for each in self.change_sets.values()}
            if (stack_name, change_set_name) in names:
                raise refused("AlreadyExistsException", f"ChangeSet {change_set_name} already exists")
            return making(self, stack_name, change_set_name, **more)

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        state = found(self, change_set_name).execution_status
        if state != "AVAILABLE":
            text = f"ChangeSet [{change_set_name}] cannot be executed in its current execution status of [{state}]"
            raise refused("InvalidChangeSetStatus", text)
        original(self, change_set_name, stack_name)

    def delete_change_set(self: Any, change_set_name: str) -> None:
        found(self, change_set_name)
        deleting(self, change_set_name)

    stacks_of.create_change_set, stacks_of.execute_change_set = create_change_set, execute_change_set
    stacks_of.delete_change_set = delete_change_set


def _policies_go() -> None:
    policies = _of("moto.iam.models", "ManagedPolicy")
    iam_backends = _of("moto.iam.models", "iam_backends")
    get_partition = _of("moto.utilities.utils", "get_partition")

    def delete(self: Any, account: str, region: str) -> None:
        held = iam_backends[account][get_partition(region)].managed_policies
        held.pop(self.arn, None)

    policies.delete = delete
