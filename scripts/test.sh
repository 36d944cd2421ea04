#!/usr/bin/env bash
# Runs the tests: with arguments those that they name, else all, in two processes side by side that take about as long. Tests
# that load the machine as a whole (browsers, services under load) are in one of them, so no two of these run at a time; the
# other one has the rooms, and afterwards what of the rest bears company.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
[ $# -eq 0 ] || exec "$python" -m pytest "$@"

shopt -s nullglob
machine=(tests/benchmarks tests/browser tests/e2e tests/stress)
later=(tests/clients tests/examples tests/manual tests/soak tests/e2e/test_{hls,jobs,kinds,looking}*.py)
rooms=()
for path in tests/*/ tests/test_*.py; do
    case " ${machine[*]} ${later[*]} " in
    *" ${path%/} "*) ;;
    *) rooms+=("${path%/}") ;;
    esac
done
log=$(mktemp)
trap 'rm -f "$log"; kill $(jobs -p) 2>/dev/null || true' EXIT

"$python" -m pytest "${rooms[@]}" "${later[@]}" -o cache_dir=.cache/pytest-rooms >"$log" 2>&1 &
beside=$!
failed=0
"$python" -m pytest "${machine[@]}" "${later[@]/#/--ignore=}" || failed=1
wait "$beside" || failed=1
cat "$log"
exit "$failed"
