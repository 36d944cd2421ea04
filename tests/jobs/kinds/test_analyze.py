"""`analyze`: frames of a video through a vision task, and what ffmpeg's filters tell of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidMedia, InvalidParameter
from app.jobs.frames import sampling
from app.jobs.kinds import analyze
from app.jobs.kinds.analyze import Analyze
from tests.ffmpeg.clips import make
from tests.jobs.bench import Bench, bench
from tests.jobs.looks import looking_bench
from tests.media_files import media_folder

photo = pytest.mark.photo
model = pytest.mark.model


def counting(path: Path, rate: int = 25, seconds: float = 2, *more: str) -> Path:
    """Make a video of changing pictures."""
    source = f"testsrc2=s=160x90:r={rate}:d={seconds}"
    return make(
        path,
        "-f",
        "lavfi",
        "-i",
        source,
        *more,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "10",
        "-pix_fmt",
        "yuv420p",
    )


def lines_of(opened: Bench) -> list[dict[str, Any]]:
    (kept,) = opened.kept
    assert kept.content_type == "application/x-ndjson"
    return [json.loads(line) for line in kept.path.read_text().splitlines()]


@photo
@model
@pytest.mark.parametrize(
    ("name", "task", "frames", "hands", "thumbs"),
    [
        ("hand_202_frames.mp4", "hands", 202, 200, 0),
        ("gesture_thumb_up_195_frames_720p.mp4", "gestures", 195, 165, 135),
    ],
)
async def test_every_frame_of_a_real_video_tells_what_a_stream_tells(
    tmp_path: Path, name: str, task: str, frames: int, hands: int, thumbs: int
) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(media_folder() / name, clip)

    async with looking_bench(tmp_path, clip) as (opened, _):
        summary = await opened.do_all(Analyze(), task=task, everyNthFrame=1)

    lines = lines_of(opened)
    assert [line["frame"] for line in lines] == list(range(frames))
    assert summary["frames"] == frames
    assert summary["framesWithDetections"] == sum(bool(line["detections"]) for line in lines) >= hands
    assert summary["labels"].get("gesture", {}).get("Thumb_Up", 0) >= thumbs


@model
async def test_a_second_has_five_samples_unless_something_else_is_said(tmp_path: Path) -> None:
    async with looking_bench(tmp_path, counting(tmp_path / "a.mp4")) as (opened, _):
        summary = await opened.do_all(Analyze(), task="face-detection")

    lines = lines_of(opened)
    assert [line["timeSeconds"] for line in lines] == [round(number / 5, 6) for number in range(10)]
    assert [line["frame"] for line in lines] == [5 * number for number in range(10)]
    assert (summary["task"], summary["frames"]) == ("face-detection", 10)


@model
async def test_a_part_of_a_video_has_the_numbers_that_its_frames_have_in_the_whole(tmp_path: Path) -> None:
    async with looking_bench(tmp_path, counting(tmp_path / "a.mp4")) as (opened, _):
        await opened.do_all(Analyze(), task="face-detection", everyNthFrame=4, start=1, end=1.5)

    assert [line["frame"] for line in lines_of(opened)] == [25, 29, 33, 37]
    assert [line["timeSeconds"] for line in lines_of(opened)] == [1.0, 1.16, 1.32, 1.48]


@model
async def test_key_frames_are_looked_at_alone_where_that_is_asked_for(tmp_path: Path) -> None:
    async with looking_bench(tmp_path, counting(tmp_path / "a.mp4")) as (opened, _):
        await opened.do_all(Analyze(), task="face-detection", keyframes=True)

    assert [line["frame"] for line in lines_of(opened)] == [0, 10, 20, 30, 40]


@model
async def test_a_long_video_is_looked_at_in_steps_that_make_one_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "SEGMENT_SECONDS", 1.0)
    clip = counting(tmp_path / "a.mp4", 25, 3.4)

    async with looking_bench(tmp_path, clip) as (opened, _):
        for wanted in ({"sampleFps": 10}, {"everyNthFrame": 3}, {"sampleFps": 2.5}):
            await opened.do_all(Analyze(), task="face-detection", **wanted)
            lines = lines_of(opened)
            opened.results = {}
            opened.kept.clear()

            times = [line["timeSeconds"] for line in lines]
            step = {10: 0.1, 2.5: 0.4}.get(wanted.get("sampleFps", 0), 0.12)
            assert times == [round(number * step, 6) for number in range(len(times))]
            assert len(times) == round(3.4 / step + 0.4999)
            assert [line["frame"] for line in lines] == [int(time * 25 + 0.001) for time in times]
            assert opened.plan is not None
            assert sum(one.name.startswith("look-") for one in opened.plan.steps) >= 4


@model
async def test_frames_of_a_variable_rate_have_their_numbers_by_their_timestamps(tmp_path: Path) -> None:
    keep = "select='lt(n,10)+gt(n,39)'"
    clip = counting(tmp_path / "a.mp4", 25, 2, "-vf", keep, "-fps_mode", "vfr")

    async with looking_bench(tmp_path, clip) as (opened, _):
        await opened.do_all(Analyze(), task="face-detection", sampleFps=5)

    assert [line["frame"] for line in lines_of(opened)] == [0, 5, 9, 9, 9, 9, 9, 9, 10, 15]


@pytest.mark.parametrize("container", ["mp4", "ts", "flv"])
async def test_cuts_black_silence_and_blur_are_told_without_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    clip = _with_signals(tmp_path / f"a.{container}")
    for length in (600.0, 1.5):
        monkeypatch.setattr(analyze, "_SIGNAL_SECONDS", length)
        async with looking_bench(tmp_path, clip) as (opened, _):
            summary = await opened.do_all(Analyze(), scenes=True, black=True, silence=True, blur=True)

        assert summary["sceneCuts"] == pytest.approx([1.0, 2.0], abs=0.05)
        (black,) = summary["blackSpans"]
        assert (black["start"], black["end"]) == pytest.approx((1.0, 2.0), abs=0.05)
        (silent,) = summary["silentSpans"]
        assert (silent["start"], silent["end"]) == pytest.approx((1.5, 3.0), abs=0.05)
        assert summary["blur"]["samples"] == 4, "where nothing has an edge nothing is blurred"
        assert [line["event"] for line in lines_of(opened)] == ["sceneCut", "black", "silence", "sceneCut"]


def _with_signals(path: Path) -> Path:
    """Make a second of a test picture, one of black, one of a fractal; half of it without sound."""
    sources = ("testsrc2=s=160x90:r=25:d=1", "color=black:s=160x90:r=25:d=1", "mandelbrot=s=160x90:r=25", "sine=d=1.5")
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    graph = "[2]trim=duration=1[m];[0][1][m]concat=n=3[v];[3]apad=whole_dur=3[a]"
    maps = ("-filter_complex", graph, "-map", "[v]", "-map", "[a]")
    return make(path, *inputs, *maps, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p")


@model
async def test_a_video_that_is_cut_off_is_no_shorter_analysis(tmp_path: Path) -> None:
    whole = counting(tmp_path / "a.mp4", 25, 2, "-movflags", "+faststart")
    cut = tmp_path / "b.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])

    async with looking_bench(tmp_path, cut) as (opened, house):
        with pytest.raises(InvalidMedia):
            await opened.do_all(Analyze(), task="face-detection")

        assert opened.kept == []
        assert list(opened.folder.glob("look-*")) == []
        await house.vision.vision.aclose()


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "task"),
        ({"task": "teeth"}, "task"),
        ({"task": "hands", "maxHands": 99}, "maxHands"),
        ({"task": "hands", "maxFaces": 2}, "maxFaces"),
        ({"task": "hands", "sampleFps": 5, "everyNthFrame": 2}, "sampleFps"),
        ({"task": "hands", "start": 2.5}, "start"),
        ({"task": "hands", "start": 1, "end": 0.5}, "end"),
        ({"task": "hands", "end": 60}, "end"),
        ({"scenes": True, "maxHands": 2}, "maxHands"),
        ({"silence": True}, "silence"),
    ],
)
async def test_parameters_that_cannot_work_are_refused_at_submit(
    tmp_path: Path, wanted: dict[str, Any], name: str
) -> None:
    opened = await bench(tmp_path, counting(tmp_path / "a.mp4"))

    with pytest.raises(InvalidParameter, match=name):
        Analyze().plan(opened.sources, Analyze.params.model_validate(wanted), opened.means)
