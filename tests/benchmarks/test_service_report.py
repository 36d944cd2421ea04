from __future__ import annotations

import asyncio

import pytest

from benchmarks.service_report import KILLED, count, watched_levels
from tests.benchmarks.answering import answering

METRICS = b"""# TYPE ballast_memory_child_kills_total counter
ballast_memory_child_kills_total{role="vision"} 2.0
ballast_memory_child_kills_total{role="imaging"} 1.0
ballast_memory_child_kills_total_created 7.0
"""


async def test_a_counter_is_summed_over_its_labels() -> None:
    async with answering(lambda _path, _body: (200, METRICS)) as port:
        assert await count(port, KILLED) == 3


async def test_a_counter_that_there_is_not_is_no_zero() -> None:
    async with answering(lambda _path, _body: (200, METRICS)) as port:
        with pytest.raises(KeyError):
            await count(port, "ballast_workers_died_total")


async def test_a_service_that_ends_while_it_is_watched_is_gone() -> None:
    async with answering(lambda _path, _body: None) as port, watched_levels(port) as levels:
        async with asyncio.timeout(10):
            while not levels:  # noqa: ASYNC110 - it is a set
                await asyncio.sleep(0.01)

    assert levels == {"GONE"}
