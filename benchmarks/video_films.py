"""Films for the benchmarks of jobs, and what is in a film, by ffmpeg and ffprobe."""

from __future__ import annotations

import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.media import find_media
from tests.ffmpeg.clips import tool

RATE = 30
_BASE_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Plain:
    """A run of a program by itself."""

    wall_seconds: float
    cpu_seconds: float


def run_plain(*arguments: str | Path) -> Plain:
    """Run ffmpeg as anybody would."""
    before, began = _children_seconds(), time.perf_counter()
    subprocess.run([tool(), "-v", "error", "-nostdin", "-y", *arguments], check=True)
    return Plain(time.perf_counter() - began, _children_seconds() - before)


def hand_film(path: Path, seconds: int, height: int) -> Path:
    """Write a film of a hand with sound, 30 frames a second, a key frame in each second."""
    base = path.with_name("base.mp4")
    run_plain(
        *("-i", find_media("hand_202_frames.mp4"), "-f", "lavfi", "-i", f"sine=d={_BASE_SECONDS}"),
        *("-map", "0:v", "-map", "1:a", "-t", str(_BASE_SECONDS), "-r", str(RATE)),
        *("-vf", f"scale={height * 16 // 9 // 2 * 2}:{height}", "-c:v", "libx264", "-preset", "veryfast"),
        *("-g", str(RATE), "-pix_fmt", "yuv420p", "-c:a", "aac", base),
    )
    run_plain("-stream_loop", "-1", "-i", base, "-t", str(seconds), "-c", "copy", path)
    base.unlink()
    return path


def frame_count(path: Path) -> int:
    """Return how many frames of pictures can be decoded."""
    command: list[str | Path] = [
        *(tool("ffprobe"), "-v", "error", "-count_frames", "-select_streams", "v"),
        *("-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path),
    ]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().strip(","))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
