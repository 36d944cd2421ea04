#!/usr/bin/env bash
# The image's own part of the set-up, run in the project's copy inside the image (or in CI, in any empty folder): the
# environment, the model files, and byte code for a file system that will be read-only. `make setup` uses the same scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scripts/setup/venv.sh run
scripts/ballast models
.venv/bin/python -m compileall -q -j 0 app soak
# What only the installation needed: pip could install at run time, and nothing there should.
.venv/bin/python -m pip uninstall --quiet --yes --root-user-action=ignore pip
