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
    """Keeps models by task and trackers by id, as `Engine` does. What the picture says is done.

    `bad` is refused; `die FILE` ends the process, but only once for each FILE; `hold FILE` works until there is
    `FILE.release`, and makes `FILE.begun` when it begins. The answer's head also tells the trackers that live.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._model_bytes: int = options["modelBytes"]
        self._models: dict[str, dict[str, object]] = {}
        self._trackers: dict[str, int] = {}
        self._revision = 0

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        if "unload" in head:
            for task in head["unload"]:
                self._models.pop(task, None)
            return self._list(), b""
        if "keepInstances" in head:
            return self._list(), b""
        if "dropTracker" in head:
            self._trackers.pop(head["dropTracker"], None)
            return {}, b""
        self._obey(payload.decode())
        return self._analyze(head), b"[]"

    def _analyze(self, head: Head) -> Head:
        loaded = False
        if "tracker" in head:
            last_ms = self._trackers.get(head["tracker"], 0)
            assert head["timestampMs"] > last_ms, "MediaPipe refuses a timestamp that does not rise"
            self._trackers[head["tracker"]] = head["timestampMs"]
        elif self._models.get(head["task"]) != head["params"]:
            self._models[head["task"]] = head["params"]
            loaded = True
        return {
            "width": 4, "height": 3, "analyzedWidth": 4, "analyzedHeight": 3, "decodeSeconds": 0.001,
            "loadSeconds": 0.0, "loaded": loaded, "inferenceSeconds": 0.002, **self._list(),
            "trackers": sorted(self._trackers),
        }  # fmt: skip

    def _list(self) -> Head:
        self._revision += 1
        models = [
            {"task": task, "params": params, "residentBytes": self._model_bytes}
            for task, params in self._models.items()
        ]
        return {"models": models, "revision": self._revision}

    def _obey(self, order: str) -> None:
        verb, _, name = order.partition(" ")
        match verb:
            case "bad":
                raise InvalidMedia("The picture is broken.")
            case "die" if not Path(name).exists():
                Path(name).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "hold":
                Path(name + ".begun").touch()
                while not Path(name + ".release").exists():
                    time.sleep(0.002)


def build(options: dict[str, Any]) -> ToyEngine:
    return ToyEngine(options)
