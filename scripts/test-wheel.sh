#!/bin/sh
# Install the built wheel in an environment of its own and run the whole suite against it.
# Arguments go to pytest; `-n 0` runs the tests in one process.
set -eu
cd "$(dirname "$0")/.."
export UV_PYTHON_DOWNLOADS=never
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

printf '\n== wheel\n'
scripts/build-wheel.sh
.venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-wheel
# Compiled now: thousands of processes import it, and none of them may be allowed to keep what it compiled.
.venv/bin/uv pip install --quiet --compile-bytecode --python .venv-wheel/bin/python --refresh-package penstock --group dev dist/*.whl
echo "Installed it in .venv-wheel"

printf '\n== tests\n'
PATH="$PWD/.venv-wheel/bin:$PATH"
export PATH PENSTOCK_TEST_WHEEL=1
# -P keeps the working directory off sys.path. How `-n` distributes the tests: tests/parallel.py
exec .venv-wheel/bin/python -P -m pytest -n auto "$@"
