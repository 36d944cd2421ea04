"""Everything that is known about memory, as one document: read without a system call, a lock or a wait."""

from __future__ import annotations

from app.memory.governor import Governor
from app.services import Services
from app.status.schema import (
    BudgetSchema,
    CacheSchema,
    ForecastSchema,
    GcSchema,
    HolderSchema,
    LastOomSchema,
    MemorySchema,
    ModelSchema,
    ProcessSchema,
    PsiSchema,
    ReclaimedSchema,
    StreamsSchema,
    TempFilesSchema,
    TempSourceSchema,
    UploadsSchema,
)


def memory_report(services: Services) -> MemorySchema:
    """Return everything that is known about memory."""
    governor = services.governor
    sample = governor.sample
    budget = _budget(governor)
    reclaimed = governor.reclaim.statistics()
    last = governor.last_oom
    return MemorySchema(
        level=governor.level.name,
        mode=governor.mode,
        pressure=round(sample.pressure, 4),
        reasons=list(governor.reasons),
        limit_bytes=sample.limit_bytes,
        limit_source=sample.limit_source,
        working_set_bytes=sample.working_set_bytes,
        available_bytes=sample.available_bytes,
        host_available_bytes=sample.host_available_bytes,
        psi=_psi(governor),
        budget=budget,
        unaccounted_bytes=sample.working_set_bytes - sum(holder.resident_bytes for holder in budget.holders),
        processes=_processes(governor),
        models=_models(services),
        cache=_cache(services),
        temp_files=_temp_files(services),
        uploads=_uploads(services),
        streams=_streams(services),
        reclaimed=ReclaimedSchema(runs=reclaimed.runs, bytes=reclaimed.freed_bytes, last_at=reclaimed.last_at),
        gc=_gc(governor),
        forecast=_forecast(governor),
        last_oom=None if last is None else LastOomSchema(evidence=last.evidence, **last.snapshot),
        oom_kills=sample.oom_kills,
        oom_group=sample.oom_group,
        sandbox=services.vision.sandbox(),
        sampled_at=sample.sampled_at,
    )


def _budget(governor: Governor) -> BudgetSchema:
    statistics = governor.budget.statistics()
    return BudgetSchema(
        total_bytes=statistics.total_bytes,
        reserved_bytes=statistics.reserved_bytes,
        free_bytes=statistics.free_bytes,
        waiting=statistics.waiting,
        granted_total=statistics.granted_total,
        shed_total=sum(statistics.shed_total.values()),
        shed_by_reason=dict(statistics.shed_total),
        holders=[
            HolderSchema(
                owner=holder.owner,
                reserved_bytes=holder.reserved_bytes,
                resident_bytes=holder.resident_bytes,
                age_seconds=round(holder.age_seconds, 3),
            )
            for holder in statistics.holders
        ],
    )


def _psi(governor: Governor) -> PsiSchema | None:
    psi = governor.sample.psi
    if psi is None:
        return None
    return PsiSchema(some_avg10=psi.some_avg10, full_avg10=psi.full_avg10, host=psi.host)


def _processes(governor: Governor) -> list[ProcessSchema]:
    return [
        ProcessSchema(
            pid=process.pid,
            role=governor.role(process.pid),
            rss_bytes=process.rss_bytes,
            uss_bytes=process.uss_bytes,
            peak_rss_bytes=process.peak_rss_bytes,
        )
        for process in governor.sample.processes
    ]


def _models(services: Services) -> list[ModelSchema]:
    return [
        ModelSchema(
            task=status.task,
            state=status.state.value,
            resident_bytes=status.resident_bytes,
            idle_seconds=status.idle_seconds,
        )
        for status in services.vision.statuses()
    ]


def _cache(services: Services) -> CacheSchema:
    cache = services.cache.statistics()
    return CacheSchema(
        entries=cache.entries,
        size_bytes=cache.size_bytes,
        limit_bytes=cache.limit_bytes,
        hits=cache.hits,
        misses=cache.misses,
        hit_rate=round(cache.hit_rate, 4),
    )


def _temp_files(services: Services) -> TempFilesSchema:
    files = services.store.temp_files.statistics()
    by_source = {
        name: TempSourceSchema(count=source.count, total_bytes=source.total_bytes)
        for name, source in files.by_source.items()
    }
    return TempFilesSchema(count=files.count, total_bytes=files.total_bytes, by_source=by_source)


def _uploads(services: Services) -> UploadsSchema:
    uploads = services.uploads.statistics()
    return UploadsSchema(active=uploads.active, bytes=uploads.received_bytes)


def _streams(services: Services) -> StreamsSchema:
    counters = services.streams.counters
    return StreamsSchema(
        active=counters.active, frames=counters.frames, dropped=counters.dropped, skipped=counters.skipped
    )


def _gc(governor: Governor) -> GcSchema:
    trim = governor.trimmer.statistics()
    return GcSchema(collections=trim.collections, trims=trim.trims, frozen_objects=trim.frozen_objects)


def _forecast(governor: Governor) -> list[ForecastSchema]:
    return [
        ForecastSchema(
            operation=entry.operation,
            predicted_bytes=entry.predicted_bytes,
            observed_bytes=entry.observed_bytes,
            ratio=round(entry.ratio, 4),
            calls=entry.calls,
        )
        for entry in governor.forecast.statistics()
    ]
