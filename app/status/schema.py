"""JSON shapes of everything about memory."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.domain.pressure import FFmpegProfile, ProcessingMode
from app.http.schema import Schema

Share = Annotated[float, AfterValidator(lambda value: round(value, 4))]
Age = Annotated[float, AfterValidator(lambda value: round(value, 3))]


class HolderSchema(Schema):
    owner: str
    reserved_bytes: int
    resident_bytes: int
    age_seconds: Age


class BudgetSchema(Schema):
    total_bytes: int
    reserved_bytes: int
    free_bytes: int
    waiting: int
    granted_total: int
    shed_total: int
    shed_by_reason: dict[str, int]
    holders: list[HolderSchema]


class ProcessSchema(Schema):
    pid: int
    role: str
    owner: str | None
    rss_bytes: int
    uss_bytes: int | None
    peak_rss_bytes: int


class ModelSchema(Schema):
    task: str
    state: str
    resident_bytes: int
    idle_seconds: float | None


class PsiSchema(Schema):
    """Percent of the last 10 s; `host` where the figures are the machine's (cgroup v1)."""

    some_avg10: float
    full_avg10: float
    host: bool


class CacheSourceSchema(Schema):
    entries: int
    size_bytes: int


class CacheFilesSchema(Schema):
    entries: int
    size_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evictions: int


class CacheSchema(Schema):
    """What is kept in memory, of which source; look-ups in memory and then in `files`."""

    entries: int
    size_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    hit_rate: Share
    evictions: int
    by_source: dict[str, CacheSourceSchema]
    files: CacheFilesSchema


class TempSourceSchema(Schema):
    count: int
    total_bytes: int


class TempFilesSchema(Schema):
    count: int
    total_bytes: int
    by_source: dict[str, TempSourceSchema]


class UploadsSchema(Schema):
    active: int
    bytes: int


class StreamsSchema(Schema):
    active: int
    frames: int
    dropped: int
    skipped: int


class ReclaimedSchema(Schema):
    runs: int
    bytes: int
    last_at: datetime | None


class GcSchema(Schema):
    collections: int
    trims: int
    frozen_objects: int


class ForecastSchema(Schema):
    operation: str
    predicted_bytes: int
    observed_bytes: int
    ratio: Share
    calls: int


class LastOomSchema(Schema):
    """What the run before was doing when it ended without a clean shutdown.

    `counter`: the kernel counted an OOM kill since; `inferred`: there is just no clean end.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    evidence: Literal["counter", "inferred"]


class JobAdviceSchema(Schema):
    """What a job would take. `runs_now`: it could be submitted, and begun, now; `reason` says why not.

    `profile` and `predicted_bytes`: those with which it would begin now, by what is free and what the mode allows.
    """

    kind: str
    runs_now: bool
    reason: str | None
    predicted_bytes: int | None
    disk_bytes: int | None
    profile: str | None
    steps: int | None
    chunk_seconds: float | None


class AdviceSchema(Schema):
    """How work would be done now. `chunk_bytes` is how much of a file should be handled at a time."""

    level: str
    mode: ProcessingMode
    fits: bool
    needed_bytes: int
    free_bytes: int
    largest_grant_bytes: int
    workers: int
    chunk_bytes: int
    analysis_width: int
    analysis_height: int
    frame_stride: int
    ffmpeg_profile: FFmpegProfile
    job: JobAdviceSchema | None = Field(None, description="Where a stored item and a kind of job were named.")


class ReclaimerSchema(Schema):
    """What one reclaimer freed; `error` is there if it failed."""

    name: str
    freed_bytes: int
    seconds: Share
    error: str | None = None


class ReclaimReportSchema(Schema):
    freed_bytes: int
    reclaimers: list[ReclaimerSchema]


class LevelSchema(Schema):
    """The pressure level at the last sample, and why it is what it is."""

    level: str
    mode: ProcessingMode
    pressure: Share
    reasons: list[str]
    working_set_bytes: int
    limit_bytes: int
    sampled_at: datetime


class MemorySchema(LevelSchema):
    """The last sample and the ledger. Nothing is measured for it, so it cannot hang."""

    limit_source: str
    available_bytes: int
    host_available_bytes: int | None
    psi: PsiSchema | None
    budget: BudgetSchema
    unaccounted_bytes: int
    processes: list[ProcessSchema]
    models: list[ModelSchema]
    cache: CacheSchema
    temp_files: TempFilesSchema
    uploads: UploadsSchema
    streams: StreamsSchema
    reclaimed: ReclaimedSchema
    gc: GcSchema
    forecast: list[ForecastSchema]
    oom_kills: int
    oom_group: bool
    last_oom: LastOomSchema | None
    sandbox: dict[str, object]


class MarkSchema(Schema):
    """`level`: it became this one, because of `reasons`; `shed`: so many requests were refused, for `reason`."""

    at: datetime
    kind: Literal["level", "shed"]
    level: str | None = None
    reasons: list[str] | None = None
    reason: str | None = None
    count: int | None = None


class HistorySchema(Schema):
    """A row has a number an interval, the oldest first: of the moment in it when the working set was largest.

    `null` where nothing was measured. `holders` are the resident bytes of each kind of owner.
    """

    interval_seconds: int
    started_at: datetime
    working_set_bytes: list[int | None]
    reserved_bytes: list[int | None]
    limit_bytes: list[int | None]
    levels: list[str | None]
    holders: dict[str, list[int | None]]
    marks: list[MarkSchema]
