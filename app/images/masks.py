"""Masks for videos, drawn in the imaging children into a file of the caller's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from app.domain.face_style import FaceStyle
from app.domain.priority import Priority
from app.domain.region import Region
from app.domain.units import MIB
from app.images.children import ImagingChildren
from app.memory.customer import Customer
from app.memory.empty_handed import EmptyHanded
from app.memory.governor import Governor
from app.workers.channel import Message
from app.workers.pool import NoWorker

MASK_SIDE = 480
"""Pixels of the longer side: an edge is blurred by 4 pixels in a picture of 1920."""

_AT_A_TIME = 300
"""Masks of one call: 0.2 s."""

_WAIT_SECONDS = 60.0
_DEADLINE_SECONDS = 60.0
_BYTES = 8 * MIB


class Masks:
    """Draws masks under BATCH priority."""

    def __init__(self, children: ImagingChildren, governor: Governor) -> None:
        self._children = children
        self._governor = governor

    @staticmethod
    def size(width: int, height: int) -> tuple[int, int]:
        """Return the size of masks for pictures of this size."""
        scale = min(1.0, MASK_SIDE / max(width, height))
        return max(2, round(width * scale)), max(2, round(height * scale))

    async def draw(
        self, frames: Sequence[Sequence[Region]], size: tuple[int, int], shape: str, target: int, client: str
    ) -> int:
        """Append one PNG for each list of regions to the file `target`, an open descriptor; return how many bytes.

        `shape`: `oval`, the ellipse in each region, or `box`.

        Raises:
            Overloaded, MemoryExceedsLimit: there is no memory for it now, or ever.
            BallastError: see `WorkerPool.call`.
        """
        written = 0
        for first in range(0, len(frames), _AT_A_TIME):
            regions = [
                [[round(side, 5) for side in (one.x, one.y, one.width, one.height)] for one in frame]
                for frame in frames[first : first + _AT_A_TIME]
            ]
            head = {"masks": {"width": size[0], "height": size[1], "shape": shape}, "peakBytes": _BYTES}
            message = Message(head, json.dumps(regions, separators=(",", ":")).encode(), (target,))
            written += await self._call(message, client)
        return written

    async def _call(self, message: Message, client: str) -> int:
        waiter = EmptyHanded(Customer(Priority.BATCH, client, _WAIT_SECONDS))
        while True:
            with self._children.expected():
                await self._children.present(waiter)
                async with waiter.granted(self._governor.budget, {"masks": _BYTES}, "image"):
                    try:
                        reply = await self._children.call(message, _DEADLINE_SECONDS, waiter.customer, repeatable=False)
                    except NoWorker:  # the child left before the call
                        continue
                    return int(reply.head["sizeBytes"])


def drawn_as(style: FaceStyle) -> str:
    """Return the shape of a style's masks."""
    return _SHAPES[style]


_SHAPES: Mapping[FaceStyle, str] = {"blur": "oval", "pixelate": "box", "solid": "box", "oval": "oval"}
