"""A handler that answers as the vision engine does, without a model: for tests of what the API makes of the answers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from app.errors import InvalidMedia
from app.workers.channel import Head


class ToyEngine:
    """Has one "model", as `Engine` has. What the picture says is done.

    `bad` is refused; `die` ends the process by SIGSEGV, `die FILE` only once for each FILE; `hold FILE` works until
    there is `FILE.release`, and makes `FILE.begun` when it begins. The answer's head also tells the child's options.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._last_ms = 0

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        self._obey(payload.decode())
        if self._options["tracker"]:
            assert head["timestampMs"] > self._last_ms, "MediaPipe refuses a timestamp that does not rise"
            self._last_ms = head["timestampMs"]
        answer = {
            "width": 4, "height": 3, "analyzedWidth": 4, "analyzedHeight": 3, "decodeSeconds": 0.001,
            "inferenceSeconds": 0.002, "options": self._options, "asked": head["task"],
        }  # fmt: skip
        return answer, b"[]"

    def _obey(self, order: str) -> None:
        verb, _, name = order.partition(" ")
        match verb:
            case "bad":
                raise InvalidMedia("The picture is broken.")
            case "die" if not (name and Path(name).exists()):
                if name:
                    Path(name).touch()
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(30)  # another thread may be the one that gets it
            case "hold":
                Path(name + ".begun").touch()
                while not Path(name + ".release").exists():
                    time.sleep(0.002)


def build(options: dict[str, Any]) -> ToyEngine:
    """Take as long to load as the file `slow` beside the asset says: until there is `slow.release`."""
    slow = Path(options["asset"]).with_name("slow")
    if slow.exists():
        slow.with_suffix(".begun").touch()
        while not slow.with_suffix(".release").exists():
            time.sleep(0.002)
    if Path(options["asset"]).with_name("broken").exists():
        raise RuntimeError("the bundle is broken")
    return ToyEngine(options)
