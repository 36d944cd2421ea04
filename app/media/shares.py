"""How many resumable uploads there may be: in all, and of each client, so that one cannot take the places of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from app.errors import QueueFull
from app.storage.stage import Stage

MAX_FINISHED = 1000
"""How many finished uploads are remembered at most. Each takes 2 kB of the ledger, 12 kB with the longest texts."""

_RETRY_SECONDS = 60


class UploadShares:
    """Bounds open uploads by `max_open`, those of one client by its share of that, and finished ones that are known."""

    def __init__(self, max_open: int, client_share: float, max_finished: int = MAX_FINISHED) -> None:
        self._max_open = max_open
        self._max_of_client = max(1, int(max_open * client_share))
        self._max_finished = max_finished

    def check(self, stages: Iterable[Stage], client: str) -> None:
        """Make sure that a client may begin another upload beside `stages`.

        Raises:
            QueueFull: too many are unfinished, or too many of this client.
        """
        unfinished = Counter(stage.state.client for stage in stages if not stage.finished)
        if unfinished.total() >= self._max_open:
            raise QueueFull("Too many resumable uploads are unfinished.", retry_after_seconds=_RETRY_SECONDS)
        if unfinished[client] >= self._max_of_client:
            raise QueueFull(
                "Too many of your resumable uploads are unfinished: finish some, or delete them.",
                retry_after_seconds=_RETRY_SECONDS,
            )

    def surplus(self, stages: Iterable[Stage]) -> list[Stage]:
        """Return the finished uploads to forget: the oldest of whichever client has most."""
        finished: dict[str, list[Stage]] = {}
        for stage in stages:
            if stage.finished:
                finished.setdefault(stage.state.client, []).append(stage)
        excess = sum(map(len, finished.values())) - self._max_finished
        if excess <= 0:
            return []
        for own in finished.values():
            own.sort(key=lambda stage: -stage.touched_at)
        return [max(finished.values(), key=len).pop() for _ in range(excess)]
