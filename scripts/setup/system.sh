#!/usr/bin/env bash
# The system's part: ffmpeg, and the libraries that MediaPipe loads. As root they are installed with apt-get; otherwise the
# command is printed and set-up goes on, because the service starts without them and reports what is missing.
set -euo pipefail

has_library() {
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -F "$1 " >/dev/null # not -q: it would break the pipe
}

missing=()
has_library libEGL.so.1 || missing+=(libegl1)
has_library libGLESv2.so.2 || missing+=(libgles2)
{ command -v ffmpeg && command -v ffprobe; } >/dev/null || missing+=(ffmpeg)
[ ${#missing[@]} -eq 0 ] && exit 0

export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --yes --no-install-recommends "${missing[@]}")

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "system: installing ${missing[*]}"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    network=(-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Dpkg::Use-Pty=0)
    # An old package list names files that are gone, and a slim image has none: one update, only where it is needed.
    if "${install[@]}" "${network[@]}" >"$log" 2>&1; then exit 0; fi
    if apt-get update "${network[@]}" >"$log" 2>&1 && "${install[@]}" "${network[@]}" >"$log" 2>&1; then exit 0; fi
    tail -n 5 "$log" >&2
    echo "system: ${missing[*]} could not be installed. To try again:" >&2
    echo "    apt-get update && ${install[*]}" >&2
else
    echo "system: missing: ${missing[*]}. The service starts without, but cannot do everything. On Debian and Ubuntu:" >&2
    echo "    sudo apt-get update && sudo ${install[*]}" >&2
fi
