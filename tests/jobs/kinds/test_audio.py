"""`audio`: right formats, the loudness that was asked for, and the shape of the sound."""

from __future__ import annotations

import json
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg.abilities import Abilities
from app.jobs.kinds.audio import Audio
from tests.ffmpeg.clips import make, tool
from tests.jobs.bench import Bench, bench

_SPEECH = "sine=f=300:d=6,volume='0.05+0.4*gt(mod(t,1),0.6)':eval=frame,aformat=channel_layouts=stereo"
_PEAKY = "aevalsrc='0.02*sin(880*t)+0.9*lt(mod(t,0.5),0.001)':d=5:s=48000"


def loudness(path: Path) -> float:
    """Return the integrated loudness of a file, as FFmpeg's meter says."""
    told = subprocess.run(
        [tool(), "-nostdin", "-hide_banner", "-i", path, "-af", "ebur128", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    ).stderr
    return float(told.rpartition("I:")[2].split()[0])


def probed(path: Path, entries: str) -> list[str]:
    arguments = (tool("ffprobe"), "-v", "error", "-show_entries", entries, "-of", "csv=p=0", path)
    return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=50).stdout.split()


async def clip(folder: Path, *arguments: str, name: str = "a.mp4") -> Bench:
    return await bench(folder, make(folder / name, *arguments))


async def tone(folder: Path, seconds: float = 2.0) -> Bench:
    return await clip(folder, "-f", "lavfi", "-i", f"sine=f=440:d={seconds}", "-c:a", "pcm_s16le", name="a.wav")


@pytest.mark.parametrize(
    ("wanted", "codec", "name"),
    [("aac", "aac", "a.m4a"), ("opus", "opus", "a.ogg"), ("mp3", "mp3", "a.mp3"), ("wav", "pcm_s16le", "a.wav")],
)
async def test_the_sound_of_a_video_comes_whole_in_every_format(
    tmp_path: Path, wanted: str, codec: str, name: str
) -> None:
    at = await clip(
        tmp_path,
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:d=2", "-f", "lavfi", "-i", "sine=d=2", "-pix_fmt", "yuv420p"),
    )

    summary = await at.do_all(Audio(), format=wanted)

    (kept,) = at.kept
    assert kept.name == name
    assert probed(kept.path, "stream=codec_name") == [codec]
    assert summary["durationSeconds"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("source", [_SPEECH, _PEAKY], ids=["speech", "peaks"])
@pytest.mark.parametrize(("wanted", "lufs"), [("aac", -16.0), ("wav", -23.0), ("opus", -14.0)])
async def test_the_loudness_is_within_one_unit_of_what_was_asked_for(
    tmp_path: Path, source: str, wanted: str, lufs: float
) -> None:
    at = await clip(tmp_path, "-f", "lavfi", "-i", source, name="a.wav")

    summary = await at.do_all(Audio(), format=wanted, loudness=lufs)

    told = summary["loudness"]
    assert loudness(at.kept[0].path) == pytest.approx(lufs, abs=1.0)
    assert told["output"]["integratedLufs"] == pytest.approx(loudness(at.kept[0].path), abs=0.2)
    assert told["output"]["truePeakDbtp"] <= 0.5
    assert told["targetLufs"] == lufs


async def test_silence_stays_silence(tmp_path: Path) -> None:
    at = await clip(tmp_path, "-f", "lavfi", "-i", "anullsrc=d=1", "-t", "1", name="a.wav")

    summary = await at.do_all(Audio(), format="wav", loudness=-16, waveform=True)

    assert summary["loudness"]["output"]["integratedLufs"] is None
    assert summary["loudness"]["output"]["gainDb"] == 0


async def test_the_waveform_tells_lowest_and_highest_of_each_part(tmp_path: Path) -> None:
    at = await clip(
        tmp_path, "-f", "lavfi", "-i", "aevalsrc='if(lt(t,1),0.25,-0.5)':d=2:s=8000", "-c:a", "pcm_s16le", name="a.wav"
    )

    await at.do_all(Audio(), format="wav", waveform=True, peaks=100)

    document = json.loads(next(one for one in at.kept if one.name.endswith(".json")).path.read_text())
    assert (document["length"], document["samplesPerPeak"], document["sampleRate"]) == (100, 160, 8000)
    assert document["durationSeconds"] == 2.0
    assert document["peaks"][:50] == [[0.25, 0.25]] * 50
    assert document["peaks"][50:] == [[-0.5, -0.5]] * 50


async def test_the_picture_of_the_waveform_is_a_png_that_shows_it(tmp_path: Path) -> None:
    at = await clip(
        tmp_path, "-f", "lavfi", "-i", "aevalsrc='lt(t,1)*sin(2000*t)':d=2:s=8000", "-c:a", "pcm_s16le", name="a.wav"
    )

    await at.do_all(Audio(), format="wav", waveform=True)

    data = next(one for one in at.kept if one.content_type == "image/png").path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT") + 4
    rows = zlib.decompressobj().decompress(data[start:])
    columns = [sum(rows[y * (width + 1) + 1 + x] for y in range(height)) for x in (300, 900)]
    assert (width, height) == (1200, 200)
    assert columns[0] > 150
    assert columns[1] <= 2


async def test_long_sound_is_measured_in_frames_that_are_bounded(tmp_path: Path) -> None:
    at = await tone(tmp_path, 30.0)

    await at.do_all(Audio(), format="opus", waveform=True, peaks=16)

    assert at.plan is not None
    document = json.loads(next(one for one in at.kept if one.name.endswith(".json")).path.read_text())
    assert document["length"] == 16
    assert all(low < -0.1 and high > 0.1 for low, high in document["peaks"])


@pytest.mark.parametrize("channels", ["mono", "5.1", "7.1"])
@pytest.mark.parametrize("wanted", ["aac", "opus", "mp3", "wav"])
async def test_any_number_of_channels_is_taken(tmp_path: Path, channels: str, wanted: str) -> None:
    source = f"anoisesrc=d=1:r=96000:a=0.1,aformat=channel_layouts={channels}"
    at = await clip(tmp_path, "-f", "lavfi", "-i", source, "-c:a", "pcm_s16le", name="a.mkv")

    await at.do_all(Audio(), format=wanted, waveform=True)

    count = {"mono": 1, "5.1": 6, "7.1": 8}[channels]
    assert probed(at.kept[0].path, "stream=channels") == [str(count if wanted == "wav" else min(2, count))]


async def test_without_sound_it_is_refused(tmp_path: Path) -> None:
    at = await clip(tmp_path, "-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-pix_fmt", "yuv420p")

    with pytest.raises(InvalidParameter, match="has no audio"):
        await at.do_all(Audio())


async def test_a_format_that_this_machine_cannot_write_is_refused_with_those_that_it_can(tmp_path: Path) -> None:
    at = await tone(tmp_path)
    means = replace(at.means, abilities=Abilities("5", frozenset({"aac"}), frozenset({"ipod", "ogg"}), frozenset()))

    with pytest.raises(InvalidParameter, match="cannot write opus, only aac") as caught:
        Audio().plan(at.sources, Audio.params.model_validate({"format": "opus"}), means)

    assert caught.value.extra["available"] == ["aac"]


async def test_a_truncated_file_is_no_success(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "sine=d=20", "-c:a", "aac", "-movflags", "+faststart")
    _halve(whole)
    at = await bench(tmp_path, whole)

    with pytest.raises(InvalidMedia):
        await at.do_all(Audio(), format="wav")

    assert at.kept == []


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
