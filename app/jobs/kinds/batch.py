"""`batch`: many pictures through image parameters, or through a vision task."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.units import KIB, MIB
from app.errors import InvalidParameter, UnsupportedMedia
from app.images.params import read_transform
from app.images.presets import Presets
from app.images.wishes import STORING
from app.jobs.frames.picture_lines import Looked, Made, PictureLine, Rendered
from app.jobs.frames.task_params import chosen_task, face_search, named_as_params
from app.jobs.kind import JobKind, TaskLook
from app.jobs.params import JobParams
from app.jobs.plan import Json, Plan, Step
from app.jobs.source import Source
from app.jobs.workshop import Means, Workshop
from app.vision.tally import total

_PICTURES_A_STEP = 50
_AT_A_TIME = 2
"""One that is worked on, and one that is ready for it."""

_PICTURE_BYTES = 96 * MIB
"""What working on one takes that is not extraordinary; each is reserved by its own header."""

_LINE_BYTES = 8 * KIB

NDJSON = "application/x-ndjson"


class BatchParams(JobParams):
    """Parameters of the task, or of images, stand beside `task`."""

    model_config = ConfigDict(extra="allow")

    task: Annotated[
        str | None,
        Field(
            description="A vision task, its parameters beside this one; without it those of GET /v1/images/operations."
        ),
    ] = None
    preset: Annotated[
        str | None,
        Field(description="A name from BALLAST_IMAGE__PRESETS; parameters of images beside it override it."),
    ] = None


class Batch(JobKind[BatchParams]):
    name = "batch"
    summary = "many pictures through image parameters, or through a vision task"
    max_inputs = 10_000
    params = BatchParams

    def usual(self, sources: Sequence[Source]) -> dict[str, Any]:  # noqa: ARG002
        return {"width": 640}

    def looks(self, params: BatchParams, means: Means) -> Sequence[TaskLook]:
        work = _work(params.task, _values(params, means.presets))
        if isinstance(work, Looked):
            return ((work.task, work.params),)
        return (face_search(),) if work.transform.needs_faces else ()

    def plan(self, sources: Sequence[Source], params: BatchParams, means: Means) -> Plan:
        values = _values(params, means.presets)
        work, kept = _work(params.task, values), {} if params.preset is None else {"params": values}
        for source in sources:
            if not source.is_picture:
                raise UnsupportedMedia(f"input: {source.item.id} is {source.item.content_type}, no picture.")
        count = -(-len(sources) // _PICTURES_A_STEP)
        steps = [
            Step(
                f"pictures-{number + 1:04d}",
                f"pictures, part {number + 1} of {count}",
                weight=min(_PICTURES_A_STEP, len(sources) - number * _PICTURES_A_STEP),
                args={"first": number * _PICTURES_A_STEP, **kept},
            )
            for number in range(count)
        ]
        steps.append(Step("write", "writing the result", weight=1.0))
        disk_bytes = 2 * _LINE_BYTES * len(sources) + MIB
        if isinstance(work, Rendered):
            disk_bytes += sum(max(source.item.size_bytes, 256 * KIB) for source in sources)
        model_bytes = work.task.model_bytes if isinstance(work, Looked) else 0
        predicted_bytes = min(means.limit_bytes, _PICTURE_BYTES + model_bytes)
        return Plan(steps, predicted_bytes, disk_bytes, needs=_needs(work))

    async def do(self, step: Step, params: BatchParams, shop: Workshop) -> Json:
        if step.name == "write":
            return await _write(shop)
        work = _work(params.task, step.args.get("params", params.model_extra or {}))
        first = step.args["first"]
        chosen = list(enumerate(shop.sources))[first : first + _PICTURES_A_STEP]
        problems: Counter[str] = Counter()
        tallies = []
        async with shop.files.part(shop.file(f"{step.name}.ndjson")) as file:
            for at in range(0, len(chosen), _AT_A_TIME):
                for line in await _lines(work, chosen[at : at + _AT_A_TIME], shop):
                    await file.write(line.text)
                    problems[line.code] += 1
                    tallies.append(line.tally)
                await shop.progress(min(1.0, (at + _AT_A_TIME) / len(chosen)))
        return {"problems": dict(problems), "tally": total(tallies).as_dict()}

    def summary_of(self, params: BatchParams, results: Sequence[Json]) -> dict[str, Any]:
        """Pictures, how many succeeded, problems by their code; of a task, what was found."""
        parts = [one for one in results if "problems" in one]
        codes: Counter[str] = Counter()
        for part in parts:
            codes.update(part["problems"])
        succeeded, pictures = codes.pop("", 0), sum(sum(part["problems"].values()) for part in parts)
        found: dict[str, Any] = {}
        if params.task is not None:
            counted = total(part["tally"] for part in parts).as_dict()
            names = ("framesWithDetections", "detections", "labels")
            found = {"task": params.task, **{name.replace("frames", "pictures"): counted[name] for name in names}}
        return {
            "pictures": pictures,
            "succeeded": succeeded,
            "failed": pictures - succeeded,
            "problems": dict(sorted(codes.items())),
            **found,
        }


def _values(params: BatchParams, presets: Presets) -> Mapping[str, Any]:
    """Return the parameters of the task, or of images: those of the preset, which the others override.

    What a preset says of how its answer is given (`STORING`) is nothing to a batch.

    Raises:
        InvalidParameter: there is no such preset, or a task beside it.
    """
    values = params.model_extra or {}
    if params.preset is None:
        return values
    if params.task is not None:
        raise InvalidParameter("preset: it stands for parameters of images; leave task out.")
    with named_as_params():
        applied = presets.applied({**values, "preset": params.preset})
    return {name: value for name, value in applied.items() if name in values or name not in STORING}


def _work(task: str | None, values: Mapping[str, Any]) -> Looked | Rendered:
    """Return what is done with each picture.

    Raises:
        InvalidParameter: there is no such task or parameter.
    """
    if task is not None:
        return Looked(*chosen_task(task, values))
    if not values:
        raise InvalidParameter("task: say a vision task, or what is to become of the pictures (width, format, ...).")
    with named_as_params():
        return Rendered(read_transform(values))


def _needs(work: Looked | Rendered) -> Mapping[str, str]:
    mark = work.transform.params("watermark") if isinstance(work, Rendered) else None
    return {} if mark is None else {"watermark": mark.watermark}


async def _lines(
    work: Looked | Rendered, pictures: Sequence[tuple[int, Source]], shop: Workshop
) -> Sequence[PictureLine]:
    """Work on some pictures at the same time, and keep what was made in order; return their lines in order."""
    try:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(work.done(index, source, shop)) for index, source in pictures]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    done = [one.result() for one in working]
    return [await one.kept(shop) if isinstance(one, Made) else one for one in done]


async def _write(shop: Workshop) -> Json:
    path, names = shop.file("batch.ndjson"), sorted(name for name in shop.results if name.startswith("pictures-"))
    parts = [shop.file(f"{name}.ndjson") for name in names]
    await shop.files.join(parts, path)
    await shop.keep(path, "batch.ndjson", NDJSON)
    return {}
