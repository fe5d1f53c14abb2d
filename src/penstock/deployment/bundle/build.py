"""A lake's code for AWS Lambda: one zip with Penstock, the packages its functions need, and the lake's folder.

The zip is named after the lake and a hash of what is in it, so that the same lake has the same name and need not be
uploaded twice. It is built from wheels for the function's machine; what was tested here is what is deployed, because
every version is the one that is installed here.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.declaration import Declaration
from penstock.deployment.bundle.archive import add, digest_of, replacing, sums_of
from penstock.deployment.bundle.contents import LAKE, lake_files, product_files
from penstock.deployment.bundle.declared import packages_of, zones_of
from penstock.deployment.bundle.imports import imported_packages
from penstock.deployment.bundle.layer import MEGABYTE, Layer, Watch, cache_folder, layer_of
from penstock.deployment.bundle.packages import MACHINES, PRODUCT, Package, packages_for
from penstock.errors import BundleError
from penstock.version import __version__

ARCHITECTURES = tuple(MACHINES)
PYTHON = "3.13"
RUNTIME = f"python{PYTHON}"
"""The newest of Lambda's that Penstock is tested with: it is supported for longest, and has SnapStart."""
LIMIT = 250 * 1024 * 1024
"""Bytes that a function's code may have when it is unzipped; Lambda's quota."""
NAME_DIGITS = 16


@dataclass(frozen=True)
class Content:
    """One part of a bundle and its size, unzipped."""

    name: str
    version: str
    size: int


@dataclass(frozen=True)
class Bundle:
    """A built bundle.

    Attributes:
        path: The zip.
        digest: SHA-256 of the names and contents of all files in it, in hexadecimal digits.
        architecture: `arm64` or `x86_64`.
        runtime: What Lambda calls the function's Python.
        size: Bytes of the zip.
        unzipped: Bytes of all files in it.
        contents: What they are, the largest first.
        left: Files of the lake's folder that are not in it, and why.
        left_out: Bytes of the packages that are not in it, by reason.
    """

    path: Path
    digest: str
    architecture: str
    runtime: str
    size: int
    unzipped: int
    contents: tuple[Content, ...]
    left: Mapping[str, str]
    left_out: Mapping[str, int]

    @property
    def name(self) -> str:
        """The zip's name."""
        return self.path.name


def build(
    folder: Path,
    declaration: Declaration,
    architecture: str | None = None,
    *,
    python: str = PYTHON,
    out: Path | None = None,
    watch: Watch = lambda _text: None,
) -> Bundle:
    """Build the bundle of a lake; what is there already is not built again.

    Args:
        folder: The lake's folder.
        declaration: What its `lake.yaml` says.
        architecture: Of the function's machine: `arm64` or `x86_64`; as declared, when left out.
        python: The function's version of Python.
        out: Where the zip is to be; among the caches, under its own name, when left out.
        watch: Is told what is being done, one line each.

    Raises:
        BundleError: Packages cannot be had, the lake's folder holds what cannot go, or all is too large.
    """
    machine = architecture or declaration.aws.function.architecture
    if machine not in MACHINES:
        message = f'no architecture "{machine}"'
        raise BundleError(message, hint=f"Lambda has {' and '.join(ARCHITECTURES)}")
    sorted_out = lake_files(folder, zones_of(declaration))
    packages = packages_for(machine, python, (*packages_of(declaration), *imported_packages(sorted_out.taken)))
    layer = layer_of(packages, machine, python, watch)
    files = product_files(python)
    own = sum(file.stat().st_size for file in files.values())
    files |= {f"{LAKE}/{name}": file for name, file in sorted_out.taken.items()}
    contents = _contents(packages, layer, own, sum(file.stat().st_size for file in sorted_out.taken.values()))
    _assert_fits(contents)
    digest = digest_of({**layer.sums, **sums_of(files)})
    path = out or cache_folder() / "bundles" / f"{declaration.lake}-{digest[:NAME_DIGITS]}.zip"
    if out or not path.is_file():
        _write(path, layer, files)
        watch(f"wrote {path}")
    return Bundle(
        path,
        digest,
        machine,
        f"python{python}",
        path.stat().st_size,
        sum(content.size for content in contents),
        contents,
        sorted_out.left,
        layer.left_out,
    )


def _write(path: Path, layer: Layer, files: Mapping[str, Path]) -> None:
    with replacing(path) as new:
        shutil.copyfile(layer.path, new)
        with zipfile.ZipFile(new, "a") as archive:
            add(archive, files)


def _contents(packages: tuple[Package, ...], layer: Layer, own: int, lake: int) -> tuple[Content, ...]:
    found = [Content(package.name, package.version, layer.sizes[package.name]) for package in packages]
    found += [Content(PRODUCT, __version__, own), Content(LAKE, "", lake)]
    return tuple(sorted(found, key=lambda content: (-content.size, content.name)))


def _assert_fits(contents: tuple[Content, ...]) -> None:
    size = sum(content.size for content in contents)
    if size <= LIMIT:
        return
    listed = "\n".join(f"{content.size / MEGABYTE:8.1f} MB  {content.name}" for content in contents if content.size)
    message = f"the functions' code is {size / MEGABYTE:.0f} MB unzipped; Lambda takes {LIMIT / MEGABYTE:.0f} MB"
    hint = f"remove imports from the lake's Python that need the larger ones:\n{listed}"
    raise BundleError(message, hint=hint)
