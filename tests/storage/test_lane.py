from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from app.errors import BallastError, Overloaded, StorageFull, StorageUnavailable
from app.storage.lane import Lane

PATIENCE_SECONDS = 0.2
"""Short, and nothing here is done before it is over: a slow machine only makes the tests slower."""


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """Set: the disk answers again."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_call_that_hangs_is_given_up_and_ends_when_the_disk_answers(answers: threading.Event) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    call = lane.start(answers.wait)

    with pytest.raises(StorageUnavailable) as caught:
        await lane.wait(call)

    assert caught.value.retry_after_seconds
    assert lane.is_stuck
    assert not call.future.done()
    answers.set()
    assert await call.future
    assert not lane.is_stuck
    assert await lane.wait(lane.start(lambda: 1)) == 1
    assert await lane.aclose()


async def test_who_comes_while_all_threads_hang_is_told_at_once_and_waits_for_nobody(answers: threading.Event) -> None:
    lane = Lane("test", 2, PATIENCE_SECONDS)
    hanging = [lane.start(answers.wait) for _ in range(2)]
    await asyncio.gather(*map(lane.wait, hanging), return_exceptions=True)

    with pytest.raises(StorageUnavailable):
        lane.start(lambda: 1)


async def test_what_never_began_never_does(answers: threading.Event) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    ran = []
    waits = [lane.wait(lane.start(answers.wait)), lane.wait(lane.start(lambda: ran.append(1)))]

    outcomes = await asyncio.gather(*waits, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 2
    answers.set()
    await lane.aclose()
    assert ran == []


async def test_what_has_to_be_done_is_done_when_the_disk_answers(answers: threading.Event) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    ran = []
    lane.start(answers.wait)
    call = lane.post(lambda: ran.append(1))

    with pytest.raises(StorageUnavailable):
        await lane.wait(call, drop=False)

    assert ran == []
    answers.set()
    await call.future
    assert ran == [1]


async def test_who_waits_behind_calls_that_end_is_patient() -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    pause = partial(threading.Event().wait, PATIENCE_SECONDS / 4)
    calls = [lane.start(pause) for _ in range(8)]

    assert await lane.wait(lane.start(lambda: "at last")) == "at last"

    assert all(call.future.done() for call in calls)


async def test_the_end_does_not_wait_for_what_hangs(answers: threading.Event) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    lane.start(answers.wait)

    assert not await lane.aclose()

    assert all(thread.daemon for thread in lane._threads)  # so the interpreter does not wait for them either


@pytest.mark.parametrize("how", ["task", "timeout"])
async def test_a_cancellation_does_not_wait_for_ever(how: str, answers: threading.Event) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)
    task = asyncio.create_task(lane.wait(lane.start(answers.wait)))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await (task if how == "task" else asyncio.wait_for(task, None))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageFull),  # also: no inode
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EMFILE, Overloaded),
        (errno.ENFILE, Overloaded),
        (errno.EROFS, StorageUnavailable),
    ],
)
async def test_what_the_system_says_is_told_in_our_words(code: int, kind: type[BallastError]) -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)

    def refuse() -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(kind) as caught:
        await lane.wait(lane.start(refuse))

    assert isinstance(caught.value.__cause__, OSError)
    await lane.aclose()


async def test_an_error_that_says_nothing_to_clients_stays_what_it_is() -> None:
    lane = Lane("test", 1, PATIENCE_SECONDS)

    with pytest.raises(FileNotFoundError):
        await lane.wait(lane.start(partial(os.stat, "/there is/no such file")))

    await lane.aclose()
