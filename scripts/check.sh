#!/bin/sh
# Run every check, also after one fails, then sum up.
# With --without-tests, documentation tests are left out: for `make test`, whose suite runs them against the wheel.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONPATH
PATH="$PWD/.venv/bin:$PATH" # documentation tests run commands as they are written
export PATH

summary=""
failed=0

stage() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        summary="$summary\n  passed  $name"
    else
        summary="$summary\n  FAILED  $name"
        failed=1
    fi
}

stage "format" .venv/bin/ruff format --check .
stage "lint" .venv/bin/ruff check .
stage "types" .venv/bin/mypy
stage "layers" .venv/bin/lint-imports
if [ "${1:-}" != --without-tests ]; then
    stage "documentation tests" .venv/bin/python -P -m pytest tests/docs -q
fi
stage "documentation builds" scripts/docs.sh

printf '\n== summary%b\n' "$summary"
if [ "$failed" -ne 0 ]; then
    echo "check failed" >&2
    exit 1
fi
