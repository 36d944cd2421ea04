"""Somebody who looks at the page, and remembers what went wrong on it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page

from tests.e2e.server import RunningServer

_COUNT_BLOB_URLS = """
window.blobUrls = new Set();
const create = URL.createObjectURL.bind(URL), revoke = URL.revokeObjectURL.bind(URL);
URL.createObjectURL = (blob) => { const url = create(blob); window.blobUrls.add(url); return url; };
URL.revokeObjectURL = (url) => { window.blobUrls.delete(url); revoke(url); };
"""

COUNT_FRAMES = """
window.framesSent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { window.framesSent += data instanceof Blob; send.call(this, data); };
"""

_MEASURE_SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""


class Visitor:
    """One page of one service."""

    def __init__(self, page: Page, server: RunningServer) -> None:
        self.page = page
        self.server = server
        self._troubles: list[str] = []
        self._expected: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._troubles.append(str(error)))
        for script in (_COUNT_BLOB_URLS, COUNT_FRAMES, _MEASURE_SHIFTS):
            page.add_init_script(script)

    def open(self, view: str = "") -> None:
        """Go to a view, and wait until it is there."""
        self.page.goto(f"{self.server.url}/#{view}" if view else self.server.url)
        self.page.locator(f".view[data-view='{view}']" if view else ".view").wait_for()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, picker: str, *files: Path | str | Any) -> None:
        """Choose files as the picker of this name opens its dialog."""
        self.page.get_by_label(picker, exact=True).set_input_files(list(files))

    def choose_task(self, name: str) -> None:
        self.page.get_by_label("Task", exact=True).first.select_option(name)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true. (Playwright's own way is `eval` in the page, which its policy forbids.)"""
        give_up_at = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < give_up_at, f"not in {seconds} s: {expression}"
            self.page.wait_for_timeout(50)

    def figure(self, name: str) -> str:
        """Return the value beside a name in a list of figures."""
        text = (
            self.page.locator("dl.facts div", has=self.page.get_by_text(name, exact=True)).locator("dd").text_content()
        )
        assert text is not None
        return text

    def expect_trouble(self, pattern: str) -> None:
        self._expected.append(pattern)

    def check(self) -> None:
        troubles = [one for one in self._troubles if not any(re.search(pattern, one) for pattern in self._expected)]
        assert not troubles, "\n".join(troubles)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._troubles.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")
