from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.errors import InvalidMedia, InvalidParameter
from app.jobs.kinds.clip import Clip, ClipParams
from tests.ffmpeg.clips import make, tool, turned
from tests.ffmpeg.numbered import compared, decoded, numbered, numbers, times
from tests.jobs.bench import Bench, bench


def segments(*spans: tuple[float, float] | tuple[float, float, str]) -> list[dict[str, Any]]:
    return [dict(zip(("start", "end", "input"), span, strict=False)) for span in spans]


async def clipped(tmp_path: Path, *sources: Path, **params: Any) -> tuple[Bench, Path, dict[str, Any]]:
    it = await bench(tmp_path, *sources)
    summary = await it.do_all(Clip(), **params)
    it.governor.budget.check_empty()
    assert it.governor.present == set()
    return it, it.kept[0].path, dict(summary)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        (((1, 2.5), (4, 5)), [*range(30, 75), *(n % 100 for n in range(120, 150))]),
        (((4, 5), (1, 2.5)), [*(n % 100 for n in range(120, 150)), *range(30, 75)]),
        (((0, 0.1),), [0, 1, 2]),
        (((1.01, 1.12),), [31, 32, 33]),
        (((5.9, 6),), [77, 78, 79]),
        (((2, 3), (2, 3)), [*range(60, 90), *range(60, 90)]),
    ],
)
async def test_segments_are_exact_to_the_frame_in_any_order(
    tmp_path: Path, spans: tuple[tuple[float, float], ...], expected: list[int]
) -> None:
    source = numbered(tmp_path / "in.mp4", 6)

    _, path, summary = await clipped(tmp_path, source, segments=segments(*spans))

    assert numbers(path) == expected
    assert times(path) == pytest.approx([number / 30 for number in range(len(expected))], abs=0.00002)
    assert summary["frames"] == len(expected)
    assert summary["durationSeconds"] == pytest.approx(len(expected) / 30, abs=0.03)


@pytest.mark.parametrize(("extension", "rate"), [("mp4", "30000/1001"), ("mkv", "24"), ("webm", "25"), ("ts", "25")])
async def test_frames_are_exact_in_every_container_and_rate(tmp_path: Path, extension: str, rate: str) -> None:
    codec = (
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-crf", "20", "-c:a", "libopus") if extension == "webm" else ()
    )
    source = numbered(tmp_path / f"in.{extension}", 4, *codec, rate=rate)
    began, *_ = all_times = times(source)
    shown = [time - began for time in all_times]
    first, last = shown.index(next(t for t in shown if t >= 0.999)), shown.index(next(t for t in shown if t >= 2.999))
    offset = began if extension == "ts" else 0.0
    it = await bench(tmp_path, source)
    start = (it.sources[0].probe.start_seconds or 0.0) if it.sources[0].probe else 0.0
    shift = offset - start if extension == "ts" else began

    await it.do_all(Clip(), segments=segments((1 + shift, 3 + shift)))

    assert numbers(it.kept[0].path) == numbers(source)[first:last]


@pytest.mark.parametrize("start", [0.0, 1.5])
async def test_an_flv_of_several_key_frames_is_read_from_its_beginning(tmp_path: Path, start: float) -> None:
    source = numbered(tmp_path / "in.flv", 4, "-g", "30", "-sc_threshold", "0", "-c:a", "aac")
    began = times(source)[0]
    expected = [number for number, time in enumerate(times(source)) if start <= time - began + 0.0005 < start + 1]

    _, path, _ = await clipped(tmp_path, source, segments=segments((start, start + 1)))

    assert numbers(path) == pytest.approx(expected, abs=1)
    assert len(numbers(path)) == 30


async def test_frames_of_variable_rate_keep_their_times(tmp_path: Path) -> None:
    irregular = ("-vf", "setpts='(N+0.3*mod(N,3))/30/TB'", "-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    source = numbered(tmp_path / "in.mp4", 4, *irregular)
    shown = times(source)
    kept = [index for index, time in enumerate(shown) if 1 <= time < 2]

    _, path, _ = await clipped(tmp_path, source, segments=segments((1, 2)))

    assert numbers(path) == kept
    assert times(path) == pytest.approx([shown[index] - shown[kept[0]] for index in kept], abs=0.00005)


async def test_sound_is_exact_to_the_sample_for_segments_in_any_order(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 6)

    it, path, _ = await clipped(tmp_path, source, segments=segments((4, 5), (1, 2.5)))

    whole = _samples(decoded(source))
    expected = [whole[48_000 * 4 : 48_000 * 5], whole[48_000 : 48_000 * 5 // 2]]
    pieces = [_samples(decoded(it.file(f"sound-{place:04}.wav"))) for place in (1, 2)]
    assert [len(piece) for piece in pieces] == [48_000, 72_000]
    assert all(_difference(piece, part) < 200 for piece, part in zip(pieces, expected, strict=True))
    assert _difference(pieces[0], whole[48_000 * 4 - 1 : 48_000 * 5 - 1]) > 2000  # one sample off would be seen
    assert len(decoded(path)) == pytest.approx(2 * 120_000, abs=2 * 2048)


def _samples(pcm: bytes) -> memoryview:
    return memoryview(pcm).cast("h")


def _difference(one: memoryview, other: memoryview) -> int:
    """Return the largest: decoders of AAC fill in noise of their own, so it is not nothing."""
    return max(abs(left - right) for left, right in zip(one, other, strict=True))


async def test_a_join_is_heard_where_it_is_seen(tmp_path: Path) -> None:
    """A beep stands in the frames that are white: after three joins it still does."""
    picture = ("-f", "lavfi", "-i", "color=s=160x90:r=30:d=8,geq=lum='if(lt(mod(N,60),3),235,16)':cb=128:cr=128")
    sound = ("-f", "lavfi", "-i", "aevalsrc='if(lt(mod(t,2),0.1),0.8*sin(6283*t),0)':s=48000:d=8", "-c:a", "aac")
    source = make(tmp_path / "in.mp4", *picture, *sound, "-c:v", "libx264", "-g", "45", "-qp", "10")

    _, path, _ = await clipped(tmp_path, source, segments=segments((5.5, 6.5), (1.5, 2.5), (3.5, 4.5), (1.5, 2.5)))

    white = [time for time, number in zip(times(path), numbers(path), strict=True) if number > 50]
    samples = memoryview(decoded(path)).cast("h")
    loud = [place / 48_000 for place in range(0, len(samples), 48) if max(map(abs, samples[place : place + 48])) > 8000]
    begins = [loud[0], *(after for before, after in pairwise(loud) if after - before > 0.5)]
    assert white[::3] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.001)
    assert begins == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.002)


async def test_several_videos_of_other_sizes_and_rates_become_one(tmp_path: Path) -> None:
    first = numbered(tmp_path / "one.mp4", 3)
    other = numbered(tmp_path / "two.mp4", 3, size="90x90", rate="25", sound=False)

    _, path, summary = await clipped(
        tmp_path, first, other, segments=segments((1, 2), (1, 2, "two.mp4"), (0, 1, "one.mp4"))
    )

    assert (summary["width"], summary["height"], summary["frames"]) == (160, 90, 90)
    assert times(path) == pytest.approx([number / 30 for number in range(90)], abs=0.0001)
    assert len(decoded(path)) == pytest.approx(3 * 2 * 48_000, abs=2 * 2048)
    assert max(memoryview(decoded(path, "-af", "atrim=1.2:1.8")).cast("h")) < 100  # the silent one's turn


async def test_by_key_frames_pictures_are_copied_and_the_real_boundaries_told(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 6, "-g", "30", "-sc_threshold", "0")

    it, path, summary = await clipped(tmp_path, source, segments=segments((4.2, 4.8), (1.5, 2.5)), accuracy="keyframe")

    assert summary["segments"] == [
        {"start": 4.0, "end": 5.0, "frames": 30},
        {"start": 1.0, "end": 3.0, "frames": 60},
    ]
    assert numbers(path) == [*(n % 100 for n in range(120, 150)), *range(30, 90)]
    assert _are_key(path) == [is_key for start, end in ((120, 150), (30, 90)) for is_key in _are_key(source)[start:end]]
    assert it.plan is not None


def _are_key(path: Path) -> list[bool]:
    """Return which packets are key frames, in the file's order."""
    arguments: list[str | Path] = [
        tool("ffprobe"),
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=pts_time,flags",
    ]
    text = subprocess.run([*arguments, "-of", "json", path], check=True, capture_output=True, timeout=100).stdout
    return [packet["flags"].startswith("K") for packet in json.loads(text)["packets"]]


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        (((2, 1),), "before it begins"),
        (((1, 9),), "the video lasts"),
        (((0, 1, "other"),), "none of the job's inputs"),
    ],
)
async def test_segments_outside_the_video_are_refused(tmp_path: Path, spans: tuple[Any, ...], says: str) -> None:
    it = await bench(tmp_path, numbered(tmp_path / "in.mp4", 3))

    with pytest.raises(InvalidParameter, match=says):
        Clip().plan(it.sources, ClipParams.model_validate({"segments": segments(*spans)}), it.means)


@pytest.mark.parametrize("params", [{"segments": []}, {"segments": [{"start": -1, "end": 1}]}, {"segments": [{}]}])
def test_segments_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClipParams.model_validate(params)


async def test_videos_that_are_not_alike_cannot_be_copied(tmp_path: Path) -> None:
    first, other = numbered(tmp_path / "one.mp4", 1), numbered(tmp_path / "two.mp4", 1, size="320x180")
    it = await bench(tmp_path, first, other)

    with pytest.raises(InvalidParameter, match="not alike"):
        await it.do_all(Clip(), segments=segments((0, 1), (0, 1, "two.mp4")), accuracy="keyframe")


_MOVING = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=15:d=2", "-g", "15", "-pix_fmt", "yuv420p")
_ENCODERS = {
    "h264": (
        ("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline"),
        ("-c:v", "libx264", "-preset", "slow", "-refs", "5"),
    ),
    "hevc": (
        ("-c:v", "libx265", "-preset", "superfast", "-x265-params", "log-level=error", "-tag:v", "hvc1"),
        ("-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=error:ctu=64", "-tag:v", "hvc1"),
    ),
    "vp9": (
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
        ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5"),
    ),
    "av1": (("-c:v", "libsvtav1", "-preset", "12"), ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime")),
}


@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
async def test_copied_pictures_of_different_encoders_are_decoded_as_they_were_made(tmp_path: Path, codec: str) -> None:
    first, other = (
        make(tmp_path / f"{n}.mp4", *_MOVING, "-an", *options) for n, options in enumerate(_ENCODERS[codec])
    )

    _, path, _ = await clipped(tmp_path, first, other, segments=segments((1, 2), (0, 1, "1.mp4")), accuracy="keyframe")

    order = "loop=loop=1:size=30,trim=start_frame=15:end_frame=45"
    likeness, complaints = compared(path, make(tmp_path / "whole.mp4", *_MOVING, "-vf", order, "-qp", "0"))
    assert complaints == ""
    assert len(likeness) == 30
    assert min(likeness) > 0.85


async def test_pictures_of_hevc_of_different_encoders_cannot_be_copied(tmp_path: Path) -> None:
    first, other = (make(tmp_path / f"{n}.mp4", *_MOVING, *options) for n, options in enumerate(_ENCODERS["hevc"]))
    it = await bench(tmp_path, first, other)
    asked = {"segments": segments((0, 1), (0, 1, "1.mp4")), "accuracy": "keyframe"}

    with pytest.raises(InvalidParameter, match="not alike, so their pictures cannot be copied; use exact"):
        Clip().plan(it.sources, ClipParams.model_validate(asked), it.means)


@pytest.mark.parametrize("spans", [((0, 1),), ((1, 2), (0, 1))], ids=["one segment", "two segments"])
async def test_copied_pictures_of_a_turned_video_are_shown_upright(
    tmp_path: Path, spans: tuple[tuple[float, float], ...]
) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(turned(make(tmp_path / "plain.mp4", *_MOVING).read_bytes(), clockwise=90))

    it, path, summary = await clipped(tmp_path, source, segments=segments(*spans), accuracy="keyframe")

    video = (await it.ffmpeg.probe(path, "video/mp4")).video
    assert video is not None
    assert video.rotation == 90
    assert (summary["width"], summary["height"], summary["frames"]) == (90, 160, 15 * len(spans))


async def test_a_truncated_video_is_never_a_shorter_clip(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", 3, "-movflags", "+faststart").read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    it = await bench(tmp_path, tmp_path / "in.mp4")

    with pytest.raises(InvalidMedia):
        await it.do_all(Clip(), segments=segments((0, 3)))

    assert it.kept == []
