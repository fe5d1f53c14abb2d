"""The part of the bundle that seldom changes, the packages: fetched once, and kept as a zip of its own.

What is kept is named after all it was made from: the packages' versions, the machine, the Python, and which files are
left out. So nothing of it can be stale, and a lake whose `lake.yaml` changed is bundled in seconds.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from penstock.deployment.bundle import slim
from penstock.deployment.bundle.archive import add, replacing, sums_of
from penstock.deployment.bundle.bytecode import compile_below, interpreter_of, source_of
from penstock.deployment.bundle.fetch import fetch
from penstock.deployment.bundle.packages import Package, canonical

FORMAT = 2
MEGABYTE = 1_000_000
STEPS = 10
SLOWER = "functions compile what they import at each cold start, which takes two seconds more"
Watch = Callable[[str], None]


@dataclass(frozen=True)
class Layer:
    """Packages, ready to be bundled.

    Attributes:
        path: The zip.
        sums: SHA-256 of each file in it, by name.
        sizes: Bytes of each package, unzipped.
        left_out: Bytes that were left out, by reason.
    """

    path: Path
    sums: Mapping[str, str]
    sizes: Mapping[str, int]
    left_out: Mapping[str, int]


def cache_folder() -> Path:
    """Where layers and bundles are kept: `PENSTOCK_CACHE`, or the user's folder of caches."""
    if given := os.environ.get("PENSTOCK_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def layer_of(packages: Sequence[Package], architecture: str, python: str, watch: Watch) -> Layer:
    """The layer of packages, made where it is not there yet."""
    made_from = {
        "format": FORMAT,
        "packages": [str(package) for package in packages],
        "architecture": architecture,
        "python": python,
        "bytecode": interpreter_of(python) is not None,
        "left_out": dict(slim.LEFT_OUT),
        "put_in": dict(slim.PUT_IN),
        "services": list(slim.SERVICES),
    }
    key = sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / "layers" / f"{architecture}-{python}-{key}.zip"
    index = path.with_suffix(".json")
    if not (path.is_file() and index.is_file()):
        _make(packages, architecture, python, path, watch)
    facts: dict[str, Any] = json.loads(index.read_text())
    return Layer(path, facts["sums"], facts["sizes"], facts["left_out"])


def _make(packages: Sequence[Package], architecture: str, python: str, path: Path, watch: Watch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetched-", dir=path.parent) as folder:
        unpacked = Path(folder) / "packages"
        unpacked.mkdir()
        watch(f"fetching {len(packages)} packages for {architecture}, Python {python}")
        fetch(packages, architecture, python, unpacked)
        _put_in(unpacked)
        watch("writing bytecode" if compile_below(unpacked, python) else f"no Python {python} here: {SLOWER}")
        kept, left_out = _sorted_out(unpacked)
        total = sum(file.stat().st_size for file in kept.values())
        with replacing(path) as new, zipfile.ZipFile(new, "w") as archive:
            add(archive, kept, _telling(total, watch))
        facts = Layer(path, sums_of(kept), _sizes(unpacked, kept), left_out)
        with replacing(path.with_suffix(".json")) as new:
            new.write_text(json.dumps({name: value for name, value in asdict(facts).items() if name != "path"}))


def _sorted_out(unpacked: Path) -> tuple[dict[str, Path], dict[str, int]]:
    kept: dict[str, Path] = {}
    left_out: dict[str, int] = {}
    for file in sorted(unpacked.rglob("*")):
        if not file.is_file():
            continue
        name = file.relative_to(unpacked).as_posix()
        if reason := slim.reason_against(name):
            left_out[reason] = left_out.get(reason, 0) + file.stat().st_size
        elif not name.startswith("."):  # a lock of the program that unpacked
            kept[name] = file
    return kept, left_out


def _put_in(unpacked: Path) -> None:
    for name, text in slim.PUT_IN.items():
        if (unpacked / name).parent.is_dir():
            (unpacked / name).write_text(text)


def _telling(total: int, watch: Watch) -> Callable[[int], None]:
    done = told = 0

    def seen(size: int) -> None:
        nonlocal done, told
        done += size
        if (step := done * STEPS // max(total, 1)) > told:
            told = step
            watch(f"packed {done / MEGABYTE:.0f} of {total / MEGABYTE:.0f} MB")

    return seen


def _sizes(unpacked: Path, kept: Mapping[str, Path]) -> dict[str, int]:
    """Bytes of each package's files that are kept, told by the records that wheels bring."""
    owners: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for record in sorted(unpacked.glob("*.dist-info/RECORD")):
        package = canonical(record.parent.name.removesuffix(".dist-info").rpartition("-")[0])
        sizes[package] = 0
        with record.open(newline="") as lines:
            names = [row[0] for row in csv.reader(lines) if row]
        owners |= dict.fromkeys(names, package)
        owners |= {name.split("/")[0]: package for name in names if "/" in name}
    for name, file in kept.items():
        owner = owners.get(source_of(name)) or owners[name.split("/")[0]]
        sizes[owner] += file.stat().st_size
    return sizes
