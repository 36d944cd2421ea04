"""Counting observations by size."""

from __future__ import annotations

from app.domain.histogram import Histogram


def test_an_observation_counts_in_each_bucket_that_has_room_for_it() -> None:
    histogram = Histogram([1, 2])

    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)

    assert list(histogram.buckets()) == [(1, 2), (2, 3), (float("inf"), 4)]
    assert (histogram.count, histogram.total) == (4, 10.0)


def test_without_observations_all_buckets_are_there_and_empty() -> None:
    assert list(Histogram([1]).buckets()) == [(1, 0), (float("inf"), 0)]
