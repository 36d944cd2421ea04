"""What is in a video or audio file: asked of ffprobe, in a child, with the format that our own sniff found."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from app.domain import media_types
from app.domain.media import MediaDetails, MediaType
from app.domain.units import KIB, MIB
from app.errors import InvalidMedia, TooManyPixels, UnsupportedMedia
from app.ffmpeg.runner import MAX_PIXELS, FFmpegRunner, RunLimits, guarded_input
from app.memory.reservation import Reservation

PROBE_BYTES = 64 * MIB
"""What one probe takes at most: 40 MiB are pages of libraries, the data limit bounds the rest (measured: 61 MiB)."""

_LIMITS = RunLimits(data_bytes=48 * MIB, deadline_seconds=10.0, output_bytes=256 * KIB)
"""48 MiB of data are too little to decode an 8K file, but enough to read its dimensions."""

_TYPES: Mapping[str, tuple[MediaType, ...]] = {
    "mov": (media_types.MP4, media_types.QUICKTIME, media_types.THREE_GPP, media_types.M4A),
    "matroska": (media_types.MATROSKA, media_types.WEBM),
    "avi": (media_types.AVI,),
    "mpegts": (media_types.TRANSPORT_STREAM,),
    "mpeg": (media_types.PROGRAM_STREAM,),
    "flv": (media_types.FLV,),
    "asf": (media_types.ASF,),
    "ogg": (media_types.OGG_VIDEO, media_types.OGG_AUDIO),
    "mp3": (media_types.MP3,),
    "aac": (media_types.AAC,),
    "flac": (media_types.FLAC,),
    "wav": (media_types.WAV,),
}

DEMUXERS = {media_type.content_type: demuxer for demuxer, types in _TYPES.items() for media_type in types}
"""FFmpeg's demuxer of each content type that is not an image."""

_ENTRIES = (
    "format=duration,start_time,bit_rate"
    ":stream=codec_type,codec_name,width,height,pix_fmt,sample_aspect_ratio,avg_frame_rate,r_frame_rate,nb_frames"
    ",field_order,start_time,duration,sample_rate,channels,extradata_hash"
    ":stream_disposition=attached_pic:stream_side_data=rotation:stream_tags=rotate"
)


_HASH_CHARACTERS = len("SHA256:") + 64

_DEEP = re.compile(r"p(9|10|12|14|16)(le|be)$|^(gray|rgb|bgr)a?(10|12|14|16|48|64)(le|be)$|^p01[026]|^y2(10|12)")
"""Pixel formats with more than 8 bits a sample, by FFmpeg's way of naming them."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    """`width` and `height` are those of the picture as shown: square pixels, turned by `rotation` degrees clockwise.

    `duration_seconds` is the stream's own, which may be less than the file's; None: the container does not tell. It
    begins `late_seconds` after the file. `parameters` is a hash of what a decoder is told before the first frame
    (extradata); None: nothing.
    """

    codec: str | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    frame_rate: float | None
    is_variable_rate: bool
    frames: int | None
    pixel_format: str | None
    is_interlaced: bool = False
    duration_seconds: float | None = None
    late_seconds: float = 0.0
    parameters: str | None = None

    @property
    def is_deep(self) -> bool:
        """Whether its samples have more than 8 bits."""
        return self.pixel_format is not None and bool(_DEEP.search(self.pixel_format))


@dataclass(frozen=True, slots=True)
class AudioStream:
    """`duration_seconds` is its own, which may be less than the file's; None: the container does not tell. It begins
    `late_seconds` after the file."""

    codec: str | None
    sample_rate: int | None
    channels: int | None
    duration_seconds: float | None = None
    late_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What ffprobe says of one file; of its streams, the first video that is not cover art, and the first audio."""

    duration_seconds: float | None
    start_seconds: float | None
    bit_rate: int | None
    video: VideoStream | None
    audio: AudioStream | None

    @property
    def details(self) -> MediaDetails:
        video = self.video
        if video is None:
            return MediaDetails(duration_seconds=self.duration_seconds)
        return MediaDetails(
            width=video.width,
            height=video.height,
            duration_seconds=self.duration_seconds,
            frame_rate=video.frame_rate,
            rotation=video.rotation,
        )


class Prober:
    """Asks ffprobe."""

    def __init__(self, ffprobe: Path, runner: FFmpegRunner) -> None:
        self._ffprobe = ffprobe
        self._runner = runner

    async def probe(self, path: Path, content_type: str, holder: Reservation | None = None) -> Probe:
        """Probe a file whose first bytes say `content_type`. The caller has reserved `PROBE_BYTES` in `holder`.

        Raises:
            UnsupportedMedia: files of this type are not probed.
            InvalidMedia: the file is broken, or has too many streams.
            TooManyPixels: its frames have more than `MAX_PIXELS`.
            ProcessingTimeout, WorkerFailed: see `FFmpegRunner.run`.
        """
        demuxer = DEMUXERS.get(content_type)
        if demuxer is None:
            raise UnsupportedMedia("Only videos and audio files are probed.")
        options = ["-hide_banner", "-v", "error", "-threads", "1", "-of", "json=compact=1"]
        options += ["-show_data_hash", "SHA256", "-show_entries", _ENTRIES]
        arguments = [*options, *guarded_input(path, demuxer)]
        outcome = await self._runner.run(self._ffprobe, arguments, replace(_LIMITS, reads=(path,)), holder)
        if outcome.exit_code != 0:
            if "exceeds specified max pixel count" in outcome.stderr:
                raise _too_many_pixels()
            raise InvalidMedia("The file is broken, or not of the type that its first bytes say.")
        return read_probe(outcome.stdout)


def read_probe(output: bytes) -> Probe:
    """Read ffprobe's JSON (`-show_format -show_streams`); a value that makes no sense becomes None.

    Raises:
        InvalidMedia: the file has no usable stream.
        TooManyPixels: its frames have more than `MAX_PIXELS`.
    """
    try:
        document = json.loads(output)
        streams = [_mapping(stream) for stream in document.get("streams", [])]
        container = _mapping(document.get("format"))
    except (ValueError, AttributeError, TypeError):
        raise InvalidMedia("The file could not be understood.") from None
    video = next((stream for stream in streams if _is_picture(stream)), None)
    audio = next((stream for stream in streams if stream.get("codec_type") == "audio"), None)
    if video is None and audio is None:
        raise InvalidMedia("The file has neither video nor audio.")
    start = _seconds(container.get("start_time"))
    durations = (_seconds(part.get("duration")) for part in (container, video or {}, audio or {}))
    return Probe(
        duration_seconds=next((duration for duration in durations if duration is not None and duration >= 0), None),
        start_seconds=start,
        bit_rate=_count(container.get("bit_rate")),
        video=_video(video, start) if video is not None else None,
        audio=_audio(audio, start) if audio is not None else None,
    )


def _is_picture(stream: Mapping[str, Any]) -> bool:
    is_cover = _mapping(stream.get("disposition")).get("attached_pic") == 1
    has_size = _count(stream.get("width")) and _count(stream.get("height"))
    return stream.get("codec_type") == "video" and not is_cover and bool(has_size)


def _video(stream: Mapping[str, Any], start: float | None) -> VideoStream:
    coded_width, coded_height = _count(stream["width"]) or 0, _count(stream["height"]) or 0
    if coded_width * coded_height > MAX_PIXELS:
        raise _too_many_pixels()
    width, height = _square(coded_width, coded_height, stream.get("sample_aspect_ratio"))
    rotation = _rotation(stream)
    if rotation in (90, 270):
        width, height = height, width
    average, base = _ratio(stream.get("avg_frame_rate")), _ratio(stream.get("r_frame_rate"))
    rate = average or base
    return VideoStream(
        codec=_text(stream.get("codec_name")),
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        rotation=rotation,
        frame_rate=round(float(rate), 3) if rate else None,
        is_variable_rate=bool(average and base and average != base),
        frames=_count(stream.get("nb_frames")),
        pixel_format=_text(stream.get("pix_fmt")),
        duration_seconds=_seconds(stream.get("duration")),
        late_seconds=_late(stream, start),
        is_interlaced=stream.get("field_order") in ("tt", "bb", "tb", "bt"),
        parameters=_text(stream.get("extradata_hash"), _HASH_CHARACTERS),
    )


def _audio(stream: Mapping[str, Any], start: float | None) -> AudioStream:
    return AudioStream(
        codec=_text(stream.get("codec_name")),
        sample_rate=_count(stream.get("sample_rate")),
        channels=_count(stream.get("channels")),
        duration_seconds=_seconds(stream.get("duration")),
        late_seconds=_late(stream, start),
    )


def _late(stream: Mapping[str, Any], start: float | None) -> float:
    begins = _seconds(stream.get("start_time"))
    return 0.0 if begins is None else max(0.0, begins - (start or 0.0))


def _rotation(stream: Mapping[str, Any]) -> int:
    """Return by how many degrees clockwise a frame has to be turned; FFmpeg's display matrix counts the other way."""
    found = [_mapping(data).get("rotation") for data in stream.get("side_data_list") or ()]
    counter_clockwise = next((value for value in found if isinstance(value, int | float)), None)
    if counter_clockwise is not None and math.isfinite(counter_clockwise):
        return round(-counter_clockwise / 90) * 90 % 360
    tag = _seconds(_mapping(stream.get("tags")).get("rotate"))  # before FFmpeg 5
    return round(tag / 90) * 90 % 360 if tag is not None else 0


def _square(width: int, height: int, sample_aspect_ratio: object) -> tuple[int, int]:
    """Return the size with square pixels: the height stays, the width follows, as in players."""
    ratio = _ratio(sample_aspect_ratio, ":")
    if ratio is None or not Fraction(1, 16) <= ratio <= 16:
        return width, height
    return max(1, round(width * ratio)), height


def _ratio(value: object, sign: str = "/") -> Fraction | None:
    if not isinstance(value, str):
        return None
    above, _, below = value.partition(sign)
    if not (above.isascii() and above.isdecimal() and below.isascii() and below.isdecimal()) or len(value) > 40:
        return None
    return Fraction(int(above), int(below)) if int(below) and int(above) else None


def _seconds(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> int | None:
    number = _seconds(value)
    return int(number) if number is not None and 0 < number < 1 << 63 else None


def _text(value: object, most: int = 64) -> str | None:
    return value[:most] if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _too_many_pixels() -> TooManyPixels:
    return TooManyPixels(f"A video frame may have {MAX_PIXELS} pixels.", maxPixels=MAX_PIXELS)
