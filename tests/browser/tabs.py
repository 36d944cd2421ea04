"""Chromium with tabs as people have them: the one in front is seen, the others are hidden.

Playwright keeps every page visible, so this speaks the browser's own protocol (Chrome DevTools Protocol, over a
WebSocket): as little of it as hidden tabs need.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

ANSWER_SECONDS = 60.0
_ADDRESS = re.compile(r"DevTools listening on (ws://\S+)")


class Browser:
    """One connection to one browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Give a command and return its result; events that come meanwhile are left out."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._connection.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._connection.recv(ANSWER_SECONDS))
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def tab(self, script: str = "") -> Tab:
        """Open a tab in front of all others; `script` runs in it before any page's own."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable", session)
        if script:
            self.send("Page.addScriptToEvaluateOnNewDocument", session, source=script)
        return Tab(self, target, session)


@dataclass(frozen=True, slots=True)
class Tab:
    browser: Browser
    target: str
    session: str

    def open(self, url: str) -> None:
        self.browser.send("Page.navigate", self.session, url=url)

    def close(self) -> None:
        self.browser.send("Target.closeTarget", targetId=self.target)

    def show(self) -> None:
        self.browser.send("Target.activateTarget", targetId=self.target)

    def evaluate(self, expression: str) -> Any:
        answer = self.browser.send(
            "Runtime.evaluate", self.session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        give_up_at = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < give_up_at, f"not in {seconds} s: {expression}"
            time.sleep(0.1)

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file for an input."""
        root = self.browser.send("DOM.getDocument", self.session)["root"]["nodeId"]
        node = self.browser.send("DOM.querySelector", self.session, nodeId=root, selector=selector)["nodeId"]
        self.browser.send("DOM.setFileInputFiles", self.session, nodeId=node, files=[str(path)])


@contextmanager
def run_browser(chromium: str, switches: Sequence[str]) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it after the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Path(profile, "log").open("w+b") as log:
        command = [chromium, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", *switches]
        process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=log)
        try:
            with connect(_address(process, Path(log.name)), max_size=None) as connection:
                browser = Browser(connection)
                yield browser
                browser.send("Browser.close")
                process.wait(30)
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_at = time.monotonic() + ANSWER_SECONDS
    while (found := _ADDRESS.search(log.read_text(errors="replace"))) is None:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < give_up_at, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)
    return found[1]
