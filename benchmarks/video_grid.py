"""FFmpeg's peak memory against what is predicted, over a grid of sizes, encoders and profiles.

Each run is reserved, caged and watched as in the service.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.domain.units import MIB
from app.ffmpeg.cutting import Span
from app.ffmpeg.encoders import ENCODERS, Encoder
from app.ffmpeg.parts import Look, PartOrder, part_work
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.workroom import Workroom
from tests.ffmpeg.clips import tool
from tests.ffmpeg.rooms import Governor, workroom

_SECONDS, _RATE = 2, 30


def print_errors(heights: Sequence[int], names: Sequence[str]) -> None:
    """Print the error of each prediction, and at the end the mean and the worst; no `names`: all encoders."""
    encoders = [encoder for encoder in ENCODERS if not names or encoder.name in names]
    asyncio.run(_predict(heights, encoders))


async def _predict(heights: Sequence[int], encoders: Sequence[Encoder]) -> None:
    room, errors = workroom(Governor(total_bytes=64 << 30)), []
    with tempfile.TemporaryDirectory() as name:
        for height in heights:
            source = _film(Path(name) / f"{height}.mp4", height)
            for encoder in encoders:
                for profile in Profile:
                    predicted, peak = await _measured(room, source, encoder, profile)
                    errors.append(predicted / peak - 1)
                    print(
                        f"{encoder.name:12} {height:5}p {profile.name:9}"
                        f" peak {peak / MIB:6.0f} MiB, predicted {predicted / MIB:6.0f}, {errors[-1]:+5.0%}",
                        flush=True,
                    )
    mean = sum(map(abs, errors)) / len(errors)
    print(f"{len(errors)} runs: mean error {mean:.1%}, from {min(errors):+.0%} to {max(errors):+.0%}")


def _film(path: Path, height: int) -> Path:
    picture = f"testsrc2=s={height * 16 // 9 // 2 * 2}x{height}:r={_RATE}:d={_SECONDS},noise=alls=10:allf=t"
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p")
    subprocess.run([tool(), "-v", "error", "-y", "-f", "lavfi", "-i", picture, *codec, path], check=True)
    return path


async def _measured(room: Workroom, source: Path, encoder: Encoder, profile: Profile) -> tuple[int, int]:
    """Return what is predicted for one encode, and its peak."""
    video = (await room.probe(source, "video/mp4")).video
    assert video is not None
    look = Look(encoder, video.width, video.height, 66)
    span = Span(0.0, float(_SECONDS), _SECONDS * _RATE)
    order = PartOrder(source, "video/mp4", video, float(_SECONDS), span, None, look)
    report = await room.run(part_work(order, Rung(profile), source.with_name("out.mp4")))
    return report.predicted_bytes, report.peak_bytes
