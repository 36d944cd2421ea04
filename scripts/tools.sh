#!/usr/bin/env bash
# Makes .cache/tools, an environment of its own for tools that look at the service from outside, from
# requirements/tools.txt (pinned, with hashes): what they need must not decide what the service runs with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONHOME PYTHONPATH

folder=.cache/tools
wanted="$PWD $(sha256sum <requirements/tools.txt)"
[ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ] && exit 0
rm -rf "$folder"
"$(scripts/setup/python.sh)" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --require-hashes --requirement requirements/tools.txt
echo "$wanted" >"$folder/.installed"
