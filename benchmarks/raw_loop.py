"""The vision task without the service: decode and detect in a plain loop, in a process of its own.

`RawLoop` starts `python -m benchmarks.raw_loop TASK PICTURE`. It answers each line `COUNT SECONDS` on its standard
input, after so many pictures and not before so many seconds have gone, with a JSON array of the seconds of each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.raw_process import RawProcess


class RawLoop(RawProcess):
    """A started loop over one picture; the model is loaded when this returns.

    Without an `environment` it runs under the allocator as it is, as anybody's loop would.
    """

    def __init__(self, task: str, picture: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__("benchmarks.raw_loop", task, picture, environment=environment)
        self.run(1)

    def run(self, count: int) -> list[float]:
        """Analyse the picture `count` times; return the seconds of each."""
        seconds: list[float] = json.loads(self.ask(f"{count} 0"))
        return seconds


def rate(loops: Sequence[RawLoop], seconds: float) -> float:
    """Let all loops run at the same time; return the pictures a second of all of them, over about `seconds`."""
    for loop in loops:
        loop.send(f"1 {seconds}")
    taken: list[list[float]] = [json.loads(loop.receive()) for loop in loops]
    return sum(len(one) / sum(one) for one in taken)


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
        count, seconds = line.split()
        taken = _run(
            lambda: model.detect(decode_picture(picture, box, settings.image.max_pixels).rgb),
            int(count),
            float(seconds),
        )
        print(json.dumps(taken), flush=True)
    model.close()


def _run(look: Callable[[], object], count: int, seconds: float) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < count or time.perf_counter() < until:
        began = time.perf_counter()
        look()
        taken.append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    main()
