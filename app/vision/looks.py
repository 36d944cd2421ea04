"""One planned look at a picture: the first plan that fits, a leased model, the call, and what was learned of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.domain.receipt import Receipt
from app.errors import MemoryExceedsLimit
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.vision.model_key import ModelKey
from app.vision.plan import AnalysisPlan
from app.vision.result import AnalysisResult
from app.vision.trackers import Tracker
from app.vision.vision import Vision
from app.workers.pool import NoWorker


class Looks:
    """Has children look at pictures, each within what was reserved for it once its model was leased."""

    def __init__(self, vision: Vision, governor: Governor) -> None:
        self._vision = vision
        self._governor = governor

    async def look(
        self, key: ModelKey, picture: Picture, plans: Sequence[AnalysisPlan], tracker: Tracker | None = None
    ) -> AnalysisResult:
        """Look at a picture by the first of `plans` that can ever fit beside what is held meanwhile.

        Raises:
            MemoryExceedsLimit: none can.
            BallastError: see `MemoryBudget.reserve` and `Vision.analyze`.
        """
        encoded_bytes, mode = len(picture.data), self._governor.mode
        plan = self._fitting(plans, key, 2 * encoded_bytes)
        parts = {"decode": plan.decode_bytes + encoded_bytes}
        grant = partial(picture.granted, parts, f"vision:{key.task.name}")
        try:
            async with self._vision.lease(key, picture, grant, tracker) as lease:
                reply = await self._vision.analyze(lease, key, picture, plan, tracker)
        except NoWorker:  # its children died between the lease and the call, and none follows by itself
            async with self._vision.lease(key, picture, grant) as lease:
                reply = await self._vision.analyze(lease, key, picture, plan)
        if reply.peak_bytes is not None:
            self._governor.forecast.observe(plan.operation, plan.formula_bytes, reply.peak_bytes)
        self._governor.trimmer.request()
        head = reply.head
        return AnalysisResult(
            task=key.task.name,
            model=lease.model.key.asset.stem,
            width=head["width"],
            height=head["height"],
            analyzed_width=head["analyzedWidth"],
            analyzed_height=head["analyzedHeight"],
            output=plan.output,
            payload=reply.payload,
            queued_seconds=reply.queued_seconds,
            decode_seconds=head["decodeSeconds"],
            inference_seconds=head["inferenceSeconds"],
            receipt=Receipt(sum(parts.values()), reply.peak_bytes, mode),
            reduced=plan is not plans[0],
        )

    def _fitting(self, plans: Sequence[AnalysisPlan], key: ModelKey, picture_bytes: int) -> AnalysisPlan:
        """Return the first plan that can ever fit beside its model and what the picture itself takes.

        Nothing is refused for what changes: a model that has grown leaves for a new one, and what was learned of the
        operation counts only as far as there is room.

        Raises:
            MemoryExceedsLimit: none can, by the formula and the smallest model.
        """
        limit_bytes = self._governor.budget.limit_bytes
        beside_bytes = self._vision.held_bytes(key) + picture_bytes
        for plan in plans:
            if plan.decode_bytes + beside_bytes <= limit_bytes:
                return plan
        plan, least_bytes = plans[-1], self._vision.least_held_bytes(key) + picture_bytes
        needed_bytes = plan.formula_bytes + least_bytes
        if needed_bytes <= limit_bytes:
            plan = replace(plan, decode_bytes=min(plan.decode_bytes, limit_bytes - least_bytes))
            self._vision.replace_large(key, plan.decode_bytes + picture_bytes)
            return plan
        raise MemoryExceedsLimit(
            f"The picture and its worker need {needed_bytes} bytes, and {limit_bytes} can ever be given.",
            neededBytes=needed_bytes,
            limitBytes=limit_bytes,
        )
