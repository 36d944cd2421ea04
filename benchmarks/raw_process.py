"""A loop without the service, in a process of its own that is asked line by line over its standard streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from benchmarks.server import REPOSITORY


class RawProcess:
    """Runs `python -m MODULE ARGUMENTS...` until the block ends."""

    def __init__(self, module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # MediaPipe's greetings
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def ask(self, line: object) -> str:
        """Send one line and return the line that answers it."""
        self.send(line)
        return self.receive()

    def send(self, line: object) -> None:
        """Send one line; its answer is to be received."""
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def receive(self) -> str:
        """Return the line that answers the last one."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the raw loop ended with {self._process.wait()}")
        return answer
