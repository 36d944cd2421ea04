"""Prometheus metrics: read where they are kept at each scrape, nothing is counted twice.

Every series is there from the start, and the values of each label are few and known: docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.status.jobs_metrics import JobsMetrics
from app.status.memory_metrics import MemoryMetrics
from app.status.room import StatusRoom
from app.status.server_metrics import ServerMetrics
from app.status.storage_metrics import StorageMetrics
from app.status.vision_metrics import VisionMetrics


def render(status: StatusRoom, accept: str = "") -> tuple[bytes, str]:
    """Return the metrics and their content type: OpenMetrics where the field `accept` has it, else the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ServiceCollector(status))
    ProcessCollector(registry=registry)  # open files, start, CPU time: under the names that all services have
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _ServiceCollector(Collector):
    def __init__(self, status: StatusRoom) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        status = self._status
        is_ready, listeners = not status.reasons(), status.audience.size
        yield from ServerMetrics(status.core.traffic, is_ready=is_ready, listeners=listeners).collect()
        yield from MemoryMetrics(status.core, list(status.vision.vision.tasks)).collect()
        yield from StorageMetrics(status.media, status.watch).collect()
        yield from VisionMetrics(status.vision).collect()
        yield from JobsMetrics(status.jobs).collect()
