"""What kinds that encode video have in common: what is asked of the machine, one part, the finished file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from app.domain.units import MIB
from app.errors import InvalidMedia, InvalidParameter
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.encoders import Encoder, available_codecs, find_encoder
from app.ffmpeg.ladder import best_rung, every_rung
from app.ffmpeg.parts import PartOrder, part_work
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.running import MARGIN
from app.ffmpeg.works import Expectation, Report, Work
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_LENGTH_SLACK_SECONDS = 0.1

MakePart = Callable[[PartOrder, Rung, Path], Work]
"""Returns the run that writes a part to a path."""


def encoder_for(codec: str, abilities: Abilities) -> Encoder:
    """Return the encoder of a codec.

    Raises:
        InvalidParameter: this machine has none; `available` are the codecs that it has.
    """
    encoder = find_encoder(codec, abilities)
    if encoder is None:
        there = available_codecs(abilities)
        raise InvalidParameter(
            f"videoCodec: this machine's ffmpeg cannot encode {codec}, only {', '.join(there) or 'nothing'}.",
            available=there,
        )
    return encoder


def planned(
    steps: Sequence[Step],
    cost: Callable[[Rung], int],
    means: Means,
    disk_bytes: int,
    chunk_seconds: float | None = None,
    least_bytes: int = 0,
) -> Plan:
    """Return the plan of a job that encodes: with the best profile that can ever fit; `least_bytes`: what another step
    reserves.

    Raises:
        MemoryExceedsLimit: not even the least rung can; with both numbers.
    """
    most_bytes = int(means.limit_bytes / MARGIN)
    rung, cost_bytes = best_rung(cost, most_bytes)
    costs = [(rung, cost(rung)) for rung in every_rung(rung.profile)]
    return Plan(
        steps,
        max(int(cost_bytes * MARGIN), least_bytes),
        disk_bytes + 8 * MIB,
        rung.profile.name,
        ways=tuple((rung, max(int(one * MARGIN), least_bytes)) for rung, one in costs if one <= most_bytes),
        chunk_seconds=chunk_seconds,
    )


def part_before(done: Sequence[Json], encoder: Encoder) -> Json | None:
    """Return which of the parts that are done another one goes by: the first, or, where all have to be alike, the least
    one; None: there is none."""
    if encoder.is_uniform:
        return min(done, key=lambda one: Profile[one["profile"]], default=None)
    return done[0] if done else None


async def encode_part(
    order: PartOrder, target: Path, shop: Workshop, before: Json | None, make: MakePart = part_work
) -> Json:
    """Encode one part to `target`; `before` is what the step of a part before it returned (`part_before`), None: this
    is the first.

    All parts have the size of the first, and no better profile: the joined file is one picture, of steady quality.
    Where its parameters stand before the first frame only, the same profile is waited for (then `alike.make_alike`).
    """
    highest = Profile.HIGH if before is None else Profile[before["profile"]]
    fixed = None if before is None else before["maxHeight"]

    def rung_for(rung: Rung) -> Rung:
        return rung if before is None else replace(rung, max_height=fixed)

    least = highest if before is not None and order.look.encoder.is_uniform else Profile.LOW
    report = await shop.ffmpeg.encode(lambda rung: make(order, rung_for(rung), target), highest, shop.progress, least)
    return part_json(order, report, rung_for)


def part_json(order: PartOrder, report: Report, rung_for: Callable[[Rung], Rung]) -> Json:
    """Return what later steps need of a part."""
    assert report.rung is not None
    return {
        "frames": report.frames or 0,
        "seconds": order.span.seconds if order.grid is None else order.frames / order.grid.rate,
        "start": order.span.start if order.grid is None else order.grid.start,
        "profile": report.rung.profile.name,
        "maxHeight": rung_for(report.rung).max_height,
    }


async def check_file(path: Path, content_type: str, expect: Expectation, shop: Workshop) -> Json:
    """Look at a finished video from the outside, before anybody is told that it is one; return what it is.

    Raises:
        InvalidMedia: it has not the frames or the length that it should.
    """
    probe = await shop.ffmpeg.probe(path, content_type)
    times = await shop.ffmpeg.timestamps(path, content_type)
    if probe.video is None or (expect.frames is not None and abs(len(times) - expect.frames) > expect.frames_slack):
        raise InvalidMedia(f"The result has {len(times)} frames where there should be {expect.frames}.")
    length = times[-1] - times[0]
    if expect.seconds is not None and length > expect.seconds + _LENGTH_SLACK_SECONDS:
        raise InvalidMedia(f"The result lasts {length:.3f} s where it should be {expect.seconds:.3f} s.")
    return {
        "width": probe.video.width,
        "height": probe.video.height,
        "frames": len(times),
        "durationSeconds": probe.duration_seconds,
        "frameRate": probe.video.frame_rate,
        "videoCodec": probe.video.codec,
        "audioCodec": None if probe.audio is None else probe.audio.codec,
    }


def result_name(source: Source, extension: str) -> str:
    """Return what a result is called: as its source, with another extension."""
    return f"{PurePath(source.item.name).stem or 'video'}.{extension}"
