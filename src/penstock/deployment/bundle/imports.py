"""Which packages the lake's own Python imports: read from its text, nothing is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from penstock.deployment.bundle.packages import PRODUCT, canonical
from penstock.errors import BundleError


def imported_packages(files: Mapping[str, Path]) -> tuple[str, ...]:
    """The packages that Python files import, sorted; not the standard library, Penstock, or one another.

    Args:
        files: Path below the lake's folder, and where the file is.

    Raises:
        BundleError: A module is imported that nothing here provides, or a file is not Python.
    """
    own = {Path(name).parts[0].removesuffix(".py") for name in files if name.endswith(".py")}
    own |= {Path(name).stem for name in files if name.endswith(".py")}
    known = own | sys.stdlib_module_names | {PRODUCT}
    providers = metadata.packages_distributions()
    found: set[str] = set()
    for name, file in sorted(files.items()):
        for module, line in _imports(name, file):
            if module in known:
                continue
            if module not in providers:
                message = f'imports "{module}", which is neither installed here nor a file of the lake'
                hint = "the functions get what is installed here: install it, or remove the import"
                raise BundleError(message, where=f"{name}:{line}", hint=hint)
            found.add(canonical(providers[module][0]))
    return tuple(sorted(found))


def _imports(name: str, file: Path) -> Iterator[tuple[str, int]]:
    if not name.endswith(".py"):
        return
    try:
        tree = ast.parse(file.read_bytes(), name)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = f"is not Python: {error}"
        raise BundleError(message, where=f"{name}:{line}", hint="correct it; penstock check says more") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno
