"""Metrics of jobs, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.jobs.counters import REASONS
from app.jobs.room import JobsRoom
from app.jobs.states import FINISHED, UNFINISHED
from app.status.families import counter, counters, gauge

Pairs = Mapping[tuple[str, str], float]


class JobsMetrics:
    def __init__(self, room: JobsRoom) -> None:
        self._room = room
        self._kinds = sorted(room.submissions.kinds)

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        counted, present = self._room.counters, self._room.tickets.count()
        unfinished = {(kind, state.value): float(present[kind, state]) for kind in self._kinds for state in UNFINISHED}
        states = sorted(state.value for state in FINISHED)
        yield _gauges("jobs_active", "Jobs that are not finished.", ("kind", "state"), unfinished)
        yield counters("jobs_submitted", "Jobs that were submitted.", "kind", self._each(counted.submitted))
        finished = self._pairs(counted.finished, states)
        yield _counters("jobs_finished", "Jobs that ended.", ("kind", "state"), finished)
        reasons = sorted({*REASONS, *(reason for _, reason in counted.failures)})
        failures = self._pairs(counted.failures, reasons)
        yield _counters("jobs_failed", "Jobs that failed, by the code of the problem.", ("kind", "reason"), failures)
        yield counters("job_work_seconds", "Time for which steps were at work.", "kind", self._each(counted.seconds))
        result_bytes = self._each(counted.result_bytes)
        yield counters("job_result_bytes", "Bytes of results.", "kind", result_bytes)
        yield counters("job_retries", "Steps that were begun again.", "kind", self._each(counted.retries))
        taken = self._each(counted.takeovers)
        yield counters("jobs_taken_over", "Jobs taken back from machines that were silent.", "kind", taken)
        yield from self._service()

    def _service(self) -> Iterator[Metric]:
        room = self._room
        yield gauge("steps_running", "Steps that are at work.", room.slots.taken)
        yield gauge("job_files_bytes", "Bytes in folders of jobs.", room.folders.written_bytes)
        yield gauge("jobs_child_up", "Whether the jobs child is there.", room.engine.is_running)
        yield counter("jobs_child_starts", "Starts of the jobs child.", room.counters.engine_starts)
        yield counter("jobs_child_deaths", "Ends of it that nobody asked for.", room.counters.engine_deaths)
        yield counter("webhooks_sent", "Webhooks that were taken.", room.counters.webhooks_sent)
        yield counter("webhooks_failed", "Attempts at webhooks that were not.", room.counters.webhooks_failed)

    def _each(self, values: Mapping[str, float]) -> Mapping[str, float]:
        return {kind: values.get(kind, 0) for kind in self._kinds}

    def _pairs(self, values: Mapping[tuple[str, str], int], others: Iterable[str]) -> Pairs:
        return {(kind, other): values.get((kind, other), 0) for other in others for kind in self._kinds}


def _gauges(name: str, help_text: str, labels: tuple[str, str], values: Pairs) -> Metric:
    family = GaugeMetricFamily(f"ballast_{name}", help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counters(name: str, help_text: str, labels: tuple[str, str], values: Pairs) -> Metric:
    family = CounterMetricFamily(f"ballast_{name}", help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
