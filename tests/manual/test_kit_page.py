"""The page in docs/kit.md, saved as it stands and opened in a browser, at an origin of its own."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.server import RunningServer
from tests.manual.blocks import blocks_of
from tests.media_files import REPOSITORY, photo

pytestmark = [pytest.mark.photo, pytest.mark.model("blaze_face_short_range.tflite"), pytest.mark.timeout(120)]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


def test_the_page_of_the_kit_does_what_it_says(
    server: RunningServer, browser: Browser, page_port: int, tmp_path: Path
) -> None:
    (text,) = [block.text for block in blocks_of(REPOSITORY / "docs" / "kit.md") if block.name == "index.html"]
    (tmp_path / "index.html").write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", page_port), handler) as files:
        thread = threading.Thread(target=files.serve_forever, daemon=True)
        thread.start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://localhost:{page_port}/")
        expect(page.locator("#words")).to_have_text("Choose a photo.", timeout=90_000)

        page.locator("#file").set_input_files(photo("business_person.png").path)
        expect(page.locator("#words")).to_contain_text("business_person.png: ", timeout=90_000)
        page.locator("#picture").evaluate("async picture => { await picture.decode(); }")
        width = page.locator("#picture").evaluate("picture => picture.naturalWidth")
        (tmp_path / "words.txt").write_text("only words")
        page.locator("#file").set_input_files(tmp_path / "words.txt")

        expect(page.locator("#words")).to_contain_text("unsupported_media: ", timeout=90_000)
        assert width == 400
        context.close()
        files.shutdown()
        thread.join()
