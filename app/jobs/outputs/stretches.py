"""Parts of a time lapse: encoded one by one, all alike, and joined to one video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.ffmpeg.joining import Joined, join_work
from app.ffmpeg.parts import Look, most_video_bytes
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.works import Expectation, Work
from app.jobs.outputs.encoding import check_file, result_name
from app.jobs.plan import Json, Step
from app.jobs.workshop import Workshop


async def encode_stretch(step: Step, shop: Workshop, make: Callable[[Profile, Path], Work]) -> Json:
    """Encode a part: no better than the first one, so that all are alike, and of the size that was planned."""
    target = shop.file(f"{step.name}.mp4")
    first = next((one for name, one in shop.results.items() if name.startswith("part-") and one["frames"]), None)
    highest = Profile.HIGH if first is None else Profile[first["profile"]]

    def work(rung: Rung) -> Work:
        return make(rung.profile, target)

    report = await shop.ffmpeg.encode(work, highest, shop.progress)
    assert report.rung is not None
    return {"frames": report.frames or 0, "profile": report.rung.profile.name, "peakBytes": report.peak_bytes}


async def join_stretches(look: Look, rate: float, shop: Workshop) -> Json:
    """Join what was encoded, look at it from the outside, and keep it as `video/mp4`.

    Raises:
        InvalidMedia: the result is not what it should be.
    """
    found = sorted((name, one) for name, one in shop.results.items() if name.startswith("part-") and one["frames"])
    joined = Joined(
        parts=[(shop.file(f"{name}.mp4"), one["frames"] / rate) for name, one in found],
        frames=sum(one["frames"] for _, one in found),
        size_bytes=most_video_bytes(look, sum(one["frames"] for _, one in found)),
    )
    target = shop.file("joined.mp4")
    await shop.ffmpeg.run(join_work(joined, None, shop.file("parts.txt"), target, "mp4"), shop.progress)
    told = await check_file(target, "video/mp4", Expectation(joined.frames, seconds=joined.seconds), shop)
    await shop.keep(target, result_name(shop.sources[0], "mp4"), "video/mp4")
    return {**told, "profiles": sorted({one["profile"] for _, one in found})}
