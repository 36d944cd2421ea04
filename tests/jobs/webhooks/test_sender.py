"""Webhooks beside receivers that hang, over real connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import StorageUnavailable
from app.jobs.book.hooks import Hook, HookBook
from app.jobs.counters import JobCounters
from app.jobs.job import Job
from app.jobs.states import JobState
from app.jobs.tickets import Tickets
from app.jobs.webhooks.sender import Webhooks
from app.settings import JobsSettings
from tests.jobs.books import add, open_book

pytestmark = pytest.mark.timeout(60)


class Receiver:
    """Answers webhooks with 204, or hangs; at `mute` it always does. `most_at_once`: its connections at a time."""

    def __init__(self, *, hangs: bool = False, mute: str = "") -> None:
        self.taken: list[str] = []
        self.most_at_once = self._now = 0
        self.changed = asyncio.Event()
        self._hangs = hangs
        self._mute = mute

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        if not self._hangs and path != self._mute:
            self.taken.append(path)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.changed.set()
        await reader.read()  # until the sender has gone
        self._now -= 1
        writer.close()

    async def until_taken(self, count: int) -> None:
        while len(self.taken) < count:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    """Give its URL."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _document(_job: Job) -> bytes:
    return b"{}"


@asynccontextmanager
async def sending(folder: Path, urls: list[str], seconds: float) -> AsyncIterator[HookBook]:
    """Have a webhook sent to each of these, in this order, that of one job each; a receiver has so long to answer."""
    async with open_book(folder) as (book, steps):
        for number, url in enumerate(urls):
            job = await add(book)
            await steps.close(job.moved(JobState.CANCELLED), (url, time.time() - 100 + number / 100))
        hooks = HookBook(book.database)
        settings = JobsSettings(webhook_private=True, webhook_seconds=seconds)
        webhooks = Webhooks(hooks, book, settings, _document, (Tickets(), JobCounters()))
        running = asyncio.create_task(webhooks.run())
        try:
            yield hooks
        finally:
            running.cancel()
            await asyncio.wait((running,))


def test_receivers_that_hang_hold_up_nobody_else(tmp_path: Path) -> None:
    async def send() -> None:
        slow, quick = [Receiver(hangs=True) for _ in range(3)], Receiver()
        async with listening(slow[0]) as a, listening(slow[1]) as b, listening(slow[2]) as c, listening(quick) as d:
            before = [f"{url}/{number}" for number in range(20) for url in (a, b, c)]
            async with sending(tmp_path, [*before, f"{d}/mine"], seconds=3600.0):
                await quick.until_taken(1)

        assert quick.taken == ["/mine"]
        assert [one.most_at_once for one in slow] == [1, 1, 1]

    asyncio.run(send())


def test_those_behind_one_that_had_no_answer_have_their_turn_soon_and_have_not_been_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.webhooks.sender._ASIDE_SECONDS", 0.05)

    async def send() -> None:
        receiver = Receiver(mute="/0")
        async with listening(receiver) as url, sending(tmp_path, [f"{url}/{n}" for n in range(20)], 0.2) as hooks:
            await receiver.until_taken(19)
            await asyncio.sleep(0.3)
            left = await hooks.due(time.time() + 3600, 100)

        assert receiver.taken == [f"/{number}" for number in range(1, 20)]
        assert receiver.most_at_once == 1
        assert [(hook.url[-2:], hook.tries > 0) for hook in left] == [("/0", True)]

    asyncio.run(send())


def test_all_that_is_due_is_sent_however_much_it_is(tmp_path: Path) -> None:
    async def send() -> None:
        quick = Receiver()
        async with listening(quick) as url, sending(tmp_path, [f"{url}/{n}" for n in range(150)], seconds=30.0):
            await quick.until_taken(150)

        assert quick.taken == [f"/{number}" for number in range(150)]

    asyncio.run(send())


def test_what_was_taken_is_not_sent_again_where_the_book_was_away_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, failures = HookBook.done, [StorageUnavailable("The book is away.")]

    async def away_at_first(self: HookBook, hook: Hook) -> None:
        if failures:
            raise failures.pop()
        await done(self, hook)

    monkeypatch.setattr(HookBook, "done", away_at_first)
    monkeypatch.setattr("app.jobs.webhooks.sender._NOTE_SECONDS", 0.1)

    async def send() -> None:
        quick = Receiver()
        async with listening(quick) as url, sending(tmp_path, [f"{url}/1"], seconds=30.0) as hooks:
            while await hooks.due(time.time(), 9):  # noqa: ASYNC110 - the book has no event
                await asyncio.sleep(0.02)

        assert (quick.taken, failures) == (["/1"], [])

    asyncio.run(send())
