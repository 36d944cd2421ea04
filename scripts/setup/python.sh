#!/usr/bin/env bash
# Prints the Python that the environment is made with: $PYTHON, or the newest of 3.13 to 3.11 that has venv and ensurepip.
# As root python3-venv is installed where it is missing; otherwise it is said what to do.
set -euo pipefail

# A name on PATH may be a shim that leads nowhere: each one is run, not just looked up.
able() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

first_able() {
    local candidate
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if able "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

first_able && exit 0

install=(apt-get install --yes --no-install-recommends python3 python3-venv)
if [ -z "${PYTHON:-}" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "python: installing python3 and python3-venv" >&2
    export DEBIAN_FRONTEND=noninteractive
    { "${install[@]}" -qq || { apt-get update -qq && "${install[@]}" -qq; }; } >/dev/null 2>&1 || true
    first_able && exit 0
fi

cat >&2 <<TXT
python: no Python >= 3.11 with the modules venv and ensurepip was found (looked at: ${PYTHON:-python3.13 python3.12 python3.11 python3}).
On Debian 12, Ubuntu 24.04 and later:
    sudo apt-get update && sudo ${install[*]}
or name another one: make setup PYTHON=/path/to/python3
TXT
exit 1
