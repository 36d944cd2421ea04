"""What operators and probes may ask of the service."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.core import Core
from app.domain.pressure import PressureLevel
from app.http.audience import Audience
from app.images.room import ImagesRoom
from app.jobs.room import JobsRoom
from app.media.room import MediaRoom
from app.status.advice import Advisor
from app.status.history import MemoryHistory
from app.storage.watch import StorageWatch
from app.vision.room import VisionRoom


@dataclass(frozen=True, slots=True)
class StatusRoom:
    """It looks into everything else, and changes nothing of it."""

    core: Core
    media: MediaRoom
    vision: VisionRoom
    images: ImagesRoom
    jobs: JobsRoom
    advisor: Advisor
    audience: Audience
    watch: StorageWatch
    history: MemoryHistory

    def reasons(self) -> list[str]:
        """Return why new work is not welcome now; empty: it is. Nothing is asked of anybody."""
        found = [*self.vision.vision.troubles(), *self.images.images.children.troubles, *self.watch.troubles()]
        if self.core.governor.level >= PressureLevel.CRITICAL:
            found += [f"memory is critical: {reason}" for reason in self.core.governor.reasons]
        if self.core.lifecycle.leaving:
            found.append("the service is shutting down")
        return found


async def open_status(
    core: Core, media: MediaRoom, vision: VisionRoom, images: ImagesRoom, jobs: JobsRoom, stack: AsyncExitStack
) -> StatusRoom:
    """Build it on the other rooms; what it looks at in the background ends with the stack."""
    watch = StorageWatch(core.store, core.settings.storage)
    await stack.enter_async_context(core.background(watch.run))
    advisor = Advisor(core.governor, vision.analysis, vision.instances)
    history = MemoryHistory(core.governor)
    await stack.enter_async_context(core.background(history.run))
    return StatusRoom(core, media, vision, images, jobs, advisor, jobs.audience, watch, history)
