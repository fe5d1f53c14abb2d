#!/bin/sh
# Prepare .venv. Usage: scripts/bootstrap.sh demo|dev
set -eu
cd "$(dirname "$0")/.."

group=${1:-dev}
case $group in
demo | dev) ;;
*)
    echo "bootstrap: unknown group '$group'; use demo or dev" >&2
    exit 2
    ;;
esac

fail() {
    rm -rf .venv
    printf 'bootstrap: %s\n' "$@" >&2
    exit 1
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Debian and Ubuntu split venv's pip into python3-venv. Where it is missing, the system pip can
# fill an empty environment; failing that, root can install the package.
create_environment() {
    rm -rf .venv
    "$python" -m venv .venv >.venv.log 2>&1 && return
    if "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf .venv
        "$python" -m venv --without-pip .venv >>.venv.log 2>&1 && return
    fi
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "bootstrap: $python cannot create environments; installing $venv_package"
        rm -rf .venv
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq "$venv_package"; } \
            >>.venv.log 2>&1 </dev/null && "$python" -m venv .venv >>.venv.log 2>&1 && return
    fi
    return 1
}

install_uv() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        .venv/bin/python -m pip install --quiet "$uv"
    else
        "$python" -m pip --python .venv/bin/python install --quiet "$uv"
    fi
}

uv='uv>=0.9,<1'
# Only the system's Python may be used: uv must not fetch another.
export UV_PYTHON_DOWNLOADS=never
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python) || fail \
        "Python 3.11 or newer was not found." \
        "Install it, or say where it is: make PYTHON=/path/to/python3.11"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
    "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)") venv_package=python3-venv ;;
    *) venv_package=python$version-venv ;;
    esac
    echo "bootstrap: creating .venv with Python $version"
    if ! create_environment; then
        sed 's/^/    /' .venv.log >&2
        rm -f .venv.log
        fail "$python could not create an environment (python -m venv failed, see above)." \
            "On Debian or Ubuntu run: apt install $venv_package"
    fi
    rm -f .venv.log
fi

if ! .venv/bin/uv --version >/dev/null 2>&1; then
    python=${python:-$(find_python)}
    install_uv || fail "pip could not install uv into .venv (see above); check the network and pip's settings."
fi

echo "bootstrap: installing Penstock and its '$group' dependencies into .venv"
.venv/bin/uv pip install --quiet --python .venv/bin/python --editable . --group "$group" || {
    echo "bootstrap: uv could not install the dependencies (see above); the environment is kept, run make again." >&2
    exit 1
}

touch .venv/.ready-demo
if [ "$group" = dev ]; then
    touch .venv/.ready-dev
fi
