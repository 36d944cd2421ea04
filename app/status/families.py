"""Families of metrics as prometheus_client has them, with our prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.domain.histogram import Histogram


def gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ballast_{name}", help_text, value=value)


def counter(name: str, help_text: str, value: float) -> Metric:
    """Return a counter; `_total` is added to its name."""
    return CounterMetricFamily(f"ballast_{name}", help_text, value=value)


def gauges(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"ballast_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def counters(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"ballast_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def histogram(
    name: str, help_text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    """Return a histogram for each tuple of values of the labels."""
    family = HistogramMetricFamily(f"ballast_{name}", help_text, labels=labels)
    for key, value in values:
        buckets = [("+Inf" if bound == float("inf") else str(bound), float(count)) for bound, count in value.buckets()]
        family.add_metric(key, buckets, value.total)
    return family
