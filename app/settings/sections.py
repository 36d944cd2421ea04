"""What each room is given: its own section, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from app.domain.units import GIB, MIB
from app.settings.values import Bytes, Presets, Seconds, Section, Share, parse_bytes


class MemorySettings(Section):
    limit: Bytes | None = Field(
        None, gt=0, description="The memory limit of the whole process tree; unset: the cgroup's."
    )
    budget_share: Share = Field(0.85, description="The part of the limit that may be reserved.")
    moderate_share: Share = Field(0.70, description="Working set over limit from which the level is MODERATE.")
    high_share: Share = Field(0.80, description="Working set over limit from which the level is HIGH.")
    critical_share: Share = Field(0.90, description="Working set over limit from which the level is CRITICAL.")
    kill_share: Share = Field(0.95, description="Working set over limit at which a child is killed, an idle one first.")
    hysteresis_share: float = Field(0.03, ge=0, lt=0.2, description="How far below a threshold a level is left.")
    host_low: Bytes = Field(500 * MIB, description="Available memory of the host below which the level is HIGH.")
    host_critical: Bytes = Field(200 * MIB, description="Available memory of the host below which it is CRITICAL.")
    psi_some: float = Field(20.0, gt=0, le=100, description="PSI some avg10 (percent) that raises the level to HIGH.")
    sample_seconds: float = Field(1.0, gt=0, description="Sampling period at LOW.")
    fast_sample_seconds: float = Field(0.25, gt=0, description="Sampling period above LOW.")
    detail_seconds: float = Field(10.0, gt=0, description="Period of the expensive samples (USS).")
    cache: Bytes | None = Field(
        None, description="Bytes of the cache in memory; unset: 4 % of the limit, at most 64 MiB."
    )
    wait_seconds: Seconds = Field(10.0, description="How long a request waits for bytes before it is shed.")
    max_waiting: int = Field(256, ge=1, description="How many requests may wait for bytes.")
    client_share: float = Field(0.5, gt=0, le=1, description="Share of these places that one client may have.")
    recycle_share: float = Field(
        0.0, ge=0, le=1, description="API resident memory over limit at which the API drains and exits 75; 0: never."
    )

    @model_validator(mode="after")
    def _thresholds_rise(self) -> MemorySettings:
        for lower, higher in pairwise(("moderate_share", "high_share", "critical_share", "kill_share")):
            if getattr(self, lower) >= getattr(self, higher):
                raise ValueError(
                    f"BALLAST_MEMORY__{higher.upper()} ({getattr(self, higher):g}) is not above "
                    f"BALLAST_MEMORY__{lower.upper()} ({getattr(self, lower):g}): the shares must rise, "
                    "moderate < high < critical < kill"
                )
        if self.host_critical > self.host_low:
            raise ValueError(
                f"BALLAST_MEMORY__HOST_CRITICAL ({self.host_critical} bytes) is above "
                f"BALLAST_MEMORY__HOST_LOW ({self.host_low} bytes)"
            )
        return self


class StorageSettings(Section):
    """What every storage back end has. A back end adds its own settings in its file (`app.storage.discovery`)."""

    root: Path = Field(Path("var"), description="Where media, temporary files and state are kept.")
    quota: Bytes | None = Field(None, description="Bytes that stored media and temporary files may take in all.")
    free_floor: Bytes = Field(256 * MIB, description="Free space of the file system that is never touched.")
    client_share: Share = Field(
        0.25, description="The part that one client may take of the room for spools, promises and resumable uploads."
    )
    ttl_seconds: Seconds = Field(0, description="Age at which a media item is removed; 0: never.")
    watch_seconds: float = Field(
        5.0, gt=0, description="How often it is looked whether the disk takes a write and the store answers."
    )
    cache: Bytes = Field(GIB, description="Bytes of files of the cache below the root; they give way. 0: none.")
    fsync: bool = Field(True, description="Sync a file and its folder before an upload is answered.")
    hang_seconds: float = Field(
        30.0, gt=0, description="Time in which the disk must do something; then what needs it is answered 503."
    )
    shared_paths: bool = Field(False, description="Answers carry the absolute filePath (front end on this machine).")
    allow_tmpfs: bool = Field(False, description="Accept a storage root on tmpfs, which is memory.")
    backend: str = Field("local", description="Where media is kept: local (below the root), or s3 (an object store).")


_INLINE_BYTES = 50 * MIB


class UploadSettings(Section):
    max_bytes: Bytes = Field(10 * GIB, description="Size of the largest upload.")
    inline_max_bytes: Bytes = Field(
        _INLINE_BYTES, description="Size up to which an answer carries the bytes themselves."
    )
    idle_seconds: float = Field(30.0, gt=0, description="Time without a body byte after which an upload is dropped.")
    digest: Literal["sha256", "none"] = Field("sha256", description="Digest taken while the bytes come in.")
    probe_seconds: float = Field(
        2.0, gt=0, description="How long an answer waits for width, duration and so on; then they come later."
    )
    expire_seconds: float = Field(86400.0, gt=0, description="Idle time after which a resumable upload is removed.")
    begin_seconds: float = Field(
        600.0, gt=0, description="Time in which the first byte of a resumable upload must come, or it is removed."
    )
    max_resumable: int = Field(1000, ge=1, description="Resumable uploads that may be unfinished at a time.")

    @model_validator(mode="before")
    @classmethod
    def _default_gives_way(cls, values: Any) -> Any:
        """Only who asks for it contradicts: with smaller uploads than the default inline limit, all are inline."""
        if not isinstance(values, dict) or values.get("inline_max_bytes", _INLINE_BYTES) != _INLINE_BYTES:
            return values
        with suppress(ValueError):  # it is refused below
            max_bytes = parse_bytes(values.get("max_bytes"))
            if isinstance(max_bytes, int) and 0 <= max_bytes < _INLINE_BYTES:
                return {**values, "inline_max_bytes": max_bytes}
        return values

    @model_validator(mode="after")
    def _inline_limit_fits(self) -> UploadSettings:
        if self.inline_max_bytes > self.max_bytes:
            raise ValueError(
                f"BALLAST_UPLOAD__INLINE_MAX_BYTES ({self.inline_max_bytes} bytes) is above "
                f"BALLAST_UPLOAD__MAX_BYTES ({self.max_bytes} bytes)"
            )
        return self


class ImageSettings(Section):
    max_bytes: Bytes = Field(25 * MIB, le=60 * MIB, description="Size of the largest picture that is transformed.")
    max_pixels: int = Field(50_000_000, gt=0, description="Decoded pixels x frames of one picture.")
    presets: Presets = Field(
        {}, description="Named parameters: thumb:width=320&fit=cover; card:width=800 (or a JSON object)."
    )
    max_age_seconds: Seconds = Field(3600, description="How long a browser may keep a derived picture unasked.")
    max_frames: int = Field(500, ge=1, description="Frames of the longest animation that stays one.")
    deadline_seconds: float = Field(30.0, gt=0, description="Time after which the work on a picture is given up.")
    workers: int | None = Field(
        None, ge=1, le=64, description="Pictures that are worked on at a time; unset: one a core, within the quota."
    )
    idle_seconds: float = Field(60.0, gt=0, description="Idle time after which an imaging worker ends.")


class VisionSettings(Section):
    max_bytes: Bytes = Field(5 * MIB, description="Size of the largest picture or frame.")
    max_width: int = Field(640, ge=64, le=4096, description="Width at which pictures are analysed.")
    max_height: int = Field(480, ge=64, le=4096, description="Height at which pictures are analysed.")
    idle_seconds: float = Field(300.0, gt=0, description="Idle time after which a model is unloaded.")
    workers: int | None = Field(
        None, ge=1, le=64, description="Pictures of a task at a time; unset: one a core, within the quota."
    )
    deadline_seconds: float = Field(10.0, gt=0, description="Time after which an analysis is given up.")
    load_seconds: float = Field(30.0, gt=0, description="Time that starting a worker and loading a model may take.")
    stream_idle_seconds: float = Field(60.0, gt=0, description="Time without a message after which a stream closes.")
    max_streams: int = Field(64, ge=1, description="Streams that may be open at a time.")


class JobsSettings(Section):
    database_url: str | None = Field(
        None,
        repr=False,
        pattern=r"^(postgresql|sqlite)(\+\w+)?://",
        description="The database of jobs: postgresql://... for several machines; unset: files below the root.",
        json_schema_extra={"secret": True},
    )
    run: bool = Field(
        True, description="Whether jobs are worked on; else they are only taken in, for others or a later run."
    )
    workers: int | None = Field(
        None, ge=1, le=64, description="Steps of jobs that are done at a time; unset: one for two cores."
    )
    max_queued: int = Field(1000, ge=1, description="Jobs that may wait to be begun.")
    keep_seconds: Seconds = Field(7 * 86400.0, description="How long a finished job is kept; 0: for ever.")
    idle_seconds: float = Field(60.0, gt=0, description="Time without unfinished jobs after which the jobs child ends.")
    start_seconds: float = Field(60.0, gt=0, description="Time that starting the jobs child may take.")
    step_seconds: float = Field(6 * 3600.0, gt=0, description="Time after which one step of a job is given up.")
    tries: int = Field(3, ge=1, description="How often a step that fails by no fault of its input is begun.")
    webhook_secret: str = Field(
        "",
        repr=False,
        description="What webhooks are signed with (HMAC-SHA256).",
        json_schema_extra={"secret": True},
    )
    webhook_private: bool = Field(False, description="Let webhooks go to private, loopback and link-local addresses.")
    webhook_seconds: float = Field(10.0, gt=0, description="Time that the receiver of a webhook has to answer.")


class VideoSettings(Section):
    """What a video may have to be worked on by jobs; it may be stored whatever it has."""

    ffmpeg: Path | None = Field(None, description="The ffmpeg to use; unset: on PATH, else in imageio-ffmpeg.")
    ffprobe: Path | None = Field(None, description="The ffprobe to use; unset: on PATH.")
    max_seconds: float = Field(43_200.0, gt=0, description="Length of the longest video or sound of a job (12 hours).")
    max_pixels: int = Field(35_389_440, gt=0, description="Pixels of the largest frame of a job (8192x4320).")
    max_fps: float = Field(240.0, gt=0, description="Frames a second of the fastest video of a job.")
    max_pixels_per_second: int = Field(
        2_123_366_400, gt=0, description="Pixels of a frame x frames a second of a job's video (8192x4320 at 60)."
    )


class ModelSettings(Section):
    dir: Path = Field(Path("models"), description="Where the model bundles are.")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line that is logged.")
    access: bool = Field(False, description="Log a line for each request.")
