#!/usr/bin/env bash
# Compiles requirements/*.txt from pyproject.toml: pinned, with the hashes of every file, and without index addresses.
# For developers (`make lock`). UV=/path/to/uv uses that uv; otherwise the one on PATH, else one in its own environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${UV:-}" ] && ! UV=$(command -v uv); then
    scripts/setup/venv.sh run
    .venv/bin/python -m venv .cache/lock
    .cache/lock/bin/python -m pip install --quiet "uv>=0.9"
    UV=.cache/lock/bin/uv
fi

compile() {
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-config "${upgrade[@]}" "$@"
}

upgrade=()
[ "${UPGRADE:-}" = 1 ] && upgrade=(--upgrade)

compile pyproject.toml --extra jobs --extra s3 --extra vision --output-file requirements/run.txt
compile --group dev --constraints requirements/run.txt --output-file requirements/dev.txt
compile --group tools --output-file requirements/tools.txt
compile --group clients --output-file requirements/clients.txt

if grep -nE 'https?://|--(extra-)?index|--find-links' requirements/*.txt; then
    echo "lock: a requirements file names where a package is fetched from (see above)" >&2
    exit 1
fi
echo "requirements/run.txt, dev.txt, tools.txt and clients.txt are compiled; requirements/mediapipe.txt is kept by hand"
