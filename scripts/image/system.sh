#!/usr/bin/env bash
# The system packages of the image, which must be there in the end. With --slim, for the image only: without the package
# lists they leave behind, and with the byte code of the standard library, which the base image leaves out and which a
# read-only root could never store (each child would compile it again).
set -euo pipefail

"$(dirname "${BASH_SOURCE[0]}")/../setup/system.sh"
ffmpeg -version >/dev/null
ffprobe -version >/dev/null
PATH="$PATH:/usr/sbin:/sbin"
ldconfig -p | grep -F "libEGL.so.1 " >/dev/null
ldconfig -p | grep -F "libGLESv2.so.2 " >/dev/null

if [ "${1:-}" = --slim ]; then
    library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    python3 -m compileall -q -j 0 -x 'site-packages|/tests?/|/idlelib/|/lib2to3/' "$library"
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
fi
