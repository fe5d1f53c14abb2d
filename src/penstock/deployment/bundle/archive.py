"""Zips that come out the same, byte for byte: sorted names, one moment, one mode, no bytecode."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MOMENT = (1980, 1, 1, 0, 0, 0)
"""The earliest that the format can say."""
MODE = 0o100755
"""Files are readable and programs can be started, whoever packed them."""
LEVEL = 6
UNIX = 3


def add(archive: zipfile.ZipFile, files: Mapping[str, Path], seen: Callable[[int], None] = lambda _size: None) -> None:
    """Add files under their names, sorted; `seen` is told the size of each."""
    for name in sorted(files):
        entry = zipfile.ZipInfo(name, MOMENT)
        entry.create_system = UNIX
        entry.external_attr = MODE << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        content = files[name].read_bytes()
        archive.writestr(entry, content, compresslevel=LEVEL)
        seen(len(content))


def sums_of(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file's content."""
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def digest_of(sums: Mapping[str, str]) -> str:
    """SHA-256 of names and the checksums of their contents; it does not depend on how they are compressed."""
    return hashlib.sha256("".join(f"{name}\0{sums[name]}\n" for name in sorted(sums)).encode()).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when all went well, and is gone otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    new = Path(name)
    try:
        yield new
        new.chmod(0o644)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
