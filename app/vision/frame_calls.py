"""One call of a vision child for frames of a video: leased, made, and its answer checked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.domain.priority import Priority
from app.errors import Overloaded, WorkerFailed
from app.memory.customer import Customer
from app.memory.empty_handed import EmptyHanded
from app.memory.governor import Governor
from app.vision.frame_request import FrameRequest
from app.vision.lease import Lease
from app.vision.model_key import ModelKey
from app.vision.search_cost import search_seconds
from app.vision.tally import total
from app.vision.vision import Vision
from app.workers.channel import Message
from app.workers.reply import Reply

WAIT_SECONDS = 60.0
"""How long one call, or a model, is waited for before the step is tried again later."""

_FRAME_SECONDS = 0.1
"""By how much each frame of a call puts its deadline off."""


@dataclass(frozen=True, slots=True)
class FrameCall:
    """`frames` are members of a `segment.Stretch`; `first` is the number of the next frame, `most` how many may be
    taken out of the pipe whose reading end is `descriptor`."""

    descriptor: int
    first: int
    most: int
    frames: Mapping[str, Any]


class FrameCalls:
    """Makes them, under BATCH priority."""

    def __init__(self, vision: Vision, governor: Governor, deadline_seconds: float) -> None:
        self.vision = vision
        self._governor = governor
        self._deadline_seconds = deadline_seconds

    def lend(self, key: ModelKey, request: FrameRequest) -> AbstractAsyncContextManager[Lease]:
        """Lend a model and what a call takes beside it; see `Vision.lend`."""
        waiter = EmptyHanded(Customer(Priority.BATCH, request.client, WAIT_SECONDS))
        parts = {"frames": self.predicted_bytes(request)}
        grant = partial(waiter.granted, self._governor.budget, parts, f"vision:{key.task.name}")
        return self.vision.lend(key, waiter, grant)

    def predicted_bytes(self, request: FrameRequest) -> int:
        """Return what is reserved for the calls of a request, beside the model."""
        return self._governor.forecast.predict(request.operation, request.extra_bytes)

    async def call(self, lease: Lease, key: ModelKey, request: FrameRequest, call: FrameCall) -> Reply:
        """Have the leased model take frames out of a pipe.

        Raises:
            Overloaded: memory is critical, the model had to leave, or was not free in time: no frame was taken.
            WorkerFailed: it died, and frames are lost; or its answer is broken.
            BallastError: see `Segment.look`.
        """
        if not self._governor.policy.serves_batches:
            raise Overloaded("Memory is critical: videos are not looked at now.", retry_after_seconds=5)
        frames = {**call.frames, "most": call.most, "bytes": self.predicted_bytes(request)}
        searching = 0.0 if request.follow_every is None else search_seconds(request.width, request.height)
        reply = await lease.model.pool.call(
            Message(
                {"task": key.task.name, "frames": frames},
                f"{request.subject} {call.first}".encode(),
                (call.descriptor,),
            ),
            deadline_seconds=self._deadline_seconds + call.most * _FRAME_SECONDS + searching,
            repeatable=False,
            priority=Priority.BATCH,
            client=request.client,
        )
        if reply.peak_bytes is not None:
            self._governor.forecast.observe(request.operation, request.extra_bytes, reply.peak_bytes)
        _check(reply, call.most)
        return reply


def _check(reply: Reply, most: int) -> None:
    """Refuse an answer that no child gives which was not taken over by what it saw."""
    head = reply.head
    try:
        frames = total([head["tally"]]).frames
        if not 0 <= frames == reply.payload.count(b"\n") <= most or not isinstance(head["known"], list):
            raise ValueError(frames)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WorkerFailed("The worker's reply is broken.") from error
