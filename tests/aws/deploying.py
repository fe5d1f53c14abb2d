"""Deploying onto moto without a bundle: a small zip stands in place of the functions' code."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock import aws
from penstock.clock import HeldClock
from penstock.declaration import Examined, examine_deployed
from penstock.deployment.apply import Deployment, Package
from penstock.deployment.change_sets import ChangeSet
from penstock.deployment.destroy import Destruction, Listener
from penstock.deployment.stacks import Event, Stack
from penstock.deployment.synth import Synthesised, synthesise
from penstock.deployment.target import target_of
from tests.aws import cloud
from tests.aws.synthesised import text_of


@dataclass
class Told:
    """What was told."""

    events: list[Event] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    emptied: list[tuple[str, int]] = field(default_factory=list)


class Deployer:
    """A lake that is deployed onto moto, as the command line does it."""

    def __init__(self, text: str | None = None, lake: str = "consultations") -> None:
        cloud.start()
        self.text = text or text_of(lake)
        self.examined: Examined = examine_deployed(self.text)
        assert self.examined.declaration is not None, self.examined.problems
        self.declaration = self.examined.declaration
        self.made: Synthesised = synthesise(self.examined)
        self.target = target_of(self.declaration)
        self.told = Told()
        self.clock = HeldClock()
        self.deployment = Deployment(self.target, self.clock, self.told.events.append, self.told.begun.append)

    def package(self, folder: Path, code: str = "x = 1") -> Package:
        """Upload code; gives what CloudFormation is given."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr(zipfile.ZipInfo("x.py"), code)
        file = folder / f"{abs(hash(code))}.zip"
        file.write_bytes(held.getvalue())
        self.deployment.artifacts.make()
        key = f"{self.target.prefix}{file.name}"
        self.deployment.upload_code(file, key)
        given = {"CodeBucket": self.target.artifacts, "CodeKey": key}
        return Package(self.made.body, self.made.json, self.text, self.declaration.tags, given)

    def change_set(self, package: Package) -> ChangeSet | None:
        """What CloudFormation would do."""
        stack = self.deployment.standing()
        self.deployment.assert_buckets_free(package.template, stack)
        return self.deployment.change_set(package, self.deployment.upload(package), stack)

    def deploy(self, folder: Path, code: str = "x = 1") -> str | None:
        """Deploy; gives the stack's status, None where there was nothing to do."""
        made = self.change_set(self.package(folder, code))
        if made is None:
            return None
        ended = self.deployment.execute(made)
        assert ended is not None
        return ended.stack.status

    @property
    def stack(self) -> Stack:
        """The stack as it is."""
        found = self.deployment.stacks.find(self.target.stack)
        assert found is not None
        return found

    def destruction(self, emptied: Callable[[str, int], None] | None = None) -> Destruction:
        """What removes it."""
        listener = Listener(
            self.told.begun.append, emptied or (lambda name, count: self.told.emptied.append((name, count)))
        )
        return Destruction(self.deployment, self.made.body, self.clock, listener)

    def fill(self, count: int = 5) -> str:
        """Put versions and marks of removed objects into the bucket raw; gives its name."""
        s3, raw = aws.client("s3", self.target.region), self.stack.outputs["RawBucket"]
        s3.put_bucket_versioning(Bucket=raw, VersioningConfiguration={"Status": "Enabled"})
        for number in range(count):
            s3.put_object(Bucket=raw, Key="a.csv", Body=str(number).encode())
        s3.delete_object(Bucket=raw, Key="a.csv")
        return raw


@contextmanager
def held() -> Iterator[None]:
    """Let CloudFormation take its time: what it was told to do goes on until the block ends. Moto does it at once."""
    made = backend().__class__
    original, going = made.execute_change_set, dict[str, str]()

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        original(self, change_set_name, stack_name)
        stack = self.stacks[self.change_sets[change_set_name].stack_id]
        going[stack.name] = stack.status
        stack.status = stack.status.replace("_COMPLETE", "_IN_PROGRESS")

    made.execute_change_set = execute_change_set
    try:
        yield
    finally:
        made.execute_change_set = original
        for name, status in going.items():
            put_into(name, status)


def backend() -> Any:
    """What moto knows of stacks, to put one into a state that moto itself never comes to."""
    from moto.cloudformation.models import cloudformation_backends

    return cloudformation_backends[cloud.ACCOUNT][cloud.REGION]


def put_into(name: str, status: str) -> None:
    """Let a stack be in a state."""
    stack = next(each for each in backend().stacks.values() if each.name == name)
    stack.status = status
