"""A file that is cut off is never a shorter result called success; one that only looks so is no cut-off file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import BallastError, InvalidMedia, InvalidParameter
from app.jobs.frames.frame_list import list_frames
from app.jobs.kind import JobKind
from app.jobs.kinds.analyze import Analyze
from app.jobs.kinds.anonymize import Anonymize
from app.jobs.kinds.clip import Clip
from app.jobs.kinds.hls import Hls
from app.jobs.kinds.timelapse import Timelapse
from app.jobs.kinds.transcode import Transcode
from tests.ffmpeg.clips import make
from tests.ffmpeg.numbered import numbered, numbers
from tests.jobs.bench import bench
from tests.jobs.frames.grey_looks import grey_bench

_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
_KINDS: list[tuple[Callable[[], JobKind[Any]], dict[str, Any]]] = [
    (Transcode, {}),
    (Transcode, {"videoCodec": "copy"}),
    (Clip, {"segments": [{"start": 1, "end": 7}]}),
    (Hls, {}),
    (Timelapse, {"speed": 4}),
    (Anonymize, {}),
    (Analyze, {"scenes": True}),
]


def film(path: Path, picture: float, sound: float | None = None) -> Path:
    """Make a video of noise, so that its bytes are spread over its length."""
    inputs = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=25:d={picture},noise=alls=20:allf=t")
    heard = () if sound is None else ("-f", "lavfi", "-i", f"sine=d={sound}", "-c:a", "aac")
    own = ("-c:v", "mpeg4") if path.suffix == ".avi" else _H264
    return make(path, *inputs, *heard, *own)


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


@pytest.mark.parametrize(("make_kind", "wanted"), _KINDS)
@pytest.mark.parametrize(("name", "sound"), [("a.flv", None), ("a.flv", 8.0), ("a.avi", None)])
async def test_no_kind_takes_a_truncated_file_for_a_shorter_one(
    tmp_path: Path, make_kind: Callable[[], JobKind[Any]], wanted: dict[str, Any], name: str, sound: float | None
) -> None:
    opened = await grey_bench(tmp_path, cut(film(tmp_path / name, 8, sound)))

    with pytest.raises(BallastError) as refused:
        await opened.do_all(make_kind(), **wanted)

    assert isinstance(refused.value, InvalidMedia | InvalidParameter)
    assert opened.kept == []


@pytest.mark.parametrize("name", ["a.mp4", "a.flv", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize(("picture", "sound"), [(3, 6), (6, 3)])
async def test_a_stream_that_ends_before_the_other_is_not_cut_off(
    tmp_path: Path, name: str, picture: float, sound: float
) -> None:
    opened = await bench(tmp_path, film(tmp_path / name, picture, sound))

    summary = await opened.do_all(Transcode())
    opened.results, opened.kept = {}, []
    await opened.do_all(Analyze(), scenes=True, black=True)
    opened.results, opened.kept = {}, []
    told = await opened.do_all(Analyze(), silence=True, blur=True)

    assert summary["frames"] == picture * 25
    assert told["blur"]["samples"] == pytest.approx(2 * picture, abs=1)


async def test_frames_that_an_avi_shows_again_or_that_last_long_are_not_missing(tmp_path: Path) -> None:
    for name in ("a.avi", "a.mp4", "a.mkv"):
        own = ("-c:v", "mpeg4") if name == "a.avi" else _H264
        picture = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", "-vf", "select='not(between(n,20,140))'")
        opened = await bench(tmp_path, make(tmp_path / name, *picture, "-fps_mode", "vfr", *own))

        listed = await list_frames(opened, opened.sources[0], tmp_path / name)

        assert len(listed.times) == 29


@pytest.mark.parametrize(("after", "frames"), [(6, 150), (5, 175)])
async def test_a_video_that_was_trimmed_without_encoding_has_all_frames_that_are_shown(
    tmp_path: Path, after: int, frames: int
) -> None:
    whole = numbered(tmp_path / "whole.mp4", 12, "-g", "100", "-sc_threshold", "0", rate="25")
    trimmed = make(tmp_path / "a.mp4", "-ss", str(after), "-i", str(whole), "-c", "copy")
    opened = await grey_bench(tmp_path, trimmed)

    asked: list[tuple[JobKind[Any], dict[str, Any]]] = [
        (Transcode(), {}),
        (Transcode(), {"videoCodec": "copy"}),
        (Timelapse(), {"speed": 1}),
    ]
    for kind, wanted in asked:
        await opened.do_all(kind, **wanted)
        assert numbers(opened.kept[0].path) == [number % 100 for number in range(25 * after, 25 * after + frames)]
        opened.results, opened.kept = {}, []
    told = await opened.do_all(Analyze(), task="face-detection", everyNthFrame=1)

    assert told["frames"] == frames


async def test_of_a_trimmed_video_pictures_are_encoded_not_copied_from_another_place(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", 12, "-g", "100", "-sc_threshold", "0", rate="25")
    opened = await bench(tmp_path, make(tmp_path / "a.mp4", "-ss", "6", "-i", str(whole), "-c", "copy"))

    with pytest.raises(InvalidParameter, match="exact"):
        await opened.do_all(Clip(), segments=[{"start": 3, "end": 5}], accuracy="keyframe")
    opened.results = {}
    await opened.do_all(Clip(), segments=[{"start": 1, "end": 4}])

    assert numbers(opened.kept[0].path) == [number % 100 for number in range(175, 250)]
