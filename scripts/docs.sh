#!/bin/sh
# Build the site, failing on broken links, missing images and anything fetched from other hosts.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/zensical build --clean --strict
.venv/bin/python scripts/check_site.py site
