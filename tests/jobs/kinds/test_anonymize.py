"""`anonymize`: no face is left in a video that anybody could find, and all else is as it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.bootstrap import House
from app.errors import InvalidParameter, MemoryExceedsLimit, UnsupportedMedia
from app.jobs.kinds.anonymize import Anonymize
from app.vision.frame_request import FrameRequest
from tests.ffmpeg.clips import make, tool
from tests.jobs.bench import Bench, bench
from tests.jobs.looks import looking_bench
from tests.media_files import media_folder

SIZE = 640, 360
RATE = 25

_RAW = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-")
_YUV = ("-pix_fmt", "yuv420p")

Frames = npt.NDArray[np.uint8]


def moving_face(path: Path, seconds: float, left_out: str = "0") -> Path:
    """Make a video in which the head of a photo comes in from the left, crosses a test picture, and goes out below."""
    head = str(media_folder() / "astronaut.png")
    graph = (
        "[1]crop=200:230:130:0,scale=120:-2[face];"
        f"[0][face]overlay=x='-120+(t/{seconds})*560':y='60+170*pow(t/{seconds},4)*2':eval=frame,select='not({left_out})',format=yuv420p[v]"
    )
    background = ("-f", "lavfi", "-i", f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}:d={seconds}")
    inputs = (*background, "-i", head, "-f", "lavfi", "-i", f"sine=d={seconds}")
    maps = ("-filter_complex", graph, "-map", "[v]", "-map", "2:a", "-c:a", "aac")
    return make(
        path, *inputs, *maps, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "25", "-fps_mode", "vfr"
    )


def frames_of(path: Path) -> Frames:
    found = subprocess.run([tool(), "-v", "error", "-i", path, *_RAW], check=True, capture_output=True).stdout
    return np.frombuffer(found, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)


async def faces_in(house: House, path: Path) -> list[int]:
    """Return how many faces a search of all of each frame finds, as it is done in pictures that are anonymised."""
    task = house.vision.vision.task("face-detection")
    count = len(frames_of(path))
    found: list[int] = []
    request = FrameRequest(task, task.Params(), *SIZE, "tests", str(path), follow_every=1)
    with raw_frames(path) as pipe:
        async with house.vision.frames.open(request) as look:
            async for one in look.over(pipe, [number / RATE for number in range(count)]):
                found += [len(json.loads(line)) for line in one.lines]
    return found


@contextmanager
def raw_frames(path: Path) -> Iterator[int]:
    with subprocess.Popen([tool(), "-v", "error", "-i", path, *_RAW], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.fileno()


def result_of(opened: Bench) -> Path:
    (kept,) = opened.kept
    assert (kept.name, kept.content_type) == ("a.mp4", "video/mp4")
    return kept.path


@pytest.mark.photo
@pytest.mark.model
@pytest.mark.parametrize(
    ("style", "seconds"),
    [
        ("blur", 1.0),
        ("solid", 1.0),
        pytest.param("blur", 4.0, marks=pytest.mark.stress),
        pytest.param("pixelate", 1.0, marks=pytest.mark.stress),
        pytest.param("oval", 1.0, marks=pytest.mark.stress),
    ],
)
async def test_no_face_is_found_in_what_a_moving_face_has_become_and_the_rest_is_untouched(
    tmp_path: Path, style: str, seconds: float
) -> None:
    clip = moving_face(tmp_path / "a.mp4", seconds)

    async with looking_bench(tmp_path, clip) as (opened, house):
        summary = await opened.do_all(Anonymize(), style=style, quality=95)
        after = await faces_in(house, result_of(opened))

    assert sum(map(bool, after)) == 0, after
    assert (summary["frames"], summary["audioCodec"]) == (round(seconds * RATE), "aac")
    assert summary["framesCovered"] >= summary["framesWithFaces"] >= 0.6 * summary["frames"]
    old, new = frames_of(clip).astype(int), frames_of(result_of(opened)).astype(int)
    right = np.abs(old - new)[:, :, -120:]  # no head comes there
    assert right.mean() < 2.5


@pytest.mark.photo
@pytest.mark.model
async def test_frames_keep_their_times_and_the_sound_is_copied(tmp_path: Path) -> None:
    clip = moving_face(tmp_path / "a.mp4", 1.0, left_out="between(n,8,13)")
    sound = ("-map", "0:a", "-c", "copy", "-f", "md5", "-")

    async with looking_bench(tmp_path, clip) as (opened, house):
        summary = await opened.do_all(Anonymize())
        times = [list(await opened.ffmpeg.timestamps(path, "video/mp4")) for path in (clip, result_of(opened))]
        after = await faces_in(house, result_of(opened))

    assert summary["frames"] == len(times[0]) == 19
    assert times[1] == pytest.approx(times[0], abs=0.001)
    assert told(clip, *sound) == told(result_of(opened), *sound)
    assert sum(map(bool, after)) == 0, after


async def test_a_video_without_faces_keeps_every_pixel_but_for_the_encoding(tmp_path: Path) -> None:
    clip = make(
        tmp_path / "a.mp4", "-f", "lavfi", "-i", f"mandelbrot=s={SIZE[0]}x{SIZE[1]}:r={RATE}", "-t", "0.4", *_YUV
    )

    async with looking_bench(tmp_path, clip) as (opened, _):
        summary = await opened.do_all(Anonymize(), quality=100)

    assert (summary["framesWithFaces"], summary["framesCovered"], summary["audioCodec"]) == (0, 0, None)
    difference = np.abs(frames_of(clip).astype(int) - frames_of(result_of(opened)).astype(int))
    assert difference.mean() < 1.5


async def test_a_picture_is_no_video(tmp_path: Path) -> None:
    picture = make(tmp_path / "a.png", "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1")
    opened = await bench(tmp_path, picture)

    with pytest.raises(UnsupportedMedia, match="takes a video"):
        Anonymize().plan(opened.sources, Anonymize.params.model_validate({}), opened.means)


async def test_without_an_encoder_it_is_refused_with_what_there_is(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.2")
    opened = await bench(tmp_path, clip)
    poor = replace(opened.means, abilities=replace(opened.abilities, encoders=frozenset({"libvpx-vp9"})))

    with pytest.raises(InvalidParameter, match="vp9"):
        Anonymize().plan(opened.sources, Anonymize.params.model_validate({}), poor)


async def test_where_memory_is_short_a_smaller_picture_is_searched_and_then_none(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:d=0.2")
    opened = await bench(tmp_path, clip)

    def search_within(limit_bytes: int) -> Any:
        means = replace(opened.means, limit_bytes=limit_bytes)
        plan = Anonymize().plan(opened.sources, Anonymize.params.model_validate({}), means)
        assert plan.predicted_bytes <= limit_bytes
        return next(step.args["search"] for step in plan.steps if step.name.startswith("look"))

    assert search_within(1 << 30) == {"longest_side": 1920, "threads": 2}
    assert search_within(198 << 20) == {"longest_side": 1280, "threads": 1}
    with pytest.raises(MemoryExceedsLimit) as refused:
        search_within(150 << 20)
    extra: dict[str, Any] = dict(refused.value.extra)
    assert extra["neededBytes"] > extra["limitBytes"] == 150 << 20


def told(path: Path, *arguments: str) -> bytes:
    return subprocess.run([tool(), "-v", "error", "-i", path, *arguments], check=True, capture_output=True).stdout
