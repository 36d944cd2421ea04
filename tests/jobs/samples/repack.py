"""A kind for tests: a video in another container, by the real ffmpeg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from app.domain.units import MIB
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Expectation, Work
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop


class RepackParams(JobParams):
    """`rate`: how many times as fast as it is played it is read, at most."""

    rate: float = Field(100.0, ge=0.01, le=100)


class Repack(JobKind[RepackParams]):
    name = "repack"
    summary = "Copies the streams of a video into Matroska."
    params = RepackParams

    def plan(self, sources: Sequence[Source], params: RepackParams, means: Means) -> Plan:
        del params, means
        sources[0].video  # noqa: B018 - it must have one
        return Plan([Step("repack", "copying")], 64 * MIB, 2 * sources[0].item.size_bytes)

    async def do(self, step: Step, params: RepackParams, shop: Workshop) -> Json:
        del step
        (source,), output = shop.sources, shop.file("repacked.mkv")
        async with shop.local(source) as path:
            work = Work(
                arguments=[
                    *("-readrate", str(params.rate)),
                    *guarded_input(path, DEMUXERS[source.item.content_type]),
                    *("-map", "0", "-c", "copy", "-f", "matroska", f"file:{output}"),
                ],
                cost_bytes=64 * MIB,
                threads=1,
                reads=(path,),
                writes=(output.parent,),
                file_bytes=4 * source.item.size_bytes + MIB,
                seconds=source.duration_seconds,
                expect=Expectation(seconds=source.duration_seconds, seconds_slack=0.5),
            )
            report = await shop.ffmpeg.run(work, shop.progress)
        return {"id": await shop.keep(output, "repacked.mkv", "video/x-matroska"), "peak": report.peak_bytes}

    def summary_of(self, params: RepackParams, results: Sequence[Json]) -> dict[str, Any]:
        del params
        return dict(results[0])
