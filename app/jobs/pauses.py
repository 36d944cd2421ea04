"""Jobs whose work stands still in the middle of a step: at CRITICAL a run of ffmpeg is stopped (`ffmpeg.watch`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.storage.threads import finish

_LOOK_SECONDS = 0.1
"""As often as the run itself is looked at."""


@asynccontextmanager
async def pauses_told(stands_still: Callable[[], bool], tell: Callable[[bool], Awaitable[None]]) -> AsyncIterator[None]:
    """While the block goes on, `tell` whenever the work in it begins to stand still (True), or goes on (False)."""
    telling = asyncio.create_task(_tell(stands_still, tell), name="pauses")
    try:
        yield
    finally:
        telling.cancel()
        await finish(asyncio.wait((telling,)))


async def _tell(stands_still: Callable[[], bool], tell: Callable[[bool], Awaitable[None]]) -> None:
    told = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if stands_still() is not told:
            told = not told
            await tell(told)
