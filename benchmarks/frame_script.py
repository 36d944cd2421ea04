"""A script as a user writes it: frames of a film through a pipe, some of them made smaller and looked at.

`FrameScript` starts `python -m benchmarks.frame_script TASK FILM RATE EVERY`. It answers each line on its standard
input, `all` or `few`, with a JSON array: seconds, frames looked at, frames in which something was found. With `all`
every frame of the film comes through the pipe in its own size, as OpenCV gives them; with `few` ffmpeg leaves out those
that are not looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.raw_process import RawProcess


class FrameScript(RawProcess):
    """The started script; its model is loaded when this returns."""

    def __init__(self, task: str, film: Path, every: int) -> None:
        super().__init__("benchmarks.frame_script", task, film, every)
        self.ask("")

    def run(self, which: str) -> tuple[float, int, int]:
        """Return seconds, frames looked at, and frames in which something was found."""
        seconds, looked, found = json.loads(self.ask(which))
        return seconds, looked, found


def main() -> None:
    from PIL import Image

    from app.domain.analysis_size import AnalysisSize
    from app.models.assets import ModelAssets
    from app.settings import Settings
    from app.vision.task import vision_tasks

    task, film, every = vision_tasks()[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    settings = Settings()
    model = task.load(ModelAssets(settings.models.dir).path(task.asset), task.Params())
    width, height = _size(film)
    box = AnalysisSize(settings.vision.max_width, settings.vision.max_height).fit(width, height)

    def look(frame: bytes) -> bool:
        import numpy as np

        small = Image.frombytes("RGB", (width, height), frame).resize(box, Image.Resampling.BILINEAR)
        return bool(model.detect(np.ascontiguousarray(small)).detections)

    for line in sys.stdin:
        print(json.dumps(_run(film, width * height * 3, every, look, line.strip())), flush=True)
    model.close()


def _run(film: Path, frame_bytes: int, every: int, look: Any, which: str) -> list[float]:
    if not which:
        return []
    began, found = time.perf_counter(), []
    for number, frame in enumerate(_frames(film, frame_bytes, every if which == "few" else 1)):
        if which == "few" or number % every == 0:
            found.append(look(frame))
    return [time.perf_counter() - began, len(found), sum(found)]


def _frames(film: Path, frame_bytes: int, every: int) -> Iterator[bytes]:
    chosen = ["-vf", f"select=not(mod(n\\,{every}))", "-fps_mode", "passthrough"] if every > 1 else []
    command = ["ffmpeg", "-v", "error", "-i", str(film), *chosen, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while len(frame := process.stdout.read(frame_bytes)) == frame_bytes:
            yield frame


def _size(film: Path) -> tuple[int, int]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height"]
    told = subprocess.run([*command, "-of", "csv=p=0", film], capture_output=True, text=True, check=True).stdout
    width, height = told.strip().strip(",").split(",")
    return int(width), int(height)


if __name__ == "__main__":
    main()
