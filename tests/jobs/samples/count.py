"""A kind for tests: steps that wait, fail or crash as they are told, and keep what they counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from app.errors import InvalidMedia, InvalidParameter, MemoryExceedsLimit, Overloaded, WorkerFailed
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop

_ERRORS = {"broken": InvalidMedia, "crashed": WorkerFailed, "starved": Overloaded}


class CountParams(JobParams):
    steps: int = Field(3, ge=1, le=100)
    step_seconds: float = Field(0.0, ge=0, le=60)
    predicted_bytes: int = 1 << 20
    disk_bytes: int = 1 << 20
    trouble: str | None = Field(None, pattern="^(broken|crashed|starved|unknown)$")
    trouble_times: int = 1000


class Count(JobKind[CountParams]):
    """Step i writes a line "i" to `count.txt`, and a line to `begun.log` in the folder above for each beginning."""

    name = "count"
    summary = "Counts."
    max_inputs = 10
    params = CountParams

    def plan(self, sources: Sequence[Source], params: CountParams, means: Means) -> Plan:
        if params.predicted_bytes > means.limit_bytes:
            raise MemoryExceedsLimit("Too large.", neededBytes=params.predicted_bytes, limitBytes=means.limit_bytes)
        if sources[0].is_picture and params.steps == 99:
            raise InvalidParameter("params.steps: not 99 of a picture.")
        steps = [Step(f"count-{index}", f"counting part {index + 1} of {params.steps}", args={"index": index})
                 for index in range(params.steps)]  # fmt: skip
        return Plan(steps, params.predicted_bytes, params.disk_bytes, "LOW")

    async def do(self, step: Step, params: CountParams, shop: Workshop) -> Json:
        index = step.args["index"]
        log = shop.file("begun.log").parents[1] / "begun.log"
        with log.open("a") as file:
            file.write(f"{shop.job_id} {index}\n")
        begun = log.read_text().count(f"{shop.job_id} {index}\n")
        if params.trouble and index == params.steps - 1 and begun <= params.trouble_times:
            raise _ERRORS[params.trouble]("As it was told.") if params.trouble in _ERRORS else RuntimeError("unknown")
        part = shop.file(f"count-{index}.part.txt")
        part.write_text(str(index))
        for share in range(10):
            await asyncio.sleep(params.step_seconds / 10)
            await shop.progress(share / 10)
        part.rename(shop.file(f"count-{index}.txt"))
        if index < params.steps - 1:
            return {"index": index}
        result = shop.file("count.txt")
        result.write_text("".join(shop.file(f"count-{one}.txt").read_text() for one in range(params.steps)))
        return {"index": index, "media": await shop.keep(result, "count.json", "application/json")}

    def summary_of(self, params: CountParams, results: Sequence[Json]) -> dict[str, Any]:
        return {"steps": params.steps, "counted": [result["index"] for result in results]}
