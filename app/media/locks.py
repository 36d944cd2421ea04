"""One request at a time on each resumable upload, and what happens when a second one comes.

A connection that broke silently looks like one that is only slow. So a second request waits a little; if the first has
not received a byte meanwhile, the second takes over (tusd stops its first request in the same way).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.domain.media import Chunk
from app.errors import Locked

STALLED_SECONDS = 1.0
"""After so long without a byte, a request gives way to another one for the same upload."""

WAIT_SECONDS = 5.0
"""How long a request waits for one that is not stalled."""


class Turn:
    """One request's right to an upload."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting_since: float | None = None
        self._patience: asyncio.Timeout | None = None
        self.over = asyncio.Event()

    @property
    def stalled_seconds(self) -> float:
        """How long it has been waiting for its client."""
        return 0.0 if self._waiting_since is None else self._clock() - self._waiting_since

    def interrupt(self) -> None:
        """End its waiting for the client, if it is waiting."""
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())
            self._patience = None

    async def chunks(self, source: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        """Give what `source` gives.

        Raises:
            Locked: another request has taken over.
        """
        while True:
            self._waiting_since = self._clock()
            try:
                async with asyncio.timeout(None) as self._patience:
                    chunk = await anext(source, None)
            except TimeoutError:
                raise Locked("Another request has taken over this upload.") from None
            finally:
                self._waiting_since = self._patience = None
            if chunk is None:
                return
            yield chunk


class UploadLocks:
    """Knows which uploads a request is working on. Lives on the event loop."""

    def __init__(
        self,
        stalled_seconds: float = STALLED_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stalled_seconds = stalled_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._turns: dict[str, Turn] = {}

    @asynccontextmanager
    async def hold(self, upload_id: str) -> AsyncIterator[Turn]:
        """Work on an upload alone for the block; a stalled request that holds it gives way.

        Raises:
            Locked: another request is making progress on it.
        """
        deadline = self._clock() + self._wait_seconds
        while (holder := self._turns.get(upload_id)) is not None:
            await self._wait_for(holder, deadline)
        turn = self._turns[upload_id] = Turn(self._clock)
        try:
            yield turn
        finally:
            del self._turns[upload_id]
            turn.over.set()

    def held(self, upload_id: str) -> bool:
        return upload_id in self._turns

    async def _wait_for(self, holder: Turn, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise Locked("Another request is working on this upload. Try again once it has ended.")
        until_stalled = self._stalled_seconds - holder.stalled_seconds
        if until_stalled <= 0:
            holder.interrupt()
            until_stalled = self._stalled_seconds
        try:
            async with asyncio.timeout(min(left, until_stalled)):
                await holder.over.wait()
        except TimeoutError:
            pass
