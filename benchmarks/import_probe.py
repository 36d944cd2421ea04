"""Starts the API's object graph step by step and prints, as JSON, how its resident memory grew; see `imports.py`.

    python -m benchmarks.import_probe STORAGE_ROOT

It is run in a process of its own, because it wraps the loading function of the import system (the same from Python
3.11 to 3.14). Little is imported before the first stage.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_BOOTSTRAP: Any = sys.modules["_frozen_importlib"]
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ImportProbe:
    """Notes for each module what its import added; `own` is without the modules that it imported itself."""

    def __init__(self) -> None:
        self.modules: list[dict[str, Any]] = []
        self._nested = [0]
        self._load = _BOOTSTRAP._load_unlocked
        _BOOTSTRAP._load_unlocked = self._measured

    def _measured(self, spec: Any) -> Any:
        before = resident_bytes()
        self._nested.append(0)
        try:
            return self._load(spec)
        finally:
            added = resident_bytes() - before
            own = added - self._nested.pop()
            self._nested[-1] += added
            self.modules.append({"name": spec.name, "own": own, "all": added})


class Stages:
    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def note(self, name: str) -> None:
        rss, anonymous = resident_bytes(), anonymous_bytes()
        added = rss - self.found[-1]["rss"] if self.found else rss
        self.found.append({"name": name, "rss": rss, "anonymous": anonymous, "added": added})


def resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - thousands of times: nothing may be allocated for it
        return int(statm.read().split()[1]) * _PAGE_BYTES


def anonymous_bytes() -> int:
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - as above
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(b"RssAnon:"))


def main() -> None:
    stages, probe = Stages(), ImportProbe()
    stages.note("interpreter")
    import asyncio  # noqa: F401
    import json

    stages.note("asyncio")
    import uvloop

    stages.note("uvloop")
    import starlette.applications  # noqa: F401
    import uvicorn  # noqa: F401

    stages.note("Starlette and uvicorn")
    import fastapi  # noqa: F401

    stages.note("FastAPI and pydantic")
    import app.main
    import app.server.listeners
    from app.settings import Settings, StorageSettings

    stages.note("the modules of app")
    application = app.main.create_app(Settings(storage=StorageSettings(root=Path(sys.argv[1]))))
    stages.note("create_app")
    uvloop.run(_start(application, stages))
    json.dump({"stages": stages.found, "modules": probe.modules}, sys.stdout)


async def _start(application: Any, stages: Stages) -> None:
    async with application.router.lifespan_context(application):
        stages.note("open_house")


if __name__ == "__main__":
    main()
