"""The vision task without the service: decode and detect in a plain loop, in a process of its own.

`RawLoop` starts `python -m benchmarks.raw_loop TASK PICTURE`, which answers each line `COUNT` on its standard input
with a JSON array of so many times in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.raw_process import RawProcess


class RawLoop(RawProcess):
    """A started loop over one picture; the model is loaded when this returns."""

    def __init__(self, task: str, picture: Path) -> None:
        from app.workers.launch import CHILD_ENVIRONMENT  # so that it runs under the allocator of the real worker

        super().__init__("benchmarks.raw_loop", task, picture, environment=CHILD_ENVIRONMENT)
        self.run(1)

    def run(self, count: int) -> list[float]:
        """Analyse the picture `count` times; return the seconds of each."""
        seconds: list[float] = json.loads(self.ask(count))
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
