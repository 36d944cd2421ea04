#!/usr/bin/env bash
# Makes .cache/tools, an environment of its own for tools that look at the service from outside, from
# requirements/tools.txt (pinned, with hashes): what they need must not decide what the service runs with.
# `tools.sh clients` makes .cache/clients from requirements/clients.txt in the same way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONHOME PYTHONPATH

name=${1:-tools}
folder=.cache/$name
wanted="$PWD $(sha256sum <"requirements/$name.txt")"
[ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ] && exit 0
rm -rf "$folder"
"$(scripts/setup/python.sh)" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --require-hashes --requirement "requirements/$name.txt"
echo "$wanted" >"$folder/.installed"
