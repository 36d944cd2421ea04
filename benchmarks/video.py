"""FFmpeg's peak memory against what is predicted: `python -m benchmarks.video predict [HEIGHTS] [ENCODERS]`.

Each run is reserved, caged and watched as in the service. Heights are such as `360,720,1080`. The table has the error
of each prediction, its end the mean and the worst.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
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


def main() -> None:
    words = sys.argv[1:]
    if not words or words[0] != "predict":
        sys.exit(__doc__)
    heights = [int(height) for height in (words[1] if len(words) > 1 else "360,720").split(",")]
    names = words[2].split(",") if len(words) > 2 else [encoder.name for encoder in ENCODERS]
    asyncio.run(_predict(heights, [encoder for encoder in ENCODERS if encoder.name in names]))


async def _predict(heights: list[int], encoders: list[Encoder]) -> None:
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


if __name__ == "__main__":
    main()
