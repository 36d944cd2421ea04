"""`timelapse`: pictures of any size and state in their order, or a video at another speed, frame for frame."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from app.bootstrap import House
from app.errors import InvalidMedia, InvalidParameter
from app.jobs.kinds import timelapse as timelapse_kind
from app.jobs.kinds.timelapse import Timelapse, TimelapseParams
from app.jobs.outputs.picture_sequence import order_of
from app.jobs.source import Source, absent
from tests.ffmpeg.clips import make, tool
from tests.jobs.bench import Bench, bench
from tests.jobs.looks import looking_bench

_RAMP = "color=c=gray:s=64x48:r=25:d={seconds},format=gray,geq=lum='16+4*N'"


def luma(video: Path) -> list[float]:
    """Return the mean brightness of each frame, 16 to 235."""
    found = subprocess.run(
        [
            *(tool(), "-v", "error", "-i", video, "-vf"),
            *("signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return [float(line.partition("=")[2]) for line in found.stdout.splitlines() if "YAVG" in line]


def grey(path: Path, level: int, size: tuple[int, int] = (64, 48), **options: Any) -> Path:
    Image.new("RGB", size, (level, level, level)).save(path, **options)
    return path


async def stored(opened: Bench, house: House, paths: list[Path | None]) -> None:
    """Put pictures into the house's store; None: one that was deleted."""

    async def chunks(data: bytes) -> Any:
        yield data

    opened.sources = [
        absent("i" + "0" * 21)
        if path is None
        else Source(await house.media.uploads.receive(chunks(data_of(path)), path.name, None))
        for path in paths
    ]


def data_of(path: Path) -> bytes:
    return path.read_bytes()


def levels(video: Path) -> list[int]:
    """Return the brightness of each frame as it was in the picture, 0 to 255, to the next ten."""
    return [round((value - 16) * 255 / 219 / 10) * 10 for value in luma(video)]


async def test_pictures_come_in_the_order_of_the_list_one_a_frame_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelapse_kind, "_PICTURES_A_PART", 4)
    monkeypatch.setattr(timelapse_kind, "_PICTURES_A_STEP", 3)
    paths: list[Path | None] = [grey(tmp_path / f"{n}.png", 20 * n) for n in range(10)]

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        summary = await opened.do_all(Timelapse(), frameRate=10)

    assert levels(opened.kept[-1].path) == [20 * n for n in range(10)]
    assert (summary["frames"], summary["width"], summary["height"]) == (10, 64, 48)
    assert summary["durationSeconds"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("missing", "expected"), [("skip", [100, 200]), ("hold", [100, 100, 100, 200, 200])], ids=["skip", "hold"]
)
async def test_what_is_missing_or_broken_is_left_out_or_the_one_before_is_held(
    tmp_path: Path, missing: str, expected: list[int]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(grey(tmp_path / "whole.png", 50).read_bytes()[:60])
    paths = [None, grey(tmp_path / "1.png", 100), broken, grey(tmp_path / "3.png", 200), None]

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        summary = await opened.do_all(Timelapse(), missing=missing)

    assert levels(opened.kept[-1].path) == expected
    assert (summary["pictures"], summary["missing"]) == (len(expected), [0, 2, 4])


async def test_pictures_of_other_sizes_and_turned_ones_are_fitted_in(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    half = Image.new("RGB", (48, 64), (0, 0, 0))
    half.paste((255, 255, 255), (0, 0, 24, 64))  # the left half: the upper one, once it is upright
    half.save(tmp_path / "turned.jpg", exif=turned, quality=95)
    paths: list[Path | None] = [
        grey(tmp_path / "first.png", 120),
        tmp_path / "turned.jpg",
        grey(tmp_path / "odd.png", 240, (31, 97)),
    ]

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        await opened.do_all(Timelapse(), quality=100)
    frames = make(tmp_path / "frame-%d.png", "-i", str(opened.kept[-1].path)).parent

    with Image.open(frames / "frame-2.png") as upright:
        top, bottom = upright.convert("L").getpixel((32, 8)), upright.convert("L").getpixel((32, 40))
    with Image.open(frames / "frame-3.png") as boxed:
        middle, side = boxed.convert("L").getpixel((32, 24)), boxed.convert("L").getpixel((4, 24))
    assert boxed.size == upright.size == (64, 48)
    assert (int(str(top)) > 200, int(str(bottom)) < 50) == (True, True)
    assert (int(str(middle)) > 200, int(str(side)) < 50) == (True, True)


@pytest.mark.parametrize("interpolate", ["blend", "motion"])
async def test_between_two_pictures_there_are_as_many_frames_as_wanted_across_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpolate: str
) -> None:
    monkeypatch.setattr(timelapse_kind, "_PICTURES_A_PART", 4)
    paths: list[Path | None] = [grey(tmp_path / f"{n}.png", 30 * n) for n in range(7)]

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        summary = await opened.do_all(Timelapse(), interpolate=interpolate, framesPerPicture=3, frameRate=30)

    assert summary["frames"] == 6 * 3 + 1
    assert levels(opened.kept[-1].path) == [10 * n for n in range(19)]


async def test_a_step_that_is_done_again_makes_no_picture_twice(tmp_path: Path) -> None:
    paths: list[Path | None] = [grey(tmp_path / f"{n}.png", 40 * n) for n in range(3)]

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, paths)
        await opened.do_all(Timelapse())
        first = {path.name: path.stat().st_mtime_ns for path in opened.file("pictures").iterdir()}
        await opened.do_all(Timelapse())

    assert {path.name: path.stat().st_mtime_ns for path in opened.file("pictures").iterdir()} == first
    assert len(levels(opened.kept[-1].path)) == 3


async def test_a_video_is_shown_faster_with_the_frames_that_are_due(tmp_path: Path) -> None:
    clip = make(
        tmp_path / "a.mp4",
        *("-f", "lavfi", "-i", _RAMP.format(seconds=2), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0"),
    )
    opened = await bench(tmp_path, clip)

    summary = await opened.do_all(Timelapse(), speed=5, frameRate=25, quality=100)

    assert summary["frames"] == 10
    wanted = [luma(clip)[5 * n] for n in range(10)]
    assert luma(opened.kept[-1].path) == pytest.approx(wanted, abs=2)


async def test_slow_motion_fades_from_frame_to_frame(tmp_path: Path) -> None:
    clip = make(
        tmp_path / "a.mp4",
        *("-f", "lavfi", "-i", _RAMP.format(seconds=1), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0"),
    )
    opened = await bench(tmp_path, clip)

    summary = await opened.do_all(Timelapse(), speed=0.5, interpolate="blend", quality=100)

    found = luma(opened.kept[-1].path)
    assert summary["frames"] == 50
    assert found[21] == pytest.approx((found[20] + found[22]) / 2, abs=1)
    assert found[20] < found[21] < found[22]


async def test_frames_per_picture_does_not_go_with_a_video(tmp_path: Path) -> None:
    opened = await bench(
        tmp_path, make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-pix_fmt", "yuv420p")
    )

    with pytest.raises(InvalidParameter, match="framesPerPicture"):
        await opened.do_all(Timelapse(), framesPerPicture=2)


async def test_motion_makes_nothing_up_where_a_fast_video_has_every_frame(tmp_path: Path) -> None:
    opened = await bench(
        tmp_path, make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x48:d=2", "-pix_fmt", "yuv420p")
    )
    await opened.do_all(Timelapse(), speed=4, interpolate="motion")
    moved = opened.kept[-1].path.read_bytes()

    await opened.do_all(Timelapse(), speed=4)

    assert moved == opened.kept[-1].path.read_bytes()


@pytest.mark.parametrize(("given", "taken"), [(False, False), ("false", False), ("blend", "blend")])
def test_no_interpolation_may_be_said_as_a_word(given: object, taken: object) -> None:
    assert TimelapseParams.model_validate({"interpolate": given}).interpolate == taken


@pytest.mark.parametrize("wrong", [True, "true", "fade", "none"])
def test_another_interpolation_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="interpolate"):
        TimelapseParams.model_validate({"interpolate": wrong})


async def test_pictures_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(grey(tmp_path / "whole.png", 50).read_bytes()[:60])

    async with looking_bench(tmp_path) as (opened, house):
        await stored(opened, house, [broken, None])
        with pytest.raises(InvalidMedia, match="None of the pictures"):
            await opened.do_all(Timelapse())
        await stored(opened, house, [None, None])
        with pytest.raises(InvalidParameter, match="none of these pictures is there"):
            await opened.do_all(Timelapse())


def test_held_pictures_at_the_beginning_are_those_that_follow() -> None:
    assert order_of(5, [0, 1, 3], "hold") == [2, 2, 2, 2, 4]
    assert order_of(5, [0, 1, 3], "skip") == [2, 4]
    assert order_of(2, [0, 1], "hold") == []
