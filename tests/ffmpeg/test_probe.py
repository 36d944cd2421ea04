from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import media_types
from app.domain.media import MediaDetails, MediaKind, MediaType
from app.errors import BallastError, InvalidMedia, TooManyPixels, UnsupportedMedia
from app.ffmpeg.probe import DEMUXERS, PROBE_BYTES, Prober, read_probe
from app.ffmpeg.runner import MAX_PIXELS, FFmpegRunner
from app.media.sniff import HEAD_BYTES, sniff
from app.memory.governor import EnrolledProcess
from tests.ffmpeg.clips import CLIPS, clip, make, tool, turned

ATTEMPTS = 5
"""ffprobe lives for some 50 ms: a look at its memory may come too late."""


class PeakLedger:
    """Watches the peak resident memory of the process that is enrolled."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._watch: asyncio.Task[None] | None = None

    def enroll(self, process: EnrolledProcess) -> None:
        self._watch = asyncio.create_task(self._look(process.pid))

    def dismiss(self, _pid: int) -> None:
        assert self._watch is not None
        self._watch.cancel()

    async def _look(self, pid: int) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, _peak_of_ffprobe(pid))
            await asyncio.sleep(0.001)


def _peak_of_ffprobe(pid: int) -> int:
    """Return the peak resident memory of a process since it has become ffprobe; before, and at its end, 0."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"Name:\t(\w+)[\s\S]*VmHWM:\s+(\d+)", status)
    return int(found[2]) * 1024 if found is not None and found[1] == "ffprobe" else 0


@pytest.fixture
def ledger() -> PeakLedger:
    return PeakLedger()


@pytest.fixture
def prober(ledger: PeakLedger) -> Prober:
    return Prober(tool("ffprobe"), FFmpegRunner(ledger, "required"))


def written(folder: Path, data: bytes, name: str = "upload-0") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_every_type_that_is_no_image_can_be_probed() -> None:
    types = [value for value in vars(media_types).values() if isinstance(value, MediaType)]

    assert types != []
    assert {found.content_type for found in types} == set(DEMUXERS)


@pytest.mark.parametrize("extension", CLIPS)
async def test_a_clip_in_each_container_is_understood(prober: Prober, tmp_path: Path, extension: str) -> None:
    data = clip(extension)
    media_type = sniff(data[:HEAD_BYTES])
    assert media_type is not None

    details = (await prober.probe(written(tmp_path, data), media_type.content_type)).details

    assert details.duration_seconds == pytest.approx(1, 0.2)
    if media_type.kind is MediaKind.VIDEO:
        size = (176, 144) if extension == "3gp" else (320, 180)
        assert (details.width, details.height, details.frame_rate, details.rotation) == (*size, 25.0, 0)
    else:
        assert (details.width, details.height, details.frame_rate, details.rotation) == (None, None, None, None)


async def test_picture_and_sound_are_told(prober: Prober, tmp_path: Path) -> None:
    probe = await prober.probe(written(tmp_path, clip("mp4")), "video/mp4")

    assert probe.video is not None
    assert probe.audio is not None
    assert (probe.video.codec, probe.video.frames, probe.video.pixel_format) == ("h264", 25, "yuv420p")
    assert (probe.audio.codec, probe.audio.sample_rate, probe.audio.channels) == ("aac", 44100, 1)


@pytest.mark.parametrize(("clockwise", "white_side"), [(90, "top"), (180, "right"), (270, "bottom")])
async def test_sizes_are_those_of_the_turned_picture(
    prober: Prober, tmp_path: Path, clockwise: int, white_side: str
) -> None:
    half_white = "color=black:s=64x32:d=0.2,drawbox=w=32:color=white:t=fill"  # the left half
    upright = make(tmp_path / "upright.mp4", "-f", "lavfi", "-i", half_white, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    path = written(tmp_path, turned(upright.read_bytes(), clockwise=clockwise))

    details = (await prober.probe(path, "video/mp4")).details

    assert details.rotation == clockwise
    assert (details.width, details.height) == ((64, 32) if clockwise == 180 else (32, 64))
    assert _white_side(path, 64 if clockwise == 180 else 32) == white_side  # ffmpeg itself sees it so


def _white_side(path: Path, width: int) -> str:
    """Return which half of the first frame is white, as ffmpeg shows it."""
    command = [str(tool()), "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    pixels = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
    rows = [pixels[at : at + width] for at in range(0, len(pixels), width)]
    halves = {
        "top": sum(map(sum, rows[: len(rows) // 2])),
        "bottom": sum(map(sum, rows[len(rows) // 2 :])),
        "left": sum(sum(row[: width // 2]) for row in rows),
        "right": sum(sum(row[width // 2 :]) for row in rows),
    }
    return max(halves, key=halves.__getitem__)


async def test_pixels_that_are_not_square_are_shown_wider(prober: Prober, tmp_path: Path) -> None:
    picture = "testsrc2=s=320x180:d=0.2,setsar=4/3"
    path = make(tmp_path / "wide.mp4", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-pix_fmt", "yuv420p")

    probe = await prober.probe(path, "video/mp4")

    assert probe.video is not None
    assert (probe.video.coded_width, probe.video.coded_height) == (320, 180)
    assert (probe.details.width, probe.details.height) == (427, 180)


async def test_cover_art_is_no_picture(prober: Prober, tmp_path: Path) -> None:
    sound = written(tmp_path, clip("mp3"), "sound.mp3")
    cover = ("-f", "lavfi", "-i", "testsrc2=s=100x100", "-frames:v", "1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
    art = make(tmp_path / "art.jpg", *cover)
    maps = ("-map", "0:a", "-map", "1:v", "-c", "copy", "-disposition:v", "attached_pic")
    path = make(tmp_path / "song.mp3", "-i", str(sound), "-i", str(art), *maps)

    probe = await prober.probe(path, "audio/mpeg")

    assert probe.video is None
    assert probe.details.duration_seconds == pytest.approx(1, 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile sibling.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsibling.mp4\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
        "v=0\nm=video 5004 RTP/AVP 96\nc=IN IP4 127.0.0.1\n",
    ],
    ids=["ffconcat", "m3u8", "dash", "sdp"],
)
@pytest.mark.parametrize("content_type", ["video/mp4", "video/x-matroska", "video/mp2t", "audio/mpeg", "video/mpeg"])
async def test_a_list_of_other_files_is_not_followed(
    prober: Prober, tmp_path: Path, text: str, content_type: str
) -> None:
    written(tmp_path, clip("mp4"), "sibling.mp4")
    path = written(tmp_path, text.encode() * 3, "list.mp4")

    with pytest.raises(BallastError):
        await prober.probe(path, content_type)


async def test_a_film_in_another_format_than_the_sniff_said_is_refused(prober: Prober, tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia):
        await prober.probe(written(tmp_path, clip("mkv")), "video/mp4")


async def test_an_image_is_not_for_ffprobe(prober: Prober, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia):
        await prober.probe(written(tmp_path, b"\x89PNG\r\n\x1a\n"), "image/png")


async def test_the_largest_frames_fit_into_what_is_declared(prober: Prober, ledger: PeakLedger, tmp_path: Path) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=s=7680x4320:r=5:d=0.4")
    path = make(tmp_path / "8k.mp4", *picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

    for _ in range(ATTEMPTS):
        details = (await prober.probe(path, "video/mp4")).details
        if ledger.peak_bytes:
            break

    assert (details.width, details.height, details.frame_rate) == (7680, 4320, 5)
    assert 0 < ledger.peak_bytes <= PROBE_BYTES


async def test_a_bomb_is_refused_within_what_is_declared(prober: Prober, ledger: PeakLedger, tmp_path: Path) -> None:
    picture = ("-f", "lavfi", "-i", "color=s=16384x8704:r=5:d=0.2")
    path = make(tmp_path / "bomb.mp4", *picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

    for _ in range(ATTEMPTS):
        with pytest.raises(TooManyPixels):
            await prober.probe(path, "video/mp4")
        if ledger.peak_bytes:
            break

    assert path.stat().st_size < 1_000_000
    assert 0 < ledger.peak_bytes <= PROBE_BYTES


async def test_too_many_streams_are_refused(prober: Prober, tmp_path: Path) -> None:
    maps = [option for _ in range(40) for option in ("-map", "0:a")]
    path = make(tmp_path / "many.mkv", "-f", "lavfi", "-i", "sine=d=0.1", *maps, "-c:a", "pcm_s16le")

    with pytest.raises(InvalidMedia):
        await prober.probe(path, "video/x-matroska")


async def test_a_film_that_was_cut_is_invalid_or_told_from_its_head(prober: Prober, tmp_path: Path) -> None:
    head_first = clip("mp4")
    head_last = make(tmp_path / "last.mp4", *CLIPS["mp4"][:-2]).read_bytes()

    details = (await prober.probe(written(tmp_path, head_first[: len(head_first) // 2]), "video/mp4")).details
    with pytest.raises(InvalidMedia):
        await prober.probe(written(tmp_path, head_last[: len(head_last) // 2]), "video/mp4")

    assert details.width == 320
    assert details.duration_seconds == pytest.approx(1, 0.1)


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", b"\x00" * 100_000])
async def test_a_film_without_content_is_invalid(prober: Prober, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidMedia):
        await prober.probe(written(tmp_path, data), "video/mp4")


async def test_a_name_is_a_name_and_no_option_or_pattern(prober: Prober, tmp_path: Path) -> None:
    path = written(tmp_path, clip("mp4"), "-i %03d|http:x*?.mp4")

    details = (await prober.probe(path, "video/mp4")).details

    assert details.width == 320


def _document(**stream: Any) -> bytes:
    return json.dumps({"streams": [{"codec_type": "video", "width": 4, "height": 2, **stream}], "format": {}}).encode()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ({}, MediaDetails(4, 2, rotation=0)),
        ({"avg_frame_rate": "30000/1001"}, MediaDetails(4, 2, frame_rate=29.97, rotation=0)),
        ({"avg_frame_rate": "0/0", "r_frame_rate": "25/1"}, MediaDetails(4, 2, frame_rate=25.0, rotation=0)),
        ({"avg_frame_rate": "1/0"}, MediaDetails(4, 2, rotation=0)),
        ({"duration": "nan"}, MediaDetails(4, 2, rotation=0)),
        ({"duration": "1e400"}, MediaDetails(4, 2, rotation=0)),
        ({"duration": "-1"}, MediaDetails(4, 2, rotation=0)),
        ({"duration": "N/A"}, MediaDetails(4, 2, rotation=0)),
        ({"side_data_list": [{}, {"rotation": -90}]}, MediaDetails(2, 4, rotation=90)),
        ({"side_data_list": [{"rotation": 44}]}, MediaDetails(4, 2, rotation=0)),
        ({"tags": {"rotate": "270"}}, MediaDetails(2, 4, rotation=270)),
        ({"sample_aspect_ratio": "0:1"}, MediaDetails(4, 2, rotation=0)),
        ({"sample_aspect_ratio": "1:999999"}, MediaDetails(4, 2, rotation=0)),
    ],
)
def test_what_makes_no_sense_is_not_known(stream: dict[str, Any], expected: MediaDetails) -> None:
    assert read_probe(_document(**stream)).details == expected


def test_frames_above_the_cap_are_refused_even_if_they_were_not_decoded() -> None:
    with pytest.raises(TooManyPixels):
        read_probe(_document(width=MAX_PIXELS, height=2))


_KEYS = st.sampled_from(
    [
        *("streams", "format", "codec_type", "width", "height", "duration", "avg_frame_rate", "sample_aspect_ratio"),
        *("tags", "side_data_list", "rotation", "rotate", "disposition", "attached_pic", "nb_frames", "codec_name"),
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1/0", "video"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=30,
)


@given(_JSON, st.lists(st.dictionaries(_KEYS, _JSON, max_size=8), max_size=3))
def test_no_output_of_the_tool_can_break_us(document: object, streams: list[dict[str, object]]) -> None:
    for output in (document, {"streams": streams, "format": document}):
        try:
            read_probe(json.dumps(output).encode())
        except BallastError:
            continue


@given(st.binary(max_size=50))
def test_output_that_is_no_json_is_invalid_media(output: bytes) -> None:
    try:
        json.loads(output)
    except ValueError:
        with pytest.raises(InvalidMedia):
            read_probe(output)
