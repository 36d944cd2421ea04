"""Metrics of memory: the limit and what is used of it, the ledger, processes and the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from app.core import Core
from app.memory.refusal import REASONS
from app.status.families import counter, counters, gauge, gauges, histogram

_OWNERS = (
    "api", "cache", "connections", "download", "events", "picture", "probe", "resumable", "storage", "stream", "upload",
    "zygote",
)  # fmt: skip
"""Owners in the ledger, besides those of each task: so that a series is there before its first byte."""

_OWNERS_OF_TASKS = ("model", "tracker", "vision")

_ROLES = ("api", "ffmpeg", "vision", "zygote")


class MemoryMetrics:
    """`tasks` are the names of the vision tasks."""

    def __init__(self, core: Core, tasks: Sequence[str]) -> None:
        self._core = core
        self._owners = [*_OWNERS, *(f"{kind}:{task}" for kind in _OWNERS_OF_TASKS for task in tasks)]

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._memory()
        yield from self._ledger()
        yield from self._processes()
        yield from self._cache()

    def _memory(self) -> Iterator[Metric]:
        governor = self._core.governor
        sample = governor.sample
        yield gauge("memory_limit_bytes", "The memory limit of the process tree.", sample.limit_bytes)
        yield gauge("memory_working_set_bytes", "What the kernel cannot take back.", sample.working_set_bytes)
        yield gauge("memory_pressure_ratio", "Working set over limit.", sample.pressure)
        yield gauge("memory_pressure_level", "0 LOW, 1 MODERATE, 2 HIGH, 3 CRITICAL.", governor.level)
        yield counter("memory_level_changes", "Changes of the pressure level.", governor.level_changes)
        yield counter("memory_oom_kills", "OOM kills that the kernel counted.", sample.oom_kills)
        yield counter("memory_child_kills", "Children that the governor killed.", governor.kills)
        reclaimed = governor.reclaim.statistics()
        yield counter("memory_reclaim_runs", "Runs of the reclaimers.", reclaimed.runs)
        yield counter("memory_reclaimed_bytes", "Bytes that the reclaimers freed.", reclaimed.freed_bytes)

    def _ledger(self) -> Iterator[Metric]:
        budget = self._core.governor.budget
        statistics = budget.statistics()
        yield gauge("memory_budget_bytes", "The part of the limit that may be reserved.", statistics.total_bytes)
        yield gauge("memory_free_bytes", "What could be granted now.", max(0, statistics.free_bytes))
        yield gauge("memory_waiting_requests", "Requests that wait for bytes.", statistics.waiting)
        reserved = dict.fromkeys(self._owners, 0)
        resident = dict.fromkeys(self._owners, 0)
        for holder in statistics.holders:
            reserved[holder.owner] = reserved.get(holder.owner, 0) + holder.reserved_bytes
            resident[holder.owner] = resident.get(holder.owner, 0) + holder.resident_bytes
        yield gauges("memory_reserved_bytes", "Promised bytes by owner.", "owner", reserved)
        yield gauges("memory_resident_bytes", "Seen bytes by owner.", "owner", resident)
        unaccounted = self._core.governor.sample.working_set_bytes - sum(resident.values())
        yield gauge("memory_unaccounted_bytes", "Working set that no holder has.", unaccounted)
        yield counter("memory_grants", "Reservations granted.", statistics.granted_total)
        shed = dict.fromkeys(REASONS, 0) | dict(statistics.shed_total)
        yield counters("requests_shed", "Requests refused for memory.", "reason", shed)
        waits = (((priority.name.lower(),), waited) for priority, waited in budget.waits.items())
        words = "How long requests waited for bytes, of those that had to."
        yield histogram("memory_wait_seconds", words, ("class",), waits)

    def _processes(self) -> Iterator[Metric]:
        governor = self._core.governor
        by_role = dict.fromkeys(_ROLES, 0)
        for process in governor.sample.processes:
            role = governor.role(process.pid)
            by_role[role] = by_role.get(role, 0) + process.rss_bytes
        yield gauges("process_resident_memory_bytes", "Resident memory of processes by role.", "role", by_role)
        started = dict.fromkeys(_ROLES, 0) | dict(governor.started)
        yield counters("processes_started", "Processes that were started, by role.", "role", started)

    def _cache(self) -> Iterator[Metric]:
        cache = self._core.cache.statistics()
        memory, files = cache.memory, cache.files
        by_source = {name: one.entries for name, one in memory.by_source.items()}
        yield gauge("cache_entries", "Entries of the cache in memory.", memory.entries)
        yield gauge("cache_bytes", "Bytes of the cache in memory.", memory.size_bytes)
        yield gauges("cache_source_entries", "Entries of the cache in memory by source.", "source", by_source)
        yield gauge("cache_files_entries", "Files of the cache.", files.entries)
        yield gauge("cache_files_bytes", "Bytes in files of the cache.", files.size_bytes)
        yield counter("cache_hits", "Look-ups that found something.", cache.hits)
        yield counter("cache_misses", "Look-ups that found nothing.", cache.misses)
        yield counter("cache_evictions", "Entries in memory that had to go for others.", memory.evictions)
        yield counter("cache_files_evictions", "Files that had to go for others.", files.evictions)
