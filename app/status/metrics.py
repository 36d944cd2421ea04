"""Prometheus metrics: read where they are kept at each scrape, nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.status.room import StatusRoom


def render(status: StatusRoom) -> tuple[bytes, str]:
    """Return the metrics and their content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ServiceCollector(status))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _ServiceCollector(Collector):
    def __init__(self, status: StatusRoom) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        yield from self._memory()
        yield from self._ledger()
        yield from self._processes()
        yield from self._work()
        yield from self._cache()

    def _memory(self) -> Iterator[Metric]:
        governor = self._status.core.governor
        sample = governor.sample
        yield _gauge("memory_limit_bytes", "The memory limit of the process tree.", sample.limit_bytes)
        yield _gauge("memory_working_set_bytes", "What the kernel cannot take back.", sample.working_set_bytes)
        yield _gauge("memory_pressure_ratio", "Working set over limit.", sample.pressure)
        yield _gauge("memory_pressure_level", "0 LOW, 1 MODERATE, 2 HIGH, 3 CRITICAL.", governor.level)
        yield _counter("memory_level_changes", "Changes of the pressure level.", governor.level_changes)
        yield _counter("memory_oom_kills", "OOM kills that the kernel counted.", sample.oom_kills)
        yield _counter("memory_child_kills", "Children that the governor killed.", governor.kills)
        reclaimed = governor.reclaim.statistics()
        yield _counter("memory_reclaim_runs", "Runs of the reclaimers.", reclaimed.runs)
        yield _counter("memory_reclaimed_bytes", "Bytes that the reclaimers freed.", reclaimed.freed_bytes)

    def _ledger(self) -> Iterator[Metric]:
        statistics = self._status.core.governor.budget.statistics()
        yield _gauge("memory_budget_bytes", "The part of the limit that may be reserved.", statistics.total_bytes)
        yield _gauge("memory_free_bytes", "What could be granted now.", max(0, statistics.free_bytes))
        yield _gauge("memory_waiting_requests", "Requests that wait for bytes.", statistics.waiting)
        reserved: dict[str, int] = {}
        resident: dict[str, int] = {}
        for holder in statistics.holders:
            reserved[holder.owner] = reserved.get(holder.owner, 0) + holder.reserved_bytes
            resident[holder.owner] = resident.get(holder.owner, 0) + holder.resident_bytes
        yield _gauges("memory_reserved_bytes", "Promised bytes by owner.", "owner", reserved)
        yield _gauges("memory_resident_bytes", "Seen bytes by owner.", "owner", resident)
        unaccounted = self._status.core.governor.sample.working_set_bytes - sum(resident.values())
        yield _gauge("memory_unaccounted_bytes", "Working set that no holder has.", unaccounted)
        yield _counter("memory_grants", "Reservations granted.", statistics.granted_total)
        yield _counters("requests_shed", "Requests refused for memory.", "reason", statistics.shed_total)

    def _processes(self) -> Iterator[Metric]:
        governor = self._status.core.governor
        by_role: dict[str, int] = {}
        for process in governor.sample.processes:
            role = governor.role(process.pid)
            by_role[role] = by_role.get(role, 0) + process.rss_bytes
        yield _gauges("process_resident_memory_bytes", "Resident memory of processes by role.", "role", by_role)
        models = self._status.vision.vision.models
        counters, running = models.counters, sum(len(model.pool.children) for model in models)
        yield _gauge("workers_running", "Vision workers that are up.", running)
        yield _counter("workers_started", "Vision workers that were started.", counters.started)
        yield _counter("workers_died", "Vision workers that ended without being asked to.", counters.died)
        yield _counter("worker_calls", "Calls to vision workers.", counters.calls)
        yield _counter("worker_retries", "Calls that were repeated after a worker died.", counters.retried)

    def _work(self) -> Iterator[Metric]:
        media, vision = self._status.media, self._status.vision
        models = {status.task: status.resident_bytes for status in vision.vision.statuses() if status.resident_bytes}
        yield _gauge("models_loaded", "Tasks whose model is loaded.", len(models))
        yield _gauges("model_resident_bytes", "What loading a task's models took.", "task", models)
        streams = vision.streams.counters
        yield _gauge("streams_active", "Streams that are open.", streams.active)
        yield _counter("stream_frames", "Frames received.", streams.frames)
        yield _counter("stream_dropped_frames", "Frames replaced by newer ones.", streams.dropped)
        yield _counter("stream_skipped_frames", "Frames skipped on purpose.", streams.skipped)
        uploads = media.uploads.statistics()
        yield _gauge("uploads_active", "Uploads that are coming in.", uploads.active)
        files = media.store.temp_files.statistics()
        by_source = {name: source.total_bytes for name, source in files.by_source.items()}
        yield _gauge("tempfiles", "Temporary files.", files.count)
        yield _gauges("tempfiles_bytes", "Bytes in temporary files by source.", "source", by_source)
        usage = media.store.usage()
        yield _gauge("storage_stored_bytes", "Bytes of stored media.", usage.stored_bytes)

    def _cache(self) -> Iterator[Metric]:
        cache = self._status.core.cache.statistics()
        memory, files = cache.memory, cache.files
        yield _gauge("cache_entries", "Entries of the cache in memory.", memory.entries)
        yield _gauge("cache_bytes", "Bytes of the cache in memory.", memory.size_bytes)
        by_source = {name: one.entries for name, one in memory.by_source.items()}
        yield _gauges("cache_source_entries", "Entries of the cache in memory by source.", "source", by_source)
        yield _gauge("cache_files_entries", "Files of the cache.", files.entries)
        yield _gauge("cache_files_bytes", "Bytes in files of the cache.", files.size_bytes)
        yield _counter("cache_hits", "Look-ups that found something.", cache.hits)
        yield _counter("cache_misses", "Look-ups that found nothing.", cache.misses)
        yield _counter("cache_evictions", "Entries in memory that had to go for others.", memory.evictions)
        yield _counter("cache_files_evictions", "Files that had to go for others.", files.evictions)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ballast_{name}", help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(f"ballast_{name}", help_text, value=value)


def _gauges(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"ballast_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counters(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"ballast_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
