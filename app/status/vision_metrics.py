"""Metrics of vision: children, models and streams."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from app.domain.histogram import Histogram
from app.status.families import counter, counters, gauge, gauges, histogram
from app.vision.room import VisionRoom


class VisionMetrics:
    def __init__(self, room: VisionRoom) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._children()
        yield from self._models()
        yield from self._streams()

    def _children(self) -> Iterator[Metric]:
        models = self._room.vision.models
        tally = models.nursery.surroundings.tally
        counted, running = models.counters, sum(len(model.pool.children) for model in models)
        yield gauge("workers_running", "Vision workers that are up.", running)
        yield counter("workers_started", "Vision workers that were started.", counted.started)
        yield counter("workers_died", "Vision workers that ended without being asked to.", counted.died)
        endings = {ending.name.lower(): count for ending, count in tally.endings.items()}
        yield counters("worker_endings", "Vision workers that ended, by cause.", "cause", endings)
        ready = "From the start of a vision worker until its model is loaded."
        yield histogram("worker_ready_seconds", ready, (), [((), tally.ready_seconds)])
        yield counter("worker_calls", "Calls to vision workers.", counted.calls)
        yield counter("worker_retries", "Calls that were repeated after a worker died.", counted.retried)

    def _models(self) -> Iterator[Metric]:
        vision = self._room.vision
        resident = {status.task: status.resident_bytes for status in vision.statuses()}
        yield gauge("models_loaded", "Tasks whose model is loaded.", sum(size > 0 for size in resident.values()))
        yield gauges("model_resident_bytes", "What a task's models take.", "task", resident)
        loads = (((task,), vision.models.load_seconds.get(task) or Histogram()) for task in resident)
        yield histogram("model_load_seconds", "How long loading a model took.", ("task",), loads)

    def _streams(self) -> Iterator[Metric]:
        streams = self._room.streams.counters
        yield gauge("streams_active", "Streams that are open.", streams.active)
        yield counter("streams_opened", "Streams that were opened.", streams.opened)
        yield counter("streams_refused", "Streams for which there was no place, or no memory.", streams.refused)
        yield counter("stream_frames", "Frames received.", streams.frames)
        yield counter("stream_dropped_frames", "Frames replaced by newer ones.", streams.dropped)
        yield counter("stream_skipped_frames", "Frames skipped on purpose.", streams.skipped)
