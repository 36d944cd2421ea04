"""Open files that go with calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.workers.channel import Message
from app.workers.pool import WorkerPool
from app.workers.reply import Reply
from tests.workers.pools import PATIENCE_SECONDS, Held, answered, ask, open_pool, until
from tests.workers.zygotes import open_zygote

NewFile = Callable[[bytes], int]


@pytest.fixture
def new_file() -> Iterator[NewFile]:
    opened: list[int] = []

    def make(content: bytes = b"") -> int:
        opened.append(os.memfd_create("test"))
        os.pwrite(opened[-1], content, 0)
        return opened[-1]

    yield make
    for descriptor in opened:
        os.close(descriptor)


def call(pool: WorkerPool, do: str, payload: bytes, *descriptors: int) -> asyncio.Task[Reply]:
    message = Message({"do": do}, payload, descriptors)
    return asyncio.create_task(pool.call(message, deadline_seconds=PATIENCE_SECONDS))


def content(descriptor: int) -> bytes:
    return os.pread(descriptor, 100, 0)


async def test_a_child_writes_into_a_file_that_came_with_its_call(new_file: NewFile) -> None:
    async with open_pool(takes_descriptors=True) as pool:
        answer, source = new_file(b""), new_file(b"source")

        reply = await answered(call(pool, "write_into", b"answer", answer, source))

    assert content(answer) == b"answer"
    assert reply.head["others"] == ["source"]


async def test_a_forked_child_does_too(new_file: NewFile) -> None:
    async with open_zygote() as (zygote, _), open_pool(zygote, takes_descriptors=True) as pool:
        answer = new_file(b"")

        await answered(call(pool, "write_into", b"answer", answer))

        assert zygote.obstacle is None
    assert content(answer) == b"answer"


async def test_a_child_keeps_no_file_of_a_call_that_has_ended(new_file: NewFile) -> None:
    async with open_pool(takes_descriptors=True) as pool:
        replies = [await answered(call(pool, "write_into", b"x", new_file(b""), new_file(b""))) for _ in range(5)]

    assert len({reply.head["open"] for reply in replies}) == 1


async def test_a_call_may_come_without_files(new_file: NewFile) -> None:
    async with open_pool(takes_descriptors=True) as pool:
        assert (await answered(ask(pool, "echo", value=3))).head["value"] == 3
        await answered(call(pool, "write_into", b"x", new_file(b"")))
        assert (await answered(ask(pool, "echo", value=4))).head["value"] == 4


async def test_the_files_of_a_call_that_was_taken_back_go_to_no_other(tmp_path: Path, new_file: NewFile) -> None:
    async with open_pool(takes_descriptors=True, ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        recalled, wanted = new_file(b""), new_file(b"")
        first = call(pool, "write_into", b"recalled", recalled)
        await until(lambda: sum(worker.calls_in_flight for worker in pool.children) == 2)

        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = call(pool, "write_into", b"wanted", wanted)
        held.release()
        await answered(held.reply)
        await answered(second)

    assert content(recalled) == b""
    assert content(wanted) == b"wanted"


async def test_a_call_that_is_repeated_has_the_same_files(new_file: NewFile) -> None:
    async with open_pool(takes_descriptors=True) as pool:
        answer = new_file(b"")

        await answered(call(pool, "crash_writing", b"whole", answer))

    assert content(answer) == b"whole"
