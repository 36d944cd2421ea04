"""`hls`: every frame once, key frames of all renditions at the same times, a master that says what is there."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.units import MIB
from app.errors import InvalidParameter, MemoryExceedsLimit, UnsupportedMedia
from app.jobs.kinds.hls import Hls, HlsParams
from tests.ffmpeg.clips import make, tool, turned
from tests.jobs.bench import Bench, bench

_SOUND = ("-f", "lavfi", "-i", "sine=d=5", "-c:a", "aac")
_CODED = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")


def picture(rate: str = "25", seconds: float = 5.0, size: str = "320x180") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def unpacked(at: Bench) -> Path:
    """Return the folder of the files, as a web server would have them."""
    (kept,) = at.kept
    assert kept.content_type == "application/vnd.ballast.hls+zip"
    folder = kept.path.parent / "files"
    with zipfile.ZipFile(kept.path) as package:
        assert package.testzip() is None
        package.extractall(folder)
    return folder


def asked(path: Path, *arguments: str) -> list[str]:
    command = [str(tool("ffprobe")), "-v", "error", *arguments, "-of", "csv=p=0", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
    return [line.rstrip(",") for line in found.split("\n") if line.strip(",")]


def frames(path: Path) -> int:
    return int(asked(path, "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames")[0])


def key_times(path: Path) -> list[float]:
    wanted = ("-select_streams", "v:0", "-skip_frame", "nokey", "-show_entries", "frame=pts_time")
    return [float(line.partition(",")[0]) for line in asked(path, *wanted) if line[:1].isdigit()]


def silence_ends(path: Path) -> list[float]:
    command = (tool(), "-hide_banner", "-nostdin", "-i", path, "-af", "silencedetect=n=-40dB:d=0.2", "-f", "null", "-")
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stderr
    return [float(end) for end in re.findall(r"silence_end: ([\d.]+)", told)]


@pytest.mark.parametrize("rate", ["25", "30000/1001", "50"])
async def test_every_frame_is_there_once_in_each_rendition_with_the_same_key_frames(tmp_path: Path, rate: str) -> None:
    video = make(tmp_path / "a.mp4", *picture(rate, 21.0), *_CODED, "-g", "400", "-bf", "2")
    at = await bench(tmp_path, video)

    summary = await at.do_all(Hls(), heights=[180, 90], segmentSeconds=2)

    folder = unpacked(at)
    assert [name for name in at.results if name.startswith("p180-")] == ["p180-0001", "p180-0002"]
    assert frames(folder / "180p" / "index.m3u8") == frames(folder / "90p" / "index.m3u8") == frames(video)
    assert key_times(folder / "180p" / "index.m3u8") == key_times(folder / "90p" / "index.m3u8")
    assert key_times(folder / "90p" / "index.m3u8") == pytest.approx([2 * n for n in range(11)], abs=0.05)
    assert [one["segments"] for one in summary["renditions"]] == [11, 11]


async def test_the_master_says_size_rate_and_codecs_as_they_are(tmp_path: Path) -> None:
    at = await bench(tmp_path, make(tmp_path / "a.mp4", *picture(), *_SOUND, *_CODED))

    await at.do_all(Hls(), heights=[90], segmentSeconds=2)

    folder = unpacked(at)
    master = (folder / "master.m3u8").read_text()
    (attributes,) = re.findall(r"#EXT-X-STREAM-INF:(.*)", master)
    profile, level = asked(folder / "90p" / "index.m3u8", "-show_entries", "stream=profile,level")[0].split(",")
    segments = [path.stat().st_size for path in (folder / "90p").glob("*.m4s")]
    codec = re.search(r"avc1\.(..)..(..),mp4a\.40\.2", attributes)
    assert codec is not None
    assert {"66": "Baseline", "77": "Main", "100": "High"}[str(int(codec[1], 16))] in profile
    assert int(codec[2], 16) == int(level)
    assert "RESOLUTION=160x90" in attributes
    assert "FRAME-RATE=25.000" in attributes
    assert int(re.findall(r"\bBANDWIDTH=(\d+)", attributes)[0]) >= max(segments) * 8 / 2
    assert 'URI="audio/index.m3u8"' in master


@pytest.mark.parametrize("container", ["mkv", "ts", "flv"])
@pytest.mark.parametrize(("picture_late", "sound_late", "silent"), [(0, 1, 0.0), (1, 0, 2.0)])
async def test_sound_and_pictures_begin_together_also_where_one_begins_later(
    tmp_path: Path, container: str, picture_late: int, sound_late: int, silent: float
) -> None:
    sound = f"sine=f=1000:d=4:sample_rate=44100,volume=0:enable='lt(t,{silent})'"
    late = make(
        tmp_path / f"a.{container}",
        *("-itsoffset", str(picture_late), "-f", "lavfi", "-i", "color=black:s=64x48:r=25:d=4"),
        *("-itsoffset", str(sound_late), "-f", "lavfi", "-i", sound),
        *("-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "44100"),
    )
    at = await bench(tmp_path, late)

    await at.do_all(Hls(), heights=[48], segmentSeconds=2)

    assert silence_ends(unpacked(at) / "audio" / "index.m3u8")[0] == pytest.approx(1.0, abs=0.06)


async def test_nothing_is_enlarged_and_nothing_made_twice(tmp_path: Path) -> None:
    at = await bench(tmp_path, make(tmp_path / "a.mp4", *picture(seconds=1), *_CODED))

    asked_for = await at.do_all(Hls(), heights=[1080, 720, 90])
    at.results = {}
    usual = await at.do_all(Hls())

    assert [(one["width"], one["height"]) for one in asked_for["renditions"]] == [(320, 180), (160, 90)]
    assert [one["name"] for one in usual["renditions"]] == ["180p"]


async def test_a_turned_video_has_upright_renditions(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.mp4", *picture(seconds=1), *_CODED)
    (tmp_path / "a.mp4").write_bytes(turned(plain.read_bytes(), clockwise=90))
    at = await bench(tmp_path, tmp_path / "a.mp4")

    summary = await at.do_all(Hls(), heights=[160])

    assert [(one["width"], one["height"]) for one in summary["renditions"]] == [(90, 160)]


async def test_frames_at_irregular_times_are_shown_at_regular_ones_and_none_is_late(tmp_path: Path) -> None:
    video = make(
        tmp_path / "a.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", "-vf", "select='not(mod(n,3))+lt(n,80)'"),
        *("-fps_mode", "vfr", *_CODED, "-bf", "2"),
    )
    at = await bench(tmp_path, video)

    await at.do_all(Hls(), heights=[90], segmentSeconds=2)

    index = unpacked(at) / "90p" / "index.m3u8"
    wanted = ("-select_streams", "v:0", "-show_entries", "frame=pts_time")
    times = [float(line.partition(",")[0]) for line in asked(index, *wanted) if line[:1].isdigit()]
    assert times == pytest.approx([number / 25 for number in range(len(times))], abs=0.001)
    assert len(times) / 25 == pytest.approx(6.0, abs=0.12)
    lengths = [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", index.read_text())]
    assert lengths == pytest.approx([2.0, 2.0, len(times) / 25 - 4.0], abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        (("-f", "lavfi", "-i", "sine=d=1"), "a.m4a", "a video is needed"),
        (("-f", "lavfi", "-i", "color=s=2x2:d=0.2", "-c:v", "ffv1"), "a.mkv", "encoders take 16 pixels or more"),
    ],
    ids=["sound alone", "two by two pixels"],
)
async def test_what_cannot_be_made_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], name: str, words: str
) -> None:
    at = await bench(tmp_path, make(tmp_path / name, *arguments))

    with pytest.raises((InvalidParameter, UnsupportedMedia), match=words):
        await at.do_all(Hls())


@pytest.mark.parametrize("heights", [[0], [-90], [15], [180, 9000], []])
def test_a_height_that_no_encoder_takes_is_refused(heights: list[int]) -> None:
    with pytest.raises(ValidationError, match="heights"):
        HlsParams.model_validate({"heights": heights})


async def test_what_can_never_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    at = await bench(tmp_path, make(tmp_path / "a.mp4", *picture(seconds=1), *_CODED), total_bytes=80 * MIB)

    with pytest.raises(MemoryExceedsLimit) as caught:
        await at.do_all(Hls())

    needed, limit = (int(str(caught.value.extra[name])) for name in ("neededBytes", "limitBytes"))
    assert needed > limit


@pytest.mark.parametrize("done_again", ["p90-0002", "p90", "sound", "package"])
async def test_a_step_that_is_done_again_changes_nothing(tmp_path: Path, done_again: str) -> None:
    at = await bench(tmp_path, make(tmp_path / "a.mp4", *picture(seconds=21), *_SOUND, *_CODED))
    kind = Hls()
    params: Any = kind.params.model_validate({"heights": [90], "segmentSeconds": 4})
    for step in kind.plan(at.sources, params, at.means).steps:
        at.step = step.name
        for _ in range(2 if step.name == done_again else 1):
            result = await kind.do(step, params, at)
        at.results = {**at.results, step.name: result}

    assert frames(unpacked(at) / "90p" / "index.m3u8") == 525
