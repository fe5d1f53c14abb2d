"""Which packages a function needs, and which of them it does without.

The list is derived: from what Penstock's own metadata requires, followed through what is installed here, as the
function's Python and machine see it. So what is deployed is what was tested, version by version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType

from penstock.errors import BundleError

PRODUCT = "penstock"
EXTRA = "aws"
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "apprise": "mail and webhooks of a lake on one machine; on AWS, notices go through SNS",
        "click": "the command line",
        "fsspec": "file systems that Penstock does not use",
        "markdown-it-py": "Markdown on terminals",
        "packaging": "reads requirements, to build the bundle",
        "prometheus-client": "the metrics page of `penstock up`; on AWS, metrics go to CloudWatch",
        "pygments": "colours for source text on terminals",
        "requests": "catalogs behind HTTP, which Penstock does not use",
        "sqlalchemy": "the catalog of a lake on one machine; on AWS, it is Glue",
        "troposphere": "writes templates, before anything is deployed",
        "watchfiles": "watches folders; on AWS, S3 tells what landed",
    }
)
"""Packages that Penstock requires and functions never import, with the reason; nor what only these require."""
MACHINES = MappingProxyType({"arm64": "aarch64", "x86_64": "x86_64"})
"""Lambda's architectures, and what Linux calls them."""


@dataclass(frozen=True, order=True)
class Package:
    """One package, at the version that is installed here."""

    name: str
    version: str

    def __str__(self) -> str:
        """Write it as a requirement."""
        return f"{self.name}=={self.version}"


def packages_for(architecture: str, python: str, others: Iterable[str] = ()) -> tuple[Package, ...]:
    """The packages that functions need, without Penstock itself, sorted by name.

    Args:
        architecture: `arm64` or `x86_64`.
        python: The function's version of Python, such as `3.13`.
        others: Packages that the lake's own Python imports.

    Raises:
        BundleError: One of them is not installed here.
    """
    found = _Closure({**_environment(architecture, python)})
    found.add(PRODUCT, {EXTRA}, "penstock deploy")
    for other in others:
        found.add(other, set(), "the lake's own Python")
    return tuple(sorted(Package(name, version) for name, version in found.versions.items() if name != PRODUCT))


def canonical(name: str) -> str:
    """A package's name as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _environment(architecture: str, python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": MACHINES[architecture],
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
    }


class _Closure:
    """Packages and what they require in turn."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.versions: dict[str, str] = {}
        self._environment = environment
        self._extras: dict[str, set[str]] = {}

    def add(self, name: str, extras: set[str], whose: str) -> None:
        """Add a package, unless it is left out or there with these extras."""
        from packaging.requirements import Requirement

        key = canonical(name)
        known = self._extras.setdefault(key, set())
        if (key in LEFT_OUT and whose != "the lake's own Python") or (key in self.versions and extras <= known):
            return
        known |= extras
        self.versions[key] = _version(name, whose)
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if self._applies(requirement.marker, known):
                self.add(requirement.name, set(requirement.extras), key)

    def _applies(self, marker: object, extras: set[str]) -> bool:
        from packaging.markers import Marker

        if not isinstance(marker, Marker):
            return True
        return any(marker.evaluate({**self._environment, "extra": extra}) for extra in {"", *extras})


def _version(name: str, whose: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        message = f"the functions need the package {name}, for {whose}, and it is not installed here"
        hint = f'what is deployed is what was tried here; install it with: pip install "penstock[aws]" {name}'
        raise BundleError(message, where=name, hint=hint) from None
