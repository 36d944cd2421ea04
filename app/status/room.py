"""What operators and probes may ask of the service."""

from __future__ import annotations

from dataclasses import dataclass

from app.core import Core
from app.http.audience import Audience
from app.images.room import ImagesRoom
from app.media.room import MediaRoom
from app.status.advice import Advisor
from app.vision.room import VisionRoom


@dataclass(frozen=True, slots=True)
class StatusRoom:
    """It looks into everything else, and changes nothing of it."""

    core: Core
    media: MediaRoom
    vision: VisionRoom
    images: ImagesRoom
    advisor: Advisor
    audience: Audience


async def open_status(core: Core, media: MediaRoom, vision: VisionRoom, images: ImagesRoom) -> StatusRoom:
    advisor = Advisor(core.governor, vision.analysis, vision.instances)
    audience = Audience(core.governor.budget, core.settings.server.max_event_streams)
    return StatusRoom(core, media, vision, images, advisor, audience)
