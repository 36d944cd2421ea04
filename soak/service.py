"""The service under test: started in a control group or without one, and stopped in order."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import app
from soak.cgroup import MemoryGroup
from soak.http import LOST, HttpClient

OUR_TREE = Path(app.__file__).resolve().parents[1]

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_KEPT_SECTIONS = ("BALLAST_MODELS__", "BALLAST_VISION__", "BALLAST_IMAGE__", "BALLAST_MEMORY__", "BALLAST_LOG__")


class ServiceFault(Exception):
    """The service did not start; the text has the end of its log."""


class Service:
    """A running service; `probe_port` is 0 where the settings ask for none."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self.port = 0
        self.probe_port = 0
        self.log = log
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the lines of its log, parsed; what is no JSON is under `message`."""
        return [_parse(line) for line in self.log.read_text(errors="replace").splitlines()]

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def wait_ready(self) -> None:
        """Wait until it listens and says that it is ready.

        Raises:
            ServiceFault: it ended, or it took too long.
        """
        give_up_at = time.monotonic() + _START_SECONDS
        while not await self._ready():
            if self.exit_code is not None:
                raise ServiceFault(f"the service ended with {self.exit_code}\n{self.tail()}")
            if time.monotonic() > give_up_at:
                raise ServiceFault(f"the service was not ready in {_START_SECONDS:.0f} s\n{self.tail()}")
            await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Let it end as an orchestrator does, with SIGTERM; return the exit code (-9: it had to be killed)."""
        if self.exit_code is None:
            self._process.terminate()
        try:
            return await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return self._process.wait(_STOP_SECONDS)

    async def _ready(self) -> bool:
        if not self.port:
            ports = {line["message"].partition(" ")[0]: line["port"] for line in self.log_lines() if "port" in line}
            self.port, self.probe_port = ports.get("listening", 0), ports.get("probes", 0)
            return False
        client = HttpClient(self.port, timeout_seconds=5)
        try:
            return (await client.get("/health/ready")).status == 200
        except LOST:
            return False
        finally:
            client.close()


@asynccontextmanager
async def run_service(
    folder: Path,
    group: MemoryGroup | None,
    settings: Mapping[str, str],
    *,
    log_name: str = "service.log",
    tree: Path = OUR_TREE,
) -> AsyncIterator[Service]:
    """Start the service with its storage and its log below `folder`, lend it when it is ready, and stop it.

    `tree` is the work tree whose service it is, with the Python of its own environment where it is another than ours.
    `settings` are `BALLAST_*` variables; of those around us the ones that say where things listen and are kept are not
    handed on.

    Raises:
        ServiceFault: it did not start.
    """
    service = _start(folder / log_name, group, _environment(folder, settings, tree), tree)
    try:
        await service.wait_ready()
        yield service
    finally:
        await service.stop()


def _start(log: Path, group: MemoryGroup | None, environment: Mapping[str, str], tree: Path) -> Service:
    command = [_python_of(tree), "-m", "app", "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            group.joining(command) if group is not None else command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=None if tree == OUR_TREE else tree,  # where Python looks first, and where the models are
            start_new_session=True,  # Ctrl-C is for us: we stop it in order
        )
    return Service(process, log)


def _python_of(tree: Path) -> str:
    own = tree / ".venv" / "bin" / "python"
    return str(own) if tree != OUR_TREE and own.exists() else sys.executable


def _environment(folder: Path, settings: Mapping[str, str], tree: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BALLAST_") or name.startswith(_KEPT_SECTIONS)
    }
    inherited.pop("BALLAST_MEMORY__LIMIT", None)
    paths = [str(tree), os.environ.get("PYTHONPATH", "")]
    own = {
        "BALLAST_SERVER__PORT": "0",
        "BALLAST_STORAGE__ROOT": str(folder / "var"),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
    return inherited | own | dict(settings)


def _parse(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"message": line}
