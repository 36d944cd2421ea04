"""One service for all of the manual, with a proxy in front that it trusts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import browser, camera_file, chromium, playwright
from tests.e2e.server import RunningServer, run_server
from tests.serving import free_port

__all__ = ["browser", "camera_file", "chromium", "playwright"]


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where a reader serves a page of their own, which the service knows."""
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, page_port: int) -> Iterator[RunningServer]:
    settings = {
        "VISION__WORKERS": "1",
        "MEMORY__LIMIT": "1G",
        "SERVER__TRUSTED_PROXIES": "127.0.0.1",
        "SERVER__ORIGINS": f"http://localhost:{page_port}",
        # A machine that does much else at the time is no fault of the manual.
        **dict.fromkeys(("MEMORY__WAIT_SECONDS", "UPLOAD__PROBE_SECONDS", "VISION__LOAD_SECONDS"), "60"),
        **dict.fromkeys(("VISION__DEADLINE_SECONDS", "IMAGE__DEADLINE_SECONDS"), "60"),
    }
    with run_server(tmp_path_factory.mktemp("manual"), settings) as server:
        yield server


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two seconds with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = "testsrc2=size=320x180:rate=15:duration=2"
    sound = "sine=frequency=440:duration=2"
    program = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    subprocess.run([*program, "-pix_fmt", "yuv420p", "-g", "15", str(path)], check=True, timeout=60)
    return path
