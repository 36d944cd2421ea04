"""`thumbnails`: the picture that is shown then, however it is come by; sheets, and tracks that name the right tile."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.errors import InvalidMedia, InvalidParameter, UnsupportedMedia
from app.jobs.kinds.thumbnails import Thumbnails
from tests.ffmpeg.clips import make, turned
from tests.jobs.bench import Bench, Kept, bench

_COUNTING = "color=c=gray:s=160x90:r=25:d={seconds},format=gray,geq=lum='16+2*N'"
"""Each frame is 2 brighter than the one before."""


async def counting(folder: Path, *, seconds: float = 4.0, gop: int = 250) -> Bench:
    return await bench(
        folder,
        make(
            folder / "a.mp4",
            *("-f", "lavfi", "-i", _COUNTING.format(seconds=seconds), "-pix_fmt", "yuv420p"),
            *("-c:v", "libx264", "-qp", "0", "-g", str(gop), "-bf", "2"),
        ),
    )


def frame_of(picture: Path | Image.Image, box: tuple[int, int, int, int] | None = None) -> int:
    """Return the number of the frame that a picture of `counting` shows."""
    image = picture if isinstance(picture, Image.Image) else Image.open(picture)
    with image:
        grey = image.convert("L").crop(box) if box else image.convert("L")
        centre = grey.getpixel((grey.width // 2, grey.height // 2))
    return round((int(str(centre)) - 16) / 2)


def slow_frame(picture: Path | Image.Image, box: tuple[int, int, int, int] | None = None) -> int:
    """Return the number of the frame that a picture of `slow` shows, modulo 40."""
    return round(frame_of(picture, box) * 2 / 5)


async def shown(at: Bench, moments: Iterable[float]) -> list[int]:
    """Return the numbers of the frames that a video shows: of each time, the last frame that has begun."""
    source = at.sources[0]
    frames = await at.ffmpeg.timestamps(at.folder.parent / source.item.id, source.item.content_type)
    return [max(0, bisect_right(frames, moment + 0.0005) - 1) % 40 for moment in moments]


def pictures(at: Bench) -> list[Kept]:
    return [one for one in at.kept if re.search(r"-\d\d-\d\d-\d\d\.\d{3}\.", one.name)]


@pytest.mark.parametrize("wanted", ["jpeg", "png", "webp"])
async def test_pictures_at_given_times_show_the_frames_of_then_and_are_named_so(tmp_path: Path, wanted: str) -> None:
    at = await counting(tmp_path)

    summary = await at.do_all(Thumbnails(), at=[3.0, 0, 1.2], format=wanted, width=80)

    assert [frame_of(one.path) for one in pictures(at)] == pytest.approx([75, 0, 30], abs=1)
    assert [one.name.rpartition(".")[0] for one in at.kept] == ["a-00-00-03.000", "a-00-00-00.000", "a-00-00-01.200"]
    assert {one.content_type for one in at.kept} == {f"image/{wanted}"}
    assert (summary["width"], summary["height"]) == (80, 45)
    assert [one["atSeconds"] for one in summary["pictures"]] == [3.0, 0.0, 1.2]


async def slow(folder: Path, *, rate: str, seconds: float, extension: str = "mp4") -> Bench:
    """A video of few frames a second, with sound; each is 5 brighter than the one before, as `slow_frame` reads it."""
    lossless = ("-c:v", "libx264", "-qp", "0", "-bf", "2") if extension != "avi" else ("-c:v", "ffv1")
    source = f"color=c=gray:s=160x90:r={rate}:d={seconds},format=gray,geq=lum='16+5*mod(N,40)'"
    sound = ("-f", "lavfi", "-i", f"sine=d={seconds}")
    return await bench(
        folder, make(folder / f"a.{extension}", "-f", "lavfi", "-i", source, *sound, "-pix_fmt", "yuv420p", *lossless)
    )


@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("params", [{"count": 3}, {"interval": 0.55}])
async def test_in_one_pass_each_picture_shows_the_very_frame_of_its_time(
    tmp_path: Path, extension: str, params: dict[str, Any]
) -> None:
    at = await slow(tmp_path, rate="10", seconds=4, extension=extension)

    summary = await at.do_all(Thumbnails(), **params)

    assert at.plan is not None
    assert [step.name for step in at.plan.steps] == ["pictures"]
    times = [one["atSeconds"] for one in summary["pictures"]]
    assert [slow_frame(one.path) for one in pictures(at)] == await shown(at, times)


async def test_three_pictures_of_four_seconds_are_three(tmp_path: Path) -> None:
    at = await slow(tmp_path, rate="10", seconds=4)

    await at.do_all(Thumbnails(), count=3)

    assert [slow_frame(one.path) for one in pictures(at)] == [6, 19, 33]


async def test_an_interval_finer_than_a_millisecond_does_not_drift(tmp_path: Path) -> None:
    at = await slow(tmp_path, rate="10", seconds=4)

    summary = await at.do_all(Thumbnails(), interval=0.0125, width=16)

    times = [one["atSeconds"] for one in summary["pictures"]]
    assert len(times) == 320
    assert [slow_frame(one.path) for one in pictures(at)] == await shown(at, times)


async def test_tiles_on_several_sheets_show_the_frames_of_their_cues(tmp_path: Path) -> None:
    at = await slow(tmp_path, rate="25", seconds=4)

    summary = await at.do_all(Thumbnails(), interval=0.016, sprite=True, width=16)

    sheets = [one for one in at.kept if "-sprite-" in one.name]
    assert len(sheets) == len(summary["sprite"]["sheets"]) == 3
    track = next(one for one in at.kept if one.content_type == "text/vtt").path.read_text()
    cues = re.findall(r"(\d\d\.\d{3}) --> \S+\n\.\./([^/]+)/content#xywh=(\d+),(\d+),(\d+),(\d+)\n", track)
    opened = {}
    for name, one in zip(summary["sprite"]["sheets"], sheets, strict=True):
        with Image.open(one.path) as image:
            opened[name] = image.copy()
    for start, sheet, *box in cues:
        x, y, width, height = map(int, box)
        found = slow_frame(opened[sheet].copy(), (x, y, x + width, y + height))
        assert [found] == await shown(at, [float(start)])


@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi", "ts", "flv"])
async def test_a_time_shows_the_frame_that_has_begun_by_then_and_not_the_nearest(
    tmp_path: Path, extension: str
) -> None:
    at = await slow(tmp_path, rate="1", seconds=4, extension=extension)
    times = [0.0, 0.02, 0.9, 1.5, 1.9, 2.5, 3.7, 3.999]

    await at.do_all(Thumbnails(), at=times)

    assert [slow_frame(one.path) for one in pictures(at)] == await shown(at, times)


@pytest.mark.parametrize("count", [2, 8], ids=["by seeking", "in one pass"])
async def test_evenly_spread_pictures_are_the_middles_of_equal_parts(tmp_path: Path, count: int) -> None:
    at = await counting(tmp_path, seconds=4.0 if count == 8 else 4.8, gop=12)

    await at.do_all(Thumbnails(), count=count)

    length = 100 if count == 8 else 120
    assert [frame_of(one.path) for one in pictures(at)] == pytest.approx(
        [(number + 0.5) * length / count for number in range(count)], abs=2
    )


async def test_one_pass_and_seeking_show_the_same_frames(tmp_path: Path) -> None:
    at = await counting(tmp_path)
    await at.do_all(Thumbnails(), interval=0.4)
    in_one_pass = [frame_of(one.path) for one in pictures(at)]
    assert at.plan is not None
    assert [step.name for step in at.plan.steps] == ["pictures"]

    times = [round(0.4 * number, 3) for number in range(10)]
    at.kept.clear()
    await at.do_all(Thumbnails(), at=times)

    assert [frame_of(one.path) for one in pictures(at)] == pytest.approx(in_one_pass, abs=1)
    assert in_one_pass == pytest.approx([10 * number for number in range(10)], abs=1)


async def test_the_last_frame_is_shown_until_the_end(tmp_path: Path) -> None:
    at = await counting(tmp_path)

    await at.do_all(Thumbnails(), at=[4.0, 3.99])

    assert [frame_of(one.path) for one in pictures(at)] == pytest.approx([99, 99], abs=1)


async def test_a_time_in_the_tail_of_the_sound_shows_the_last_frame(tmp_path: Path) -> None:
    video = make(
        tmp_path / "a.mkv",
        *("-f", "lavfi", "-i", _COUNTING.format(seconds=1), "-f", "lavfi", "-i", "sine=d=3", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-qp", "0"),
    )
    at = await bench(tmp_path, video)

    await at.do_all(Thumbnails(), at=[2.5])

    assert [frame_of(one.path) for one in pictures(at)] == pytest.approx([24], abs=1)


@pytest.mark.parametrize("params", [{"count": 1}, {"interval": 0.3}, {"count": 9}])
async def test_a_video_whose_first_frame_comes_late_has_all_its_tiles(tmp_path: Path, params: dict[str, Any]) -> None:
    video = make(
        tmp_path / "a.mp4",
        *("-f", "lavfi", "-i", "testsrc2=d=1:s=160x90:r=25", "-f", "lavfi", "-i", "sine=d=1", "-pix_fmt", "yuv420p"),
        *("-movflags", "frag_keyframe+empty_moov"),  # the first frame is shown at 0.08 s
    )
    at = await bench(tmp_path, video)

    summary = await at.do_all(Thumbnails(), sprite=True, **params)

    assert len(pictures(at)) == summary["count"]
    assert len([one for one in at.kept if "-sprite-" in one.name]) == len(summary["sprite"]["sheets"])


async def test_a_turned_video_gives_upright_pictures(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=1", "-pix_fmt", "yuv420p")
    video = tmp_path / "a.mp4"
    video.write_bytes(turned(plain.read_bytes(), clockwise=90))
    at = await bench(tmp_path, video)

    await at.do_all(Thumbnails(), count=1, width=90)

    with Image.open(at.kept[0].path) as image:
        assert image.size == (90, 160)


@pytest.mark.parametrize("size", ["2x2", "33x17", "640x4"])
async def test_small_and_odd_videos_are_not_enlarged(tmp_path: Path, size: str) -> None:
    video = make(tmp_path / "a.mkv", "-f", "lavfi", "-i", f"testsrc=s={size}:d=1", "-c:v", "ffv1")
    at = await bench(tmp_path, video)

    await at.do_all(Thumbnails(), count=3, sheet=True, sprite=True, width=1000)

    with Image.open(pictures(at)[0].path) as image:
        assert f"{image.width}x{image.height}" == size


async def test_the_contact_sheet_shows_every_picture_in_its_place(tmp_path: Path) -> None:
    at = await counting(tmp_path)

    summary = await at.do_all(Thumbnails(), interval=1.0, sheet=True, width=80)

    sheet, told = next(one for one in at.kept if one.name == "a-sheet.jpg"), summary["sheet"]
    with Image.open(sheet.path) as image:
        tiles = [
            frame_of(image.copy(), (x * told["tileWidth"], y * told["tileHeight"], (x + 1) * 80, (y + 1) * 44))
            for y in range(told["rows"])
            for x in range(told["columns"])
        ]
    assert tiles == pytest.approx([0, 25, 50, 75], abs=1)


@pytest.mark.parametrize("gop", [5, 250], ids=["by key frames", "by all frames"])
async def test_each_cue_of_the_track_names_the_tile_that_is_shown_then(tmp_path: Path, gop: int) -> None:
    at = await counting(tmp_path, gop=gop)

    summary = await at.do_all(Thumbnails(), interval=0.4, sprite=True)

    track = next(one for one in at.kept if one.content_type == "text/vtt").path.read_text()
    cues = re.findall(r"(\S+) --> (\S+)\n\.\./([^/]+)/content#xywh=(\d+),(\d+),(\d+),(\d+)\n", track)
    assert track.startswith("WEBVTT\n\n")
    assert len(cues) == 10 == summary["sprite"]["tiles"]
    assert (cues[0][0], cues[-1][1]) == ("00:00:00.000", "00:00:04.000")
    assert {cue[2] for cue in cues} == set(summary["sprite"]["sheets"])
    with Image.open(next(one for one in at.kept if "sprite-1" in one.name).path) as image:
        image.load()
        boxes = [tuple(map(int, cue[3:])) for cue in cues]
        found = [frame_of(image.copy(), (x, y, x + width, y + height)) for x, y, width, height in boxes]
    assert found == pytest.approx([10 * number for number in range(10)], abs=1)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"at": [4.5]}, "outside of the video"),
        ({"at": [-1.0]}, "outside of the video"),
        ({"count": 2, "interval": 1.0}, "give one of"),
        ({"interval": 0.01, "at": [1.0]}, "give one of"),
    ],
)
async def test_what_cannot_work_is_refused_before_anything_is_done(
    tmp_path: Path, params: dict[str, Any], words: str
) -> None:
    at = await counting(tmp_path)

    with pytest.raises(InvalidParameter, match=words):
        await at.do_all(Thumbnails(), **params)

    assert at.results == {}


async def test_more_pictures_than_a_job_makes_are_refused_with_the_shortest_interval(tmp_path: Path) -> None:
    at = await bench(
        tmp_path, make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "color=s=32x32:r=2:d=20", "-pix_fmt", "yuv420p")
    )

    with pytest.raises(InvalidParameter, match=r"shortest interval for this video is 0\.02 seconds"):
        await at.do_all(Thumbnails(), interval=0.011)


async def test_sound_alone_has_no_pictures(tmp_path: Path) -> None:
    at = await bench(tmp_path, make(tmp_path / "a.m4a", "-f", "lavfi", "-i", "sine=d=1"))

    with pytest.raises(UnsupportedMedia, match="a video is needed"):
        await at.do_all(Thumbnails())


async def test_a_broken_video_is_a_named_problem(tmp_path: Path) -> None:
    at = await counting(tmp_path)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    start = data.index(b"mdat") + 8
    data[start : start + 2000] = bytes(2000)
    (tmp_path / "a.mp4").write_bytes(data)

    with pytest.raises(InvalidMedia):
        await at.do_all(Thumbnails(), at=[0.0])
