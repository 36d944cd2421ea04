#!/usr/bin/env bash
# All the set-up: `setup.sh run` what the service needs, `setup.sh dev` also what the tests need. Quick when repeated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One at a time: two would write the same environment.
exec 9<Makefile
flock 9

scripts/setup/system.sh
scripts/setup/venv.sh "${1:-run}"
if ! scripts/ballast models --quiet; then
    echo "models: the service starts without, and answers model_missing where one is needed" >&2
fi
if [ "${1:-run}" = dev ] && ! scripts/ballast models --quiet pose_landmarker_full.task; then
    echo "models: tests that need the full pose model are skipped (in CI they fail)" >&2
fi
