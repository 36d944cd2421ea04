"""`anonymize`: no face is left in a video that anybody could find, and all else is as it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.bootstrap import House
from app.jobs.kinds.anonymize import Anonymize
from app.vision.frame_request import FrameRequest
from tests.ffmpeg.clips import make, tool
from tests.jobs.bench import Bench
from tests.jobs.looks import looking_bench
from tests.media_files import media_folder

SIZE = 640, 360
RATE = 25

Frames = npt.NDArray[np.uint8]


def moving_face(path: Path, seconds: float = 3, *more: str) -> Path:
    """Make a video in which the head of a photo comes in from the left, crosses a test picture, and goes out below."""
    head = str(media_folder() / "astronaut.png")
    graph = (
        "[1]crop=200:230:130:0,scale=120:-2[face];"
        f"[0][face]overlay=x='-120+(t/{seconds})*560':y='60+170*pow(t/{seconds},4)*2':eval=frame,format=yuv420p[v]"
    )
    background = ("-f", "lavfi", "-i", f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}:d={seconds}")
    inputs = (*background, "-i", head, "-f", "lavfi", "-i", f"sine=d={seconds}")
    maps = ("-filter_complex", graph, "-map", "[v]", "-map", "2:a", "-c:a", "aac")
    return make(path, *inputs, *maps, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "25", *more)


def frames_of(path: Path) -> Frames:
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-")
    found = subprocess.run([tool(), "-v", "error", "-i", path, *raw], check=True, capture_output=True).stdout
    return np.frombuffer(found, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)


async def faces_in(house: House, path: Path) -> list[int]:
    """Return how many faces the detector of `face-detection` finds in each frame, at its full size."""
    task = house.vision.vision.task("face-detection")
    count = len(frames_of(path))
    found: list[int] = []
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-")
    request = FrameRequest(task, task.Params(), *SIZE, "tests", str(path))
    with subprocess.Popen([tool(), "-v", "error", "-i", path, *raw], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        async with house.vision.frames.open(request) as look:
            async for one in look.over(process.stdout.fileno(), [number / RATE for number in range(count)]):
                found += [len(json.loads(line)) for line in one.lines]
    return found


def result_of(opened: Bench) -> Path:
    (kept,) = opened.kept
    assert (kept.name, kept.content_type) == ("a.mp4", "video/mp4")
    return kept.path


@pytest.mark.photo
@pytest.mark.model
@pytest.mark.parametrize("style", ["blur", "pixelate", "solid", "oval"])
async def test_no_face_is_found_in_what_a_moving_face_has_become_and_the_rest_is_untouched(
    tmp_path: Path, style: str
) -> None:
    clip = moving_face(tmp_path / "a.mp4")

    async with looking_bench(tmp_path, clip) as (opened, house):
        summary = await opened.do_all(Anonymize(), style=style, quality=95)
        before, after = await faces_in(house, clip), await faces_in(house, result_of(opened))

    assert sum(before) > 40, "there is a face to be covered"
    assert sum(map(bool, after)) == 0, after
    assert (summary["frames"], summary["audioCodec"]) == (75, "aac")
    assert summary["framesWithFaces"] >= 0.9 * sum(map(bool, before))
    old, new = frames_of(clip).astype(int), frames_of(result_of(opened)).astype(int)
    right = np.abs(old - new)[:, :, -120:]  # no head comes there
    assert right.mean() < 2.5
