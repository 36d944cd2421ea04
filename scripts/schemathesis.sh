#!/usr/bin/env bash
# Schemathesis over /openapi.json with all checks, against a service of its own (`make schemathesis`). What it may accept
# and why is in scripts/schemathesis.toml. EXAMPLES=100 asks more; SEED=N repeats a run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/tools.sh
work=$(mktemp -d)
port=$(.venv/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
BALLAST_SERVER__PORT=$port BALLAST_STORAGE__ROOT=$work/var BALLAST_UPLOAD__IDLE_SECONDS=2 BALLAST_MODELS__DIR=$PWD/models \
    .venv/bin/ballast serve 2>"$work/serve.log" &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    BALLAST_SERVER__PORT=$port .venv/bin/python -I -S scripts/image/healthcheck.py && break
    kill -0 "$service" || { cat "$work/serve.log" >&2 && exit 1; }
    sleep 0.1
done

SCHEMATHESIS_HOOKS=scripts/schemathesis_hooks.py .cache/tools/bin/schemathesis --config-file scripts/schemathesis.toml run \
    "http://127.0.0.1:$port/openapi.json" --max-examples "${EXAMPLES:-20}" ${SEED:+--seed "$SEED"} --no-color
if grep -E '"level": "(error|critical)"' "$work/serve.log" >&2; then
    echo "schemathesis: the service logged errors (see above)" >&2
    exit 1
fi
