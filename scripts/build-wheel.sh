#!/bin/sh
# Leave exactly one wheel in dist/.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
.venv/bin/uv build --quiet --wheel --python .venv/bin/python --out-dir dist
for wheel in dist/*.whl; do
    echo "Built $wheel"
done
