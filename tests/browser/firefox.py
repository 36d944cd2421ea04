"""Firefox, by WebDriver BiDi over its own WebSocket: no driver program, and as little of it as these tests need.

Playwright's Firefox is a build of its own, which is not to be had from Debian.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

ANSWER_SECONDS = 60.0
_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")

# A camera that needs nobody to allow it, and no requests to the world outside, which cannot be reached.
PREFERENCES: dict[str, bool | str | int] = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.autoplay.default": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "extensions.update.enabled": False,
    "app.update.disabledForTesting": True,
}


class Firefox:
    """One tab of one browser. `troubles` is what its console said in red."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.troubles: list[str] = []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded"])
        self._tab = self.send("browsingContext.create", type="tab")["context"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(ANSWER_SECONDS))
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.troubles.append(str(answer["params"]["text"]))
            if answer.get("id") == self._number:
                assert answer["type"] == "success", f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        self.send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def size(self, width: int, height: int) -> None:
        self.send("browsingContext.setViewport", context=self._tab, viewport={"width": width, "height": height})

    def evaluate(self, expression: str) -> Any:
        """Return what an expression (or its promise) is, by way of JSON."""
        answer = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        text = answer["result"].get("value")
        return None if text is None else json.loads(text)

    def until(self, expression: str, seconds: float = 60) -> None:
        give_up_at = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < give_up_at, f"not in {seconds} s: {expression}"
            time.sleep(0.1)

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.evaluate(f"[...document.querySelectorAll('button')].find((one) => one.textContent === '{name}').click()")

    def choose(self, selector: str, *paths: Path) -> None:
        """Choose files for an input."""
        node = self.send(
            "script.evaluate",
            expression=f"document.querySelector({json.dumps(selector)})",
            target={"context": self._tab},
            awaitPromise=False,
        )["result"]
        element = {"sharedId": node["sharedId"]}
        self.send("input.setFiles", context=self._tab, element=element, files=[str(path) for path in paths])

    def tab_in_front(self) -> None:
        """Open another tab, which hides this one."""
        self.send("browsingContext.create", type="tab", background=False)


@contextmanager
def run_firefox(program: str) -> Iterator[Firefox]:
    """Start a browser with a profile of its own, and end it after the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Path(profile, "log").open("w+b") as log:
        lines = [f'user_pref("{name}", {json.dumps(value)});\n' for name, value in PREFERENCES.items()]
        Path(profile, "user.js").write_text("".join(lines))
        command = [program, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with connect(f"{_address(process, Path(log.name))}/session", max_size=None) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_at = time.monotonic() + ANSWER_SECONDS
    while (found := _ADDRESS.search(log.read_text(errors="replace"))) is None:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < give_up_at, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)
    return found[1]
