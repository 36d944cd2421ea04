from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.units import MIB
from app.errors import BallastError, InvalidMedia, InvalidParameter, MemoryExceedsLimit
from app.ffmpeg.profiles import Profile
from app.jobs.kinds.transcode import Transcode, TranscodeParams
from app.jobs.workshop import Means
from tests.ffmpeg.clips import CLIPS, make, turned
from tests.ffmpeg.numbered import compared, numbered, numbers, times
from tests.jobs.bench import Bench, bench


async def transcoded(tmp_path: Path, source: Path, **params: Any) -> tuple[Bench, Path, dict[str, Any]]:
    it = await bench(tmp_path, source)
    summary = await it.do_all(Transcode(), **params)
    assert [kept.content_type for kept in it.kept] == [f"video/{params.get('container', 'mp4')}"]
    it.governor.budget.check_empty()
    assert it.governor.present == set()
    return it, it.kept[0].path, dict(summary)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"videoCodec": "hevc"},
        {"videoCodec": "av1"},
        {"container": "webm"},
        {"container": "webm", "videoCodec": "av1"},
        {"videoCodec": "copy"},
        {"audioCodec": "opus"},
        {"audioCodec": "copy"},
        {"audioCodec": "none"},
    ],
)
async def test_every_frame_comes_out_once_in_every_codec(tmp_path: Path, params: dict[str, Any]) -> None:
    source = numbered(tmp_path / "in.mp4", 2)

    _, path, summary = await transcoded(tmp_path, source, quality=95, **params)

    assert numbers(path) == list(range(60))
    assert summary["frames"] == 60
    assert summary["audioCodec"] == (None if params.get("audioCodec") == "none" else summary["audioCodec"])
    assert (summary["audioCodec"] is None) == (params.get("audioCodec") == "none")


@pytest.mark.parametrize("rate", ["30", "30000/1001", "25"])
async def test_chunks_join_without_a_seam(tmp_path: Path, rate: str) -> None:
    source = numbered(tmp_path / "in.mp4", 9, "-g", "33", rate=rate)

    _, path, summary = await transcoded(tmp_path, source, chunked=True)

    assert summary["chunks"] == 4
    assert numbers(path) == [number % 100 for number in range(len(numbers(source)))]
    assert times(path) == pytest.approx(times(source), abs=0.00002)
    assert len(times(path, "a:0")) == pytest.approx(len(times(source, "a:0")), abs=2)


async def test_chunks_of_different_profiles_join_to_one_picture(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 4, "-g", "30")
    it = await bench(tmp_path, source)
    kind, asked = Transcode(), TranscodeParams.model_validate({"chunked": True})
    plan = kind.plan(it.sources, asked, it.means)

    for step, level in zip(plan.steps, (0, 1, 2, 0, 0), strict=True):
        it.governor.level = type(it.governor.level)(level)
        it.results = {**it.results, step.name: await kind.do(step, asked, it)}

    assert it.results["join"]["profiles"] == ["BALANCED", "LOW"]
    assert numbers(it.kept[0].path) == [number % 100 for number in range(120)]


@pytest.mark.parametrize("levels", [(1, 1, 1), (0, 1, 2), (1, 1, 2)], ids=["same", "falling", "late"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
async def test_every_chunk_is_decoded_as_it_was_encoded_whatever_their_profiles(
    tmp_path: Path, codec: str, levels: tuple[int, ...]
) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=15:d=6", "-g", "15", "-qp", "4", "-pix_fmt", "yuv420p")
    source = make(tmp_path / "in.mp4", *picture)
    it = await bench(tmp_path, source)
    kind, asked = Transcode(), TranscodeParams.model_validate({"chunked": True, "videoCodec": codec})
    pressed = dict(zip(("part-0001", "part-0002", "part-0003"), levels, strict=True))

    for step in kind.plan(it.sources, asked, it.means).steps:
        it.governor.level = type(it.governor.level)(pressed.get(step.name, 0))
        it.results = {**it.results, step.name: await kind.do(step, asked, it)}

    likeness, complaints = compared(it.kept[0].path, source)
    assert complaints == ""
    assert len(likeness) == 90
    assert min(likeness) > 0.96
    assert it.results["join"]["chunks"] == 3
    made = {Profile.HIGH - level for level in levels}
    expected = [min(made)] if codec == "hevc" else made
    assert it.results["join"]["profiles"] == sorted(Profile(one).name for one in expected)


async def test_frames_of_variable_rate_keep_their_times(tmp_path: Path) -> None:
    irregular = ("-vf", "setpts='(N+0.3*mod(N,3))/30/TB'", "-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    source = numbered(tmp_path / "in.mkv", 5, *irregular, "-g", "20")

    _, path, _ = await transcoded(tmp_path, source, chunked=True)

    assert numbers(path) == numbers(source)
    assert times(path) == pytest.approx(times(source), abs=0.0011)


async def test_another_frame_rate_is_regular_across_chunks(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 5, "-g", "25")

    _, path, summary = await transcoded(tmp_path, source, chunked=True, frameRate=12)

    assert summary["chunks"] == 2
    assert numbers(path) == [int(number * 30 / 12) % 100 for number in range(60)]
    assert times(path) == pytest.approx([number / 12 for number in range(60)], abs=0.0001)


async def test_a_turned_video_comes_out_upright_and_smaller_where_that_is_asked_for(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.mp4", *CLIPS["mp4"])
    source = tmp_path / "in.mp4"
    source.write_bytes(turned(plain.read_bytes(), clockwise=90))

    _, _, summary = await transcoded(tmp_path, source, maxHeight=160)

    assert (summary["width"], summary["height"]) == (90, 160)


async def test_no_picture_is_enlarged_and_pixels_become_square(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 1, "-vf", "setsar=2", size="160x90")

    _, _, summary = await transcoded(tmp_path, source, maxHeight=1080)

    assert (summary["width"], summary["height"]) == (320, 90)


@pytest.mark.parametrize(("codec", "pixels"), [("h264", "yuv420p"), ("hevc", "yuv420p10le")])
async def test_ten_bits_stay_where_players_know_them(tmp_path: Path, codec: str, pixels: str) -> None:
    source = numbered(tmp_path / "in.mp4", 1, "-pix_fmt", "yuv422p10le")

    it, path, _ = await transcoded(tmp_path, source, videoCodec=codec)

    video = (await it.ffmpeg.probe(path, "video/mp4")).video
    assert video is not None
    assert video.pixel_format == pixels


async def test_an_interlaced_video_keeps_its_frames(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 1, "-x264-params", "tff=1:interlaced=1", size="160x96")

    _, path, _ = await transcoded(tmp_path, source)

    assert numbers(path) == list(range(30))


async def test_odd_sizes_become_even_and_silent_videos_stay_silent(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 1, "-pix_fmt", "yuv444p", size="161x91", sound=False)

    _, _, summary = await transcoded(tmp_path, source)

    assert (summary["width"], summary["height"], summary["audioCodec"]) == (160, 90, None)


@pytest.mark.parametrize("extension", ["mov", "mkv", "webm", "avi", "ts", "mpg", "flv"])
async def test_every_container_comes_in(tmp_path: Path, extension: str) -> None:
    source = make(tmp_path / f"in.{extension}", *CLIPS[extension])

    _, _, summary = await transcoded(tmp_path, source)

    assert summary["frames"] == pytest.approx(25, abs=1)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"container": "webm", "videoCodec": "h264"}, "webm takes vp8, vp9, av1"),
        ({"container": "webm", "audioCodec": "aac"}, "webm takes opus, vorbis"),
        ({"container": "webm", "audioCodec": "copy"}, "not aac"),
        ({"container": "webm", "videoCodec": "copy"}, "not h264"),
        ({"videoCodec": "copy", "maxHeight": 90}, "maxHeight"),
    ],
)
async def test_what_cannot_go_together_is_refused(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    it = await bench(tmp_path, numbered(tmp_path / "in.mp4", 1))

    with pytest.raises(InvalidParameter, match=says):
        await it.do_all(Transcode(), **params)


async def test_a_missing_encoder_is_refused_with_what_there_is(tmp_path: Path) -> None:
    it = await bench(tmp_path, numbered(tmp_path / "in.mp4", 1))
    means = Means(type(it.abilities)("x", frozenset({"libx264", "aac"}), frozenset(), frozenset()), 1 << 30, 1)

    with pytest.raises(InvalidParameter, match="only h264") as refused:
        Transcode().plan(it.sources, TranscodeParams.model_validate({"videoCodec": "av1"}), means)

    assert refused.value.extra == {"available": ["h264"]}


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(ValidationError):
        TranscodeParams.model_validate({"videoCodec": "libx264 -f null"})
    with pytest.raises(ValidationError):
        TranscodeParams.model_validate({"filter": "null"})


async def test_what_can_never_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    it = await bench(tmp_path, numbered(tmp_path / "in.mp4", 1, size="1920x1080"), total_bytes=64 * MIB)

    with pytest.raises(MemoryExceedsLimit) as refused:
        await it.do_all(Transcode())

    needed, limit = refused.value.extra["neededBytes"], refused.value.extra["limitBytes"]
    assert isinstance(needed, int)
    assert isinstance(limit, int)
    assert needed > limit


async def test_with_little_memory_it_is_made_with_less(tmp_path: Path) -> None:
    source = numbered(tmp_path / "in.mp4", 1, size="1280x720")
    it = await bench(tmp_path, source, total_bytes=150 * MIB)

    summary = await it.do_all(Transcode(), audioCodec="none")

    assert it.plan is not None
    assert it.plan.predicted_bytes <= 150 * MIB
    assert summary["profiles"] == ["LOW"]
    assert summary["height"] == 720


@pytest.mark.parametrize("keeps", [0.35, 0.6, 0.9])
async def test_a_truncated_video_is_never_a_shorter_one(tmp_path: Path, keeps: float) -> None:
    whole = numbered(tmp_path / "whole.mp4", 3, "-movflags", "+faststart").read_bytes()
    source = tmp_path / "in.mp4"
    source.write_bytes(whole[: int(len(whole) * keeps)])
    it = await bench(tmp_path, source)

    with pytest.raises(InvalidMedia):
        await it.do_all(Transcode())

    assert it.kept == []
    it.governor.budget.check_empty()


async def test_a_video_without_frames_is_a_problem(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    make(source, "-f", "lavfi", "-i", "testsrc2=s=160x90:d=1", "-frames:v", "1", "-movflags", "+faststart")
    at = (data := source.read_bytes()).index(b"mdat")
    source.write_bytes(data[: at + 4])
    it = await bench(tmp_path, source)

    with pytest.raises(BallastError):
        await it.do_all(Transcode())

    assert it.kept == []


async def test_a_cancelled_job_leaves_no_process_and_no_part(tmp_path: Path) -> None:
    it = await bench(tmp_path, numbered(tmp_path / "in.mp4", 60, "-preset", "ultrafast", "-qp", "30"))
    work = asyncio.create_task(it.do_all(Transcode(), videoCodec="hevc", chunked=False))
    while not it.shares:
        await asyncio.sleep(0.05)
        assert not work.done()

    work.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait([work])

    assert work.cancelled()
    assert it.governor.present == set()
    assert [path.name for path in it.folder.iterdir()] == []
    it.governor.budget.check_empty()


@pytest.mark.parametrize(
    ("size", "params"), [("320x180", {"maxHeight": 63}), ("320x48", {}), ("48x320", {})], ids=["asked", "low", "narrow"]
)
async def test_what_is_too_small_for_av1_is_refused_before_anything_is_done(
    tmp_path: Path, size: str, params: dict[str, Any]
) -> None:
    at = await bench(
        tmp_path, make(tmp_path / "a.mp4", "-f", "lavfi", "-i", f"testsrc2=s={size}:d=0.2", "-pix_fmt", "yuv420p")
    )
    if "libsvtav1" not in at.abilities.encoders:
        pytest.skip("only SVT-AV1 has that limit")

    with pytest.raises(InvalidParameter, match="av1 take 64 pixels or more"):
        await at.do_all(Transcode(), videoCodec="av1", **params)

    assert at.results == {}
