#!/bin/sh
# Install the Debian/Ubuntu packages that the tests need, where they are missing.
set -eu

# Spark, one of the programs that the tests read tables with, runs on Java; its driver for the catalog's SQLite file is a
# Debian package. A Java that is there already is as good as the package's.
packages="libxerial-sqlite-jdbc-java"
if ! command -v java >/dev/null 2>&1; then
    packages="default-jre-headless $packages"
fi

if [ -z "$packages" ]; then
    echo "System packages: none needed."
    exit 0
fi

missing=""
for package in $packages; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$'; then
        missing="$missing $package"
    fi
done

if [ -z "$missing" ]; then
    echo "System packages: all present ($packages)."
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "System packages: missing:$missing" >&2
    echo "Run as an administrator: apt-get install$missing" >&2
    exit 1
fi

echo "System packages: installing$missing"
$as_root apt-get update -q </dev/null
# shellcheck disable=SC2086 # the list is split on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $missing </dev/null
