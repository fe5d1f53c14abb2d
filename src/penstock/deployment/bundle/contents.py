"""What goes into the bundle beside the packages: Penstock as it is installed, and the lake's folder.

Of the lake's folder goes what declares it: text that people wrote. Data, state, secrets and caches stay; what stays
is told, because a file that is missing on AWS is missed there at night.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import penstock
from penstock.deployment.bundle.archive import digest_of, sums_of
from penstock.deployment.bundle.bytecode import compile_below, interpreter_of
from penstock.deployment.bundle.layer import cache_folder
from penstock.errors import BundleError

LAKE = "lake"
"""The folder of the bundle in which the lake's folder is."""
TEXT = frozenset({".py", ".sql", ".yaml", ".yml", ".json", ".toml", ".txt", ".md", ".html", ".csv", ".tsv", ".j2"})
LARGEST_TEXT = 5_000_000
SECRET_ENDS = (".pem", ".key", ".p12", ".pfx", ".keytab")
SECRET_NAMES = frozenset({"credentials", "credentials.json", "id_rsa", "id_ed25519", "secrets.yaml", "secrets.yml"})
CACHES = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "build", "dist"})
COMMAND_LINE = "cli"


@dataclass(frozen=True)
class LakeFiles:
    """The lake's folder, sorted out.

    Attributes:
        taken: Path below the lake's folder, and the file.
        left: What stays, and why: `notes.docx`, `is no text`.
    """

    taken: Mapping[str, Path]
    left: Mapping[str, str]


def lake_files(folder: Path, zones: tuple[str, ...]) -> LakeFiles:
    """Sort out a lake's folder.

    Args:
        folder: The lake's folder.
        zones: Where its zones are, as declared; their files are data.

    Raises:
        BundleError: A text is too large to be a declaration.
    """
    apart = {(folder / zone).resolve() for zone in zones}
    taken: dict[str, Path] = {}
    left: dict[str, str] = {}
    for file in _walk(folder, apart):
        name = file.relative_to(folder).as_posix()
        if reason := _reason_against(file):
            left[name] = reason
        else:
            taken[name] = _sized(file, name)
    return LakeFiles(taken, left)


def _walk(folder: Path, apart: set[Path]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.resolve() in apart or entry.name in CACHES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, apart)
        else:
            yield entry


def _reason_against(file: Path) -> str | None:
    name = file.name.lower()
    if name in SECRET_NAMES or name.endswith(SECRET_ENDS):
        return "looks like a secret"
    if file.is_symlink():
        return "is a link"
    if not file.is_file():
        return "is no file"
    return None if PurePosixPath(name).suffix in TEXT else "is none of the kinds of text that declare a lake"


def _sized(file: Path, name: str) -> Path:
    if (size := file.stat().st_size) > LARGEST_TEXT:
        message = f"is {size / 1e6:.1f} MB large, which is data rather than a part of the declaration"
        hint = "move it to raw/, or out of the lake's folder"
        raise BundleError(message, where=name, hint=hint)
    return file


def product_files(python: str) -> dict[str, Path]:
    """Penstock's own files as they are installed, with bytecode, but for the command line, which functions have not.

    They are compiled once, and kept by what they are.
    """
    root = Path(penstock.__file__).parent
    files = {
        f"{root.name}/{name}": file
        for file in sorted(root.rglob("*"))
        if file.is_file()
        and "__pycache__" not in (name := file.relative_to(root).as_posix())
        and not name.startswith(f"{COMMAND_LINE}/")
    }
    digest = digest_of(sums_of(files))
    folder = cache_folder() / "products" / f"{digest[:16]}-{python}-{'with' if interpreter_of(python) else 'without'}"
    if not folder.is_dir():
        _compile(files, python, folder)
    return {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}


def _compile(files: Mapping[str, Path], python: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".product-", dir=folder.parent) as place:
        made = Path(place) / "made"
        for name, file in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, made / name)
        compile_below(made, python)
        with suppress(OSError):  # somebody else made the same meanwhile
            made.rename(folder)
    if not folder.is_dir():
        raise BundleError("Penstock's own files could not be put together", where=str(folder))
