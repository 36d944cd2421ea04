"""The vision task without the service: decode and detect in a plain loop, in a process of its own.

`RawLoop` starts `python -m benchmarks.raw_loop TASK PICTURE`, which answers each line `COUNT` on its standard input
with a JSON array of so many times in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.server import REPOSITORY


class RawLoop:
    """A started loop over one picture; the model is loaded when this returns."""

    def __init__(self, task: str, picture: Path) -> None:
        from app.workers.launch import CHILD_ENVIRONMENT  # so that it runs under the allocator of the real worker

        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.raw_loop", task, str(picture)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # MediaPipe's greetings
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, **CHILD_ENVIRONMENT},
        )
        self.run(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, count: int) -> list[float]:
        """Analyse the picture `count` times; return the seconds of each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(count, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the raw loop ended with {self._process.wait()}")
        seconds: list[float] = json.loads(line)
        return seconds


def main() -> None:
    from app.domain.analysis_size import AnalysisSize
    from app.imaging.decode import decode_picture
    from app.models.assets import ModelAssets
    from app.settings import Settings
    from app.vision.task import vision_tasks

    settings = Settings()
    task = vision_tasks()[sys.argv[1]]
    picture = Path(sys.argv[2]).read_bytes()
    box = AnalysisSize(settings.vision.max_width, settings.vision.max_height)
    model = task.load(ModelAssets(settings.models.dir).path(task.asset), task.Params())
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            model.detect(decode_picture(picture, box, settings.image.max_pixels).rgb)
            seconds.append(time.perf_counter() - began)
        print(json.dumps(seconds), flush=True)
    model.close()


if __name__ == "__main__":
    main()
