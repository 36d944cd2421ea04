"""The examples do what they say, as a stranger would run them."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.server import RunningServer, run_server
from tests.media_files import REPOSITORY, media_folder

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

EXAMPLES = REPOSITORY / "examples"
SHIM = "window.editor = { service: async () => %r };"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """The examples, served by somebody else."""
    handler = functools.partial(Quiet, directory=str(EXAMPLES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, pages: str) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("examples"), {"SERVER__ORIGINS": pages}) as server:
        yield server


@pytest.fixture
def node() -> str:
    path = shutil.which("node")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout if path else "v0"
    if path is None or int(version.removeprefix("v").partition(".")[0]) < 20:
        pytest.skip("there is no Node.js 20")
    return path


@pytest.mark.model
def test_the_page_of_twenty_lines(service: RunningServer, browser: Browser, pages: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{pages}/page.html?service={service.url}")
    expect(page.get_by_label("A photo with faces")).to_be_enabled(timeout=60000)  # the kit has been loaded
    page.get_by_label("A photo with faces").set_input_files(media_folder() / "business_person.png")

    expect(page.get_by_role("status")).to_contain_text("business_person.png is stored", timeout=60000)
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 800
    assert len((EXAMPLES / "page.html").read_text().split("<script", 1)[1].splitlines()) <= 20
    context.close()


def test_the_node_script(service: RunningServer, node: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=640x480:d=1:r=10", str(clip)]
    subprocess.run(ffmpeg, check=True, timeout=60)

    run = subprocess.run(
        [node, EXAMPLES / "node.mjs", clip, service.url], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "result.mp4: 320x240" in run.stdout
    assert (tmp_path / "result.mp4").stat().st_size > 1000


def test_the_node_script_says_what_is_wrong(service: RunningServer, node: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("only words")

    run = subprocess.run(
        [node, EXAMPLES / "node.mjs", "words.txt", service.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr.startswith("unsupported_media (415): ")


@pytest.mark.model
def test_the_python_script(service: RunningServer, tmp_path: Path) -> None:
    photo = media_folder() / "thumb_up.jpg"

    run = subprocess.run(
        [sys.executable, EXAMPLES / "python_client.py", photo, service.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert "1 hands, mode" in run.stdout
    assert (tmp_path / "small.webp").read_bytes()[8:12] == b"WEBP"


def test_the_electron_renderer_with_its_preload_shimmed(service: RunningServer, browser: Browser, pages: str) -> None:
    """Electron's binary is no part of its npm package, and is not fetched here: Chromium runs the same renderer."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(SHIM % service.url)
    page.goto(f"{pages}/electron/renderer.html")
    expect(page.locator("#memory")).to_contain_text("memory LOW", timeout=30000)
    page.get_by_label("Import", exact=False).first.set_input_files(media_folder() / "hand_202_frames.mp4")

    expect(page.get_by_role("status")).to_contain_text("hand_202_frames.mp4: 8.1 s, small", timeout=60000)
    expect(page.locator("#video")).to_have_js_property("videoWidth", 640)
    context.close()


def test_main_and_preload_of_electron_parse_and_keep_the_page_apart_from_node(node: str) -> None:
    for name in ("main.js", "preload.js"):
        subprocess.run([node, "--check", EXAMPLES / "electron" / name], check=True, timeout=30)

    main = (EXAMPLES / "electron" / "main.js").read_text()

    assert "contextIsolation: true, sandbox: true, nodeIntegration: false" in main
