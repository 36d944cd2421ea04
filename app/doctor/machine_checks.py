"""The machine as `ballast doctor` sees it: Python, packages, system libraries, and how children are started."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import app
from app.domain.check import Check, failed, passed, warned

SETUP = "run `make setup`"
_LEAST_PYTHON = (3, 11)
_TOOL_SECONDS = 20.0

SERVING_PACKAGES = {
    "fastapi": "fastapi",
    "httptools": "httptools",
    "prometheus-client": "prometheus_client",
    "psutil": "psutil",
    "pybase64": "pybase64",
    "pydantic-settings": "pydantic_settings",
    "python-multipart": "python_multipart",
    "uvicorn": "uvicorn",
    "uvloop": "uvloop",
    "websockets": "websockets",
}
"""What the service cannot start without: distribution and module names."""

VISION_PACKAGES = {"mediapipe": "mediapipe", "numpy": "numpy", "pillow": "PIL", "pillow-heif": "pillow_heif"}
"""What the children need. They are found here, never imported: this process stays as lean as the API."""

LIBRARIES = {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}
"""What libmediapipe.so loads at its first image or task, and the Debian packages that have it."""

_FORK_CHILD = """
import asyncio, json, socket
from app.workers.zygote import Unwatched, Zygote

async def fork():
    zygote = Zygote([], Unwatched(), idle_seconds=60)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = await zygote.start(theirs)
    child.kill()
    await child.wait()
    await zygote.aclose()
    print(json.dumps({"startMethod": child.start_method, "obstacle": zygote.obstacle}))

asyncio.run(fork())
"""


def check_machine() -> Iterator[Check]:
    """Yield one finding after the other."""
    yield check_python(sys.version_info[:3])
    yield check_packages("packages", SERVING_PACKAGES)
    yield check_packages("vision packages", VISION_PACKAGES)
    for library, package in LIBRARIES.items():
        yield check_library(library, package)
    yield check_zygote()


def check_python(version: tuple[int, int, int]) -> Check:
    found = f"{'.'.join(map(str, version))} ({platform.machine()}, {sys.executable})"
    if version < _LEAST_PYTHON:
        return failed("python", found, "Ballast needs Python 3.11 or newer: make setup PYTHON=/path/to/python3")
    return passed("python", found)


def check_packages(name: str, modules: dict[str, str]) -> Check:
    """Look for packages by distribution and module name without importing them."""
    missing = [package for package, module in modules.items() if importlib.util.find_spec(module) is None]
    if missing:
        return failed(name, f"missing: {', '.join(missing)}", SETUP)
    return passed(name, ", ".join(f"{package} {_version(package)}" for package in modules))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def check_library(library: str, package: str) -> Check:
    """Load a shared library, as MediaPipe will."""
    try:
        ctypes.CDLL(library)
    except OSError as error:
        fix = f"install it (Debian, Ubuntu: apt-get install --no-install-recommends {package}); without it no vision"
        return failed(library, str(error), fix)
    return passed(library, "loads")


def check_zygote() -> Check:
    """Fork a child from a zygote, and let both go."""
    try:
        report = report_of(_FORK_CHILD)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return failed("zygote", f"a child could not be started: {error}", "no child can start like this; " + SETUP)
    return check_start(report["startMethod"], report["obstacle"])


def check_start(method: str, obstacle: str | None) -> Check:
    """Judge how a child was started (`workers.launcher.StartMethod`), and why not otherwise."""
    if method != "fork":
        fix = "run on Linux 5.3 or newer; otherwise each model takes longer to start, and shares no memory with others"
        return warned("zygote", f"children are started one by one: {obstacle}", fix)
    return passed("zygote", "children are forked from a process that has the libraries loaded")


def report_of(program: str, *arguments: str) -> dict[str, Any]:
    """Run a program of ours in another process, and return what it prints as JSON.

    Raises:
        OSError, SubprocessError: it does not run.
        ValueError: it prints something else.
    """
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=_TOOL_SECONDS,
        check=True,
        env=dict(os.environ, PYTHONPATH=str(Path(app.__file__).parent.parent)),
    )
    report: dict[str, Any] = json.loads(answer.stdout)
    return report
