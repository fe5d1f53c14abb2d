#!/bin/sh
# Prepare .venv-checkov: checkov pins old versions of libraries that Penstock uses newer, so it has an environment of
# its own. Does nothing when it is there.
set -eu
cd "$(dirname "$0")/.."

checkov='checkov>=3.2.533,<3.3'
ready=.venv-checkov/.ready

if [ -f "$ready" ] && [ "$(cat "$ready")" = "$checkov" ]; then
    exit 0
fi
if ! .venv/bin/uv --version >/dev/null 2>&1; then
    echo "checkov.sh: .venv is not ready; run: scripts/bootstrap.sh dev" >&2
    exit 1
fi
export UV_PYTHON_DOWNLOADS=never
unset PYTHONPATH VIRTUAL_ENV
echo "checkov.sh: installing checkov into .venv-checkov"
rm -rf .venv-checkov
if ! { .venv/bin/uv venv --quiet --python .venv/bin/python .venv-checkov &&
    .venv/bin/uv pip install --quiet --compile-bytecode --python .venv-checkov/bin/python "$checkov"; }; then
    rm -rf .venv-checkov
    echo "checkov.sh: uv could not install $checkov (see above); check the network, and run scripts/checkov.sh again" >&2
    exit 1
fi
printf '%s' "$checkov" >"$ready"
