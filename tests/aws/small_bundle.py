"""The command line, whose `deploy` bundles the lake's folder only.

The packages are a hundred megabytes from an index of packages, and Penstock's own files may be written to at the
moment; neither matters to a stack. All else is as ever: a zip that is named after what is in it.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections import defaultdict
from typing import Any

from penstock.cli.main import main
from penstock.deployment.bundle import build
from penstock.deployment.bundle.layer import Layer, cache_folder


def _layer(*_: Any) -> Layer:
    path = cache_folder() / "empty.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w"):
        pass
    return Layer(path, {}, defaultdict(int), {})


def _own_the_terminal() -> None:
    """Let Ctrl-C on the terminal that is standard input be a signal to this process, as to one that a shell started."""
    if sys.stdin.isatty():
        os.close(os.open(os.ttyname(sys.stdin.fileno()), os.O_RDWR))


if __name__ == "__main__":
    _own_the_terminal()
    module: Any = sys.modules[build.__module__]
    module.layer_of, module.product_files = _layer, lambda _python: {}
    sys.exit(main())
