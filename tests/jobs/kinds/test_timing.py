"""Media whose streams begin or end at other times, or whose containers have no index, are no other media for jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidParameter
from app.ffmpeg import cutting
from app.jobs.kinds.audio import Audio
from app.jobs.kinds.clip import Clip, ClipParams
from app.jobs.kinds.timelapse import Timelapse
from app.jobs.kinds.transcode import Transcode
from tests.ffmpeg.clips import make
from tests.ffmpeg.numbered import decoded, numbers
from tests.jobs.bench import bench
from tests.jobs.frames.grey_looks import numbered_in

_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize("container", ["mp4", "ts", "flv", "avi", "mpg"])
async def test_a_video_goes_on_from_part_to_part_in_every_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    monkeypatch.setattr(cutting, "MIN_CHUNK_SECONDS", 1.3)
    opened = await bench(tmp_path, numbered_in(tmp_path / f"a.{container}", 4))

    await opened.do_all(Timelapse(), speed=2, quality=95)

    assert len([name for name in opened.results if name.startswith("part-")]) >= 2
    seen = numbers(opened.kept[0].path)
    assert len(seen) == pytest.approx(50, abs=1), "containers count the length of a video in their own ways"
    assert seen[:49] == pytest.approx([2 * number for number in range(49)], abs=1)


def late_sound(path: Path, picture_seconds: float, late: float, sound_seconds: float) -> Path:
    """Make a video whose sound begins so much later."""
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=25:d={picture_seconds}")
    sound = ("-itsoffset", str(late), "-f", "lavfi", "-i", f"sine=d={sound_seconds}:sample_rate=48000")
    return make(path, *picture, *sound, *_H264, "-c:a", "aac")


@pytest.mark.parametrize("container", ["mp4", "mov", "ts", "mkv", "flv"])
async def test_sound_that_begins_later_is_transcoded_with_silence_before_it(tmp_path: Path, container: str) -> None:
    opened = await bench(tmp_path, late_sound(tmp_path / f"a.{container}", 4, 1.5, 2.5))

    summary = await opened.do_all(Transcode())

    assert summary["frames"] == 100
    samples = memoryview(decoded(opened.kept[0].path, "-ac", "1", "-ar", "48000")).cast("h")
    begins = next(place for place, sample in enumerate(samples) if abs(sample) > 500) / 48_000
    assert begins == pytest.approx(1.5, abs=0.06)


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        ("mp4", {"format": "aac"}),
        ("mov", {"format": "wav"}),
        ("ts", {"format": "aac"}),
        ("mkv", {"format": "mp3", "loudness": -20}),
    ],
)
async def test_sound_that_begins_later_than_its_pictures_is_as_long_as_it_is(
    tmp_path: Path, container: str, wanted: dict[str, Any]
) -> None:
    opened = await bench(tmp_path, late_sound(tmp_path / f"a.{container}", 4, 1.5, 2.5))

    summary = await opened.do_all(Audio(), waveform=True, **wanted)

    assert summary["durationSeconds"] == pytest.approx(2.5, abs=0.1)
    assert len(decoded(opened.kept[0].path, "-ac", "1", "-ar", "48000")) == pytest.approx(2 * 120_000, abs=2 * 4800)


@pytest.mark.parametrize("container", ["mp4", "ts"])
@pytest.mark.parametrize("span", [(9, 11), (6, 11)])
async def test_a_segment_after_the_pictures_is_refused_at_submit_though_there_is_sound(
    tmp_path: Path, container: str, span: tuple[float, float]
) -> None:
    opened = await bench(tmp_path, late_sound(tmp_path / f"a.{container}", 8, 0, 12))
    wanted = [{"start": span[0], "end": span[1]}]

    with pytest.raises(InvalidParameter, match="without its sound") as refused:
        Clip().plan(opened.sources, ClipParams.model_validate({"segments": wanted}), opened.means)

    assert refused.value.extra["durationSeconds"] == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("container", ["mp4", "ts"])
async def test_a_segment_to_the_end_of_a_file_whose_sound_goes_on_a_little_is_made(
    tmp_path: Path, container: str
) -> None:
    opened = await bench(tmp_path, late_sound(tmp_path / f"a.{container}", 2, 0, 2.6))
    end = opened.sources[0].duration_seconds

    summary = await opened.do_all(Clip(), segments=[{"start": 0, "end": end}])

    assert end > 2.5
    assert summary["frames"] == 2 * 25
