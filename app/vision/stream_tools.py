"""What all streams work with, and are counted in."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.media.pictures import Pictures
from app.memory.governor import Governor
from app.settings import VisionSettings
from app.vision.analysis import Analysis


@dataclass(slots=True)
class StreamCounters:
    """Over all streams; `active` ones are open now, `refused` found no place, or no memory."""

    active: int = 0
    frames: int = 0
    dropped: int = 0
    skipped: int = 0
    opened: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class StreamTools:
    """What all sessions work with."""

    analysis: Analysis
    governor: Governor
    pictures: Pictures
    settings: VisionSettings
    counters: StreamCounters = field(default_factory=StreamCounters)
