#!/usr/bin/env bash
# Runs the tests: with arguments those that they name, else all, in two processes side by side. Tests that load the machine
# as a whole (browsers, services under load, generated clients) are in one of them, so no two of these run at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
[ $# -eq 0 ] || exec "$python" -m pytest "$@"

machine=(tests/benchmarks tests/browser tests/clients tests/e2e tests/examples tests/manual tests/soak tests/stress)
log=$(mktemp)
trap 'rm -f "$log"; kill $(jobs -p) 2>/dev/null || true' EXIT

"$python" -m pytest "${machine[@]/#/--ignore=}" -o cache_dir=.cache/pytest-rooms >"$log" 2>&1 &
rooms=$!
failed=0
"$python" -m pytest "${machine[@]}" || failed=1
wait "$rooms" || failed=1
cat "$log"
exit "$failed"
