"""Metrics of the service as a server: requests, connections, readiness, and which build it is."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, InfoMetricFamily, Metric

from app import __version__
from app.server.traffic import Traffic
from app.status.families import counter, counters, gauge, gauges, histogram


class ServerMetrics:
    """`is_ready`: what readiness says now; `listeners`: who listens to server-sent events."""

    def __init__(self, traffic: Traffic, *, is_ready: bool, listeners: int) -> None:
        self._traffic = traffic
        self._is_ready = is_ready
        self._listeners = listeners

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("ballast_build", "Which build this is.", value=build)
        yield gauge("ready", "Whether new work is welcome, as /health/ready says.", self._is_ready)
        yield from self._requests()
        yield from self._connections()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "ballast_http_requests", "Requests that are over.", labels=["route", "method", "status"]
        )
        for route in self._traffic.routes:
            for status, count in route.statuses.items():
                requests.add_metric([route.route, route.method, status], count)
        yield requests
        seconds = (((route.route, route.method), route.seconds) for route in self._traffic.routes)
        words = "From the head of a request to the last byte of its answer; streams are left out."
        yield histogram("http_request_seconds", words, ("route", "method"), seconds)

    def _connections(self) -> Iterator[Metric]:
        traffic = self._traffic
        received_bytes, sent_bytes = traffic.received_bytes, traffic.sent_bytes
        yield counter("http_received_bytes", "Bytes that came over all connections.", received_bytes)
        yield counter("http_sent_bytes", "Bytes that were written to all connections.", sent_bytes)
        yield gauges("connections", "Open connections by state.", "state", traffic.states())
        yield counter("connections_accepted", "Connections that were made.", traffic.accepted)
        refused = "Connections that had no slot: they are told 503, or cut."
        yield counters("connections_refused", refused, "reason", traffic.refused())
        yield gauge("event_listeners", "Who listens to server-sent events.", self._listeners)
