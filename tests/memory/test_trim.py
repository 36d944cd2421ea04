"""When garbage is collected and memory trimmed, and where."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from app.memory.trim import MemoryTrimmer
from tests.memory.virtual_time import settle, virtual


class Process:
    """A process whose memory shrinks when it is trimmed; knows the threads in which that was done."""

    def __init__(self) -> None:
        self.resident_bytes = 100
        self.collections = 0
        self.threads: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def collect(self) -> None:
        self.collections += 1

    def trim(self) -> None:
        self.go_on.wait()
        self.threads.append(threading.current_thread().name)
        self.resident_bytes -= 10


@asynccontextmanager
async def trimmer_of(process: Process, trim: Callable[[], object] | None = None) -> AsyncIterator[MemoryTrimmer]:
    trimmer = MemoryTrimmer(
        find_trim=lambda: trim or process.trim,
        collect=process.collect,
        resident_bytes=lambda: process.resident_bytes,
    )
    try:
        yield trimmer
    finally:
        process.go_on.set()
        await trimmer.aclose()


async def trimmed(trimmer: MemoryTrimmer, trims: int) -> None:
    async with asyncio.timeout(1000):
        while trimmer.statistics().trims < trims:  # noqa: ASYNC110 - a thread has to end
            await asyncio.sleep(0.01)


@virtual
async def test_a_burst_is_trimmed_once_250_ms_after_its_first_request() -> None:
    process = Process()
    async with trimmer_of(process) as trimmer:
        for _ in range(20):
            trimmer.request()
            await asyncio.sleep(0.012)
        before = process.collections
        await asyncio.sleep(0.02)
        after = process.collections
        await trimmed(trimmer, 1)
        await asyncio.sleep(10)

    assert (before, after, process.collections, len(process.threads)) == (0, 1, 1, 1)


@virtual
async def test_each_burst_is_trimmed() -> None:
    process = Process()
    async with trimmer_of(process) as trimmer:
        for count in (1, 2, 3):
            trimmer.request()
            await trimmed(trimmer, count)
        seen = trimmer.statistics()

    assert (seen.trims, process.resident_bytes, seen.collections, process.collections) == (3, 70, 3, 3)


@virtual
async def test_memory_is_never_trimmed_on_the_loop() -> None:
    process = Process()
    async with trimmer_of(process) as trimmer:
        freed_bytes = await trimmer.trim()

    assert freed_bytes == 10
    assert [name.startswith("ballast-trim") for name in process.threads] == [True]


async def test_a_burst_during_a_trim_gets_one_of_its_own() -> None:
    process = Process()
    process.go_on.clear()
    trimmer = MemoryTrimmer(
        delay_seconds=0.001,
        find_trim=lambda: process.trim,
        collect=process.collect,
        resident_bytes=lambda: process.resident_bytes,
    )
    trimmer.request()
    while not process.collections:  # noqa: ASYNC110 - until the first one runs
        await asyncio.sleep(0.001)
    trimmer.request()
    await asyncio.sleep(0.01)
    during = process.collections

    process.go_on.set()
    await trimmed(trimmer, 2)
    await trimmer.aclose()

    assert (during, process.collections) == (1, 2)


async def test_trims_at_the_same_time_are_one() -> None:
    process = Process()
    process.go_on.clear()
    async with trimmer_of(process) as trimmer:
        calls = [asyncio.create_task(trimmer.trim()) for _ in range(3)]
        await settle()
        process.go_on.set()
        freed = await asyncio.gather(*calls)

    assert freed == [10, 10, 10]
    assert len(process.threads) == 1


@virtual
async def test_a_failing_trim_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async with trimmer_of(Process(), fail) as trimmer:
        freed_bytes = await trimmer.trim()

    assert freed_bytes == 0
    assert "malloc_trim failed" in caplog.text


@virtual
async def test_without_malloc_trim_only_garbage_is_collected() -> None:
    process = Process()
    trimmer = MemoryTrimmer(find_trim=lambda: None, collect=process.collect)

    trimmer.request()
    await asyncio.sleep(1)
    freed_bytes = await trimmer.trim()
    seen = trimmer.statistics()
    await trimmer.aclose()

    assert (seen.trim_available, seen.trims, freed_bytes, process.collections) == (False, 0, 0, 1)


@virtual
async def test_closing_drops_what_is_scheduled() -> None:
    process = Process()
    async with trimmer_of(process) as trimmer:
        trimmer.request()

    trimmer.request()
    freed_bytes = await trimmer.trim()
    await asyncio.sleep(10)

    assert (process.collections, process.threads, freed_bytes) == (0, [], 0)


async def test_closing_waits_for_the_trim_that_runs() -> None:
    process = Process()
    process.go_on.clear()
    async with trimmer_of(process) as trimmer:
        call = asyncio.create_task(trimmer.trim())
        await settle()

    assert (await call, len(process.threads)) == (10, 1)


@virtual
async def test_what_is_alive_at_the_start_is_frozen_until_the_end() -> None:
    process = Process()
    async with trimmer_of(process) as trimmer:
        trimmer.start()
        frozen = trimmer.statistics().frozen_objects

    assert frozen > 1000
    assert gc.get_freeze_count() == 0
    assert process.collections == 1


@pytest.mark.skipif(MemoryTrimmer().statistics().trim_available is False, reason="no glibc")
async def test_glibc_gives_memory_back() -> None:
    trimmer = MemoryTrimmer()
    blocks = [bytearray(4000) for _ in range(10_000)]  # 40 MB in pieces that come from the heap, not from mmap
    keep = blocks[-1]
    del blocks
    gc.collect()

    freed_bytes = await trimmer.trim()
    await trimmer.aclose()

    assert len(keep) == 4000
    assert freed_bytes > 10 * 1024 * 1024
