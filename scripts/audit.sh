#!/usr/bin/env bash
# Looks for published vulnerabilities of what the service runs with (`make audit`). Exit code 0: none is known; 1: there
# are some; 3: nothing can be said, because the advisories could not be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/tools.sh
report=$(mktemp)
trap 'rm -f "$report"' EXIT
.cache/tools/bin/pip-audit --requirement requirements/run.txt --requirement requirements/mediapipe.txt --disable-pip \
    --no-deps --progress-spinner off --format json --output "$report" >&2 || true
exec .cache/tools/bin/python scripts/audit_report.py "$report"
