"""A part of a video, encoded without its sound: the piece of which clips and chunked transcodes are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.domain.units import MIB
from app.errors import InvalidParameter
from app.ffmpeg.cutting import Grid, Span
from app.ffmpeg.encoders import MIN_SIDE, Encoder
from app.ffmpeg.predictor import COPY_BYTES, encode_bytes, index_bytes, picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.profiles import Rung
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import lead_seconds, seek
from app.ffmpeg.works import Expectation, Work

TIMESCALE = 90_000
"""Ticks a second of parts: they are joined without rounding (29.97 frames a second are 3003 ticks each)."""

_BITS_A_PIXEL = 0.3
"""What a frame takes at quality 66, at most but for noise; it doubles every 17.5 steps (6 of the rate factor)."""

_RAW_BITS, _RAW_DEEP_BITS = 12, 15
"""Of a pixel of 4:2:0 with 8 and with 10 bits a sample. Noise in all colours, the worst that there is, takes up to 6.8
at quality 66 and 10.5 at 100 (x264 ultrafast; AV1 8.9, VP9 8.3, HEVC 7.7)."""

_RAW_SLACK = 1.1
_FRAME_BYTES = 256
"""Of a frame beside its pixels: its headers, and its places in the tables of MP4."""

_EXACT = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "mpeg4", "prores", "dnxhd", "ffv1", "rawvideo"})
"""Codecs of which each packet is one frame. Others have packets that are not shown (VP8), or hold a field."""


_TICK = 0.0005


@dataclass(frozen=True, slots=True)
class Look:
    """What pictures are to be like: at most `width` x `height` (even numbers) with square pixels; `boxed`: exactly
    that, with black bars where the ratio is another. `quality`: 1..100."""

    encoder: Encoder
    width: int
    height: int
    quality: int
    boxed: bool = False

    def at_most(self, max_height: int | None) -> tuple[int, int]:
        """Return width and height for a rung."""
        return fit(self.width, self.height, max_height)


@dataclass(frozen=True, slots=True)
class PartOrder:
    """One part to be encoded. `grid`: at regular times; None: each frame at its own. `seconds` of the whole source."""

    path: Path
    content_type: str
    video: VideoStream
    seconds: float
    span: Span
    grid: Grid | None
    look: Look

    @property
    def frames(self) -> int:
        return self.span.frames if self.grid is None else self.grid.frames(self.span)

    @property
    def is_deep(self) -> bool:
        return self.look.encoder.keeps_deep and self.video.is_deep


def fit(width: int, height: int, max_height: int | None) -> tuple[int, int]:
    """Return the size of a picture that is made no higher than `max_height`, and never larger; both are even."""
    high = min(height, max_height or height)
    wide = width * high / height
    return max(2, round(wide / 2) * 2), max(2, high // 2 * 2)


def check_size(width: int, height: int, least: int = MIN_SIDE, taker: str = "encoders") -> None:
    """Refuse what the encoders (or `taker`, of which `least` is the `Encoder.least_side`) do not take.

    Raises:
        InvalidParameter: a side is too short.
    """
    if min(width, height) < least:
        raise InvalidParameter(
            f"The picture would be {width}x{height}: {taker} take {least} pixels or more on each side."
        )


def part_bytes(order: PartOrder, rung: Rung) -> int:
    """Return the predicted peak of encoding the part."""
    width, height = order.look.at_most(rung.max_height)
    return index_bytes(order.seconds, order.video.frame_rate) + encode_bytes(
        order.look.encoder,
        rung.profile,
        picture_bytes(order.video.coded_width, order.video.coded_height, deep=order.video.is_deep),
        picture_bytes(width, height, deep=order.is_deep),
    )


def part_work(order: PartOrder, rung: Rung, target: Path, sound: tuple[str, ...] = ("-an",)) -> Work:
    """Return the run that writes a part to `target`, an MP4 file; `sound`: options for the sound that goes with it."""
    effort = order.look.encoder.efforts[rung.profile]
    span = order.span
    expected = order.frames
    return Work(
        arguments=[
            *("-filter_threads", "1", "-threads", str(effort.decoder_threads)),
            *cut(span, order.content_type),
            *guarded_input(order.path, DEMUXERS[order.content_type]),
            *("-map", "0:V:0", *sound, "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *("-vf", filters(order, rung), "-fps_mode", "passthrough", "-frames:v", str(expected + 1)),
            *order.look.encoder.options(rung.profile, order.look.quality),
            *("-video_track_timescale", str(TIMESCALE), "-f", "mp4", f"file:{target}"),
        ],
        cost_bytes=part_bytes(order, rung),
        threads=effort.threads + effort.decoder_threads + 2,
        reads=(order.path,),
        writes=(target,),
        file_bytes=most_video_bytes(order.look, expected + 1),
        seconds=span.seconds,
        expect=Expectation(frames=expected, frames_slack=slack(order.video, expected)),
    )


def copied_part(order: PartOrder, packets: int, target: Path, file_bytes: int) -> Work:
    """Return the run that copies so many packets of pictures, from the key frame at which the part begins, on."""
    return Work(
        arguments=[
            *(
                "-threads",
                "1",
                *seek(order.content_type, order.span.start),
                *guarded_input(order.path, DEMUXERS[order.content_type]),
            ),
            *("-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy"),
            *("-frames:v", str(packets), "-video_track_timescale", str(TIMESCALE), "-f", "mp4", f"file:{target}"),
        ],
        cost_bytes=COPY_BYTES + index_bytes(order.seconds, order.video.frame_rate),
        threads=4,
        reads=(order.path,),
        writes=(target,),
        file_bytes=file_bytes,
        seconds=order.span.seconds,
        expect=Expectation(frames=packets),
    )


def filters(order: PartOrder, rung: Rung) -> str:
    """Return what is done to the pictures; FFmpeg turns them upright before."""
    width, height = order.look.at_most(rung.max_height)
    ahead = lead_seconds(order.content_type, order.span.start)
    chain = []
    if ahead:
        ends = ahead + order.span.seconds
        chain = [f"trim=start={ahead - _TICK:.6f}:end={ends - _TICK:.6f}", "setpts=PTS-STARTPTS"]
    chain += ["bwdif=mode=send_frame:deint=interlaced"] if order.video.is_interlaced else []
    if order.grid is not None:
        # A frame is held until the next one comes: the last one to the end of the part.
        if order.span.start > 0:
            chain.append(f"setpts=PTS+({order.span.start - order.grid.start:.6f})/TB")
        else:
            chain.append(f"setpts=PTS-({order.grid.start:.6f})/TB")
        chain.append(f"fps={order.grid.rate:.6f}:start_time=0:round=up")
        chain += ["tpad=stop=-1:stop_mode=clone", f"trim=end_frame={order.frames}"]
    if order.look.boxed:
        chain.append(f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bicubic")
        chain.append(f"pad={width}:{height}:-1:-1")
    elif (width, height) != (order.video.coded_width, order.video.coded_height) or order.video.rotation:
        chain.append(f"scale={width}:{height}:flags=bicubic")
    return ",".join([*chain, "setsar=1", "format=" + ("yuv420p10le" if order.is_deep else "yuv420p")])


def cut(span: Span, content_type: str) -> list[str]:
    """Return the options of an input for a part of it; what comes before it is cut off by `filters`."""
    ahead = lead_seconds(content_type, span.start)
    return [*seek(content_type, span.start - ahead), "-t", f"{span.seconds + ahead + (1.0 if ahead else 0.0):.6f}"]


def slack(video: VideoStream, frames: int) -> int:
    """Return how many frames more or less than packets there may be."""
    return 0 if video.codec in _EXACT else 2 + frames // 20


def video_bytes(look: Look, seconds: float, rate: float | None) -> int:
    """Return what pictures take on the disk, and some: what is reserved there. What is in no video is noise; those who
    have some take more, and more is reserved while they are written, or there is no room for them."""
    pixels = look.width * look.height * (rate or 30.0) * seconds
    return int(16 * MIB + pixels * _BITS_A_PIXEL / 8 * 2 ** ((look.quality - 66) / 17.5))


def most_video_bytes(look: Look, frames: int) -> int:
    """Return what a file of so many frames may have, whatever is seen in them: as without a codec."""
    bits = _RAW_DEEP_BITS if look.encoder.keeps_deep else _RAW_BITS
    return int(16 * MIB + frames * (_FRAME_BYTES + _RAW_SLACK * look.width * look.height * bits / 8))
