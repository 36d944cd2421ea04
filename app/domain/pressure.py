"""Pressure levels, and what each of them changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum


class PressureLevel(IntEnum):
    """Working set over the limit: below 0.70, 0.80, 0.90, above (`settings.memory` holds the thresholds)."""

    LOW = 0
    MODERATE = 1
    HIGH = 2
    CRITICAL = 3


class ProcessingMode(StrEnum):
    FULL_QUALITY = "FULL_QUALITY"
    BALANCED = "BALANCED"
    MEMORY_OPTIMIZED = "MEMORY_OPTIMIZED"
    SURVIVAL = "SURVIVAL"


class FFmpegProfile(StrEnum):
    HIGH = "HIGH"
    BALANCED = "BALANCED"
    LOW = "LOW"
    MINIMAL = "MINIMAL"


@dataclass(frozen=True, slots=True)
class ModePolicy:
    """What one processing mode does.

    `analysis_scale` multiplies the configured analysis size (640x480 becomes 320x240 at 0.5). Of a stream's frames
    every `frame_stride`-th is analysed. `cache_share` is the part of the cache's limit that may be used.
    `encoder_effort` is the part of the default encoder effort. `worker_share` is the part of the configured workers.
    With `light_models` a task that has several models uses the one that takes least memory.
    """

    mode: ProcessingMode
    analysis_scale: float
    frame_stride: int
    grants_trackers: bool
    keeps_trackers: bool
    keeps_idle_models: bool
    light_models: bool
    cache_share: float
    encoder_effort: float
    worker_share: float
    ffmpeg_profile: FFmpegProfile
    serves_requests: bool
    serves_batches: bool


_LOW = ModePolicy(
    mode=ProcessingMode.FULL_QUALITY,
    analysis_scale=1.0,
    frame_stride=1,
    grants_trackers=True,
    keeps_trackers=True,
    keeps_idle_models=True,
    light_models=False,
    cache_share=1.0,
    encoder_effort=1.0,
    worker_share=1.0,
    ffmpeg_profile=FFmpegProfile.HIGH,
    serves_requests=True,
    serves_batches=True,
)
_MODERATE = replace(
    _LOW,
    mode=ProcessingMode.BALANCED,
    grants_trackers=False,
    cache_share=0.5,
    encoder_effort=0.5,
    ffmpeg_profile=FFmpegProfile.BALANCED,
)
_HIGH = replace(
    _MODERATE,
    mode=ProcessingMode.MEMORY_OPTIMIZED,
    analysis_scale=0.5,
    frame_stride=2,
    keeps_trackers=False,
    keeps_idle_models=False,
    light_models=True,
    cache_share=0.0,
    encoder_effort=0.25,
    worker_share=0.5,
    ffmpeg_profile=FFmpegProfile.LOW,
)
_CRITICAL = replace(
    _HIGH,
    mode=ProcessingMode.SURVIVAL,
    frame_stride=4,
    encoder_effort=0.0,
    worker_share=0.0,
    ffmpeg_profile=FFmpegProfile.MINIMAL,
    serves_requests=False,
    serves_batches=False,
)

POLICIES: dict[PressureLevel, ModePolicy] = {
    PressureLevel.LOW: _LOW,
    PressureLevel.MODERATE: _MODERATE,
    PressureLevel.HIGH: _HIGH,
    PressureLevel.CRITICAL: _CRITICAL,
}
"""The one table that every room obeys (docs/architecture.md); each level says what it changes of the one below."""
