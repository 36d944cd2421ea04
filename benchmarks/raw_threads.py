"""The hands task without the service, as fast as the machine goes: one instance a thread, nothing else.

`RawThreads` starts `python -m benchmarks.raw_threads THREADS PICTURE`, which answers each line `SECONDS` on its
standard input with a line: how many pictures a second were decoded and looked at during that time. It runs under the
allocator as it is, as anybody's loop would; what the settings of our workers cost is part of the comparison.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.raw_process import RawProcess

if TYPE_CHECKING:
    from app.vision.task import Model


class RawThreads(RawProcess):
    """Started threads over one picture; their models are loaded when this returns."""

    def __init__(self, threads: int, picture: Path) -> None:
        super().__init__("benchmarks.raw_threads", threads, picture)
        self.rate(0.2)

    def rate(self, seconds: float) -> float:
        """Return the pictures a second, over about `seconds`."""
        return float(self.ask(seconds))


class _Looker(threading.Thread):
    """Looks at the picture until the time is over; `count` is how often."""

    def __init__(self, model: Model, picture: bytes, until: float) -> None:
        super().__init__()
        self.count = 0
        self._model = model
        self._picture = picture
        self._until = until

    def run(self) -> None:
        from app.domain.analysis_size import AnalysisSize
        from app.imaging.decode import decode_picture
        from app.settings import Settings

        settings = Settings()
        box = AnalysisSize(settings.vision.max_width, settings.vision.max_height)
        while time.perf_counter() < self._until:
            self._model.detect(decode_picture(self._picture, box, settings.image.max_pixels).rgb)
            self.count += 1


def main() -> None:
    from app.models.assets import ModelAssets
    from app.settings import Settings
    from app.vision.task import vision_tasks

    task = vision_tasks()["hands"]
    bundle = ModelAssets(Settings().models.dir).path(task.asset)
    models = [task.load(bundle, task.Params()) for _ in range(int(sys.argv[1]))]
    picture = Path(sys.argv[2]).read_bytes()
    for line in sys.stdin:
        began = time.perf_counter()
        lookers = [_Looker(model, picture, began + float(line)) for model in models]
        for looker in lookers:
            looker.start()
        for looker in lookers:
            looker.join()
        print(sum(looker.count for looker in lookers) / (time.perf_counter() - began), flush=True)
    for model in models:
        model.close()


if __name__ == "__main__":
    main()
