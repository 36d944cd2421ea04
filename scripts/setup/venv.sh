#!/usr/bin/env bash
# Makes `.venv` and installs the pinned requirements into it: `venv.sh run` those of the service, `venv.sh dev` also those
# of the tests. Done before with the same files: nothing happens. A broken or moved environment is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset PYTHONHOME PYTHONPATH

venv=.venv
files=(requirements/run.txt)
case "$(uname -sm)" in
"Linux x86_64" | "Linux aarch64") files+=(requirements/mediapipe.txt) ;;
*) echo "venv: no MediaPipe wheel for $(uname -sm): the vision tasks will not be available" >&2 ;;
esac
[ "${1:-run}" = dev ] && files+=(requirements/dev.txt)

# An environment knows its own path: one that was made elsewhere, or whose Python is gone, is of no use.
usable() {
    [ "$(cat "$venv/.root" 2>/dev/null)" = "$PWD" ] &&
        "$venv/bin/python" -I -c 'import sys, importlib.util as u; sys.exit(sys.version_info < (3, 11) or not u.find_spec("pip"))' 2>/dev/null
}

# What is installed: one stamp a file, holding the file's hash.
stamp() {
    echo "$venv/.installed-$(basename "$1" .txt)"
}

installed() {
    [ "$(cat "$(stamp "$1")" 2>/dev/null)" = "$(sha256sum <"$1")" ]
}

create() {
    local python
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        echo "venv: $PWD/$venv is not a Python environment; move it away and try again" >&2
        exit 1
    fi
    python=$(scripts/setup/python.sh)
    if [ -e "$venv" ]; then echo "venv: $venv is broken, or was moved or made elsewhere: making it anew"; fi
    echo "venv: $("$python" -V), $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

link_application() {
    "$venv/bin/python" -I -c 'import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "ballast.pth").write_text(sys.argv[1] + "\n")' "$PWD"
    ln -sf ../../scripts/ballast "$venv/bin/ballast"
    echo "$PWD" >"$venv/.root"
}

install() {
    local file
    local options=(--no-deps --require-hashes --only-binary=:all: --no-input --disable-pip-version-check)
    [ -t 1 ] || options+=(--quiet)
    for file in "$@"; do
        echo "venv: installing $file"
        PIP_USER=0 "$venv/bin/python" -I -m pip install "${options[@]}" -r "$file"
        sha256sum <"$file" >"$(stamp "$file")"
    done
}

if ! usable; then
    create
    link_application
fi
todo=()
for file in "${files[@]}"; do
    installed "$file" || todo+=("$file")
done
[ ${#todo[@]} -eq 0 ] || install "${todo[@]}"
