"""Films for stress tests, as long as is asked for: a few seconds are encoded, and repeated packet by packet."""

from __future__ import annotations

from pathlib import Path

from tests.ffmpeg.clips import make
from tests.media_files import media_folder

HAND = "hand_202_frames.mp4"
_BASE_SECONDS = 6
_QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0")


def hand_film(path: Path, seconds: float, size: tuple[int, int], rate: int) -> Path:
    """Write a film of a hand, without sound; it has a key frame in each second."""
    base = path.with_name(f"base-{path.name}")
    width, height = size
    make(
        base,
        *("-i", str(media_folder() / HAND), "-an", "-t", str(_BASE_SECONDS), "-r", str(rate)),
        *("-vf", f"scale={width}:{height}", *_QUICK, "-g", str(rate)),
    )
    return _repeated(base, path, seconds)


def face_film(path: Path, seconds: float, rate: int = 12, times: int = 1) -> Path:
    """Write a film of `times` 480x270 with a tone, in which a face moves to and fro; a key frame in each second."""
    base = path.with_name(f"base-{path.name}")
    side, middle, sway, top = (times * one for one in (240, 120, 100, 15))
    moved = (
        f"[1:v]scale={side}:{side}[face];[0:v][face]overlay=x='{middle}+{sway}*sin(PI*t/3)':y={top}:shortest=1[picture]"
    )
    make(
        base,
        *("-f", "lavfi", "-i", f"testsrc2=s={480 * times}x{270 * times}:r={rate}:d={_BASE_SECONDS}"),
        *("-loop", "1", "-i", str(media_folder() / "astronaut.png")),
        *("-f", "lavfi", "-i", f"sine=d={_BASE_SECONDS}"),
        *("-filter_complex", moved, "-map", "[picture]", "-map", "2:a", *_QUICK, "-g", str(rate), "-c:a", "aac"),
    )
    return _repeated(base, path, seconds)


def _repeated(base: Path, path: Path, seconds: float) -> Path:
    try:
        return make(path, "-stream_loop", "-1", "-i", str(base), "-t", f"{seconds:g}", "-c", "copy")
    finally:
        base.unlink()
