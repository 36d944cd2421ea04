"""Trackers: a model in MediaPipe's VIDEO mode for one stream, in a child of its own, for as long as memory allows.

Tracking takes 0.6 of the time of looking at each frame anew, and the memory of one more instance. It is granted to a
stream at low pressure, and taken back in the middle of it when the pressure rises or others lack the bytes: the stream
goes on with the shared model.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from functools import partial

from app.errors import BallastError
from app.memory.governor import Governor
from app.vision.accounts import ChildAccount
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.models import Models

logger = logging.getLogger("ballast.vision")

_RETRY_SECONDS = 2.0
"""How long a stream that got no tracker waits before it asks again."""

_REST_SECONDS = 10.0
"""The same where it was taken back: others need the bytes, and would soon again."""

_HEADROOM_SHARE = 0.1
"""Part of the budget that a tracker leaves free, so that it is not taken back for the next picture."""


class Trackers:
    """Grants trackers and takes them back."""

    def __init__(self, models: Models, governor: Governor, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._governor = governor
        self._clock = clock
        self._numbers = itertools.count(1)
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many there are, those that are loading included."""
        return sum(1 for model in self._models if model.key.is_tracker)

    def open(self) -> StreamTracker:
        """Return what keeps a stream's tracker; close it with the stream."""
        return StreamTracker(self, self._clock)

    def grant(self, key: ModelKey) -> Tracker | None:
        """Begin to load a tracker, if the mode grants any, the task has one, and the bytes are free."""
        budget = self._governor.budget
        headroom_bytes = int(budget.total_bytes * _HEADROOM_SHARE)
        if not self._governor.policy.grants_trackers or not key.task.tracker_bytes:
            return None
        if self._models.lacks_zygote or budget.free_bytes < key.task.tracker_bytes + headroom_bytes:
            return None
        model = self._models.find(key)
        account = self._models.try_account(model)
        return None if account is None else Tracker(model, self._load(model, account))

    def next_key(self, key: ModelKey) -> ModelKey:
        """Return the key of a tracker of its own for a shared model's key."""
        return ModelKey(key.task, key.asset, key.params, stream=f"{next(self._numbers)}")

    def may_keep(self, tracker: Tracker) -> bool:
        """Whether the mode still allows it and its child lives, or is coming."""
        return self._governor.policy.keeps_trackers and tracker.is_alive

    def drop(self, tracker: Tracker) -> None:
        """Take a tracker back: its child is let go, its bytes are free when that has ended."""
        tracker.loading.cancel()
        closing = asyncio.get_running_loop().create_task(self._models.drop(tracker.model), name="drop-tracker")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Wait until the dropped ones are gone."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _load(self, model: ServedModel, account: ChildAccount) -> asyncio.Task[None]:
        loading = asyncio.get_running_loop().create_task(self._models.load(model, account), name="load-tracker")
        loading.add_done_callback(partial(_loaded, account))
        return loading


class Tracker:
    """One stream's tracker; `last_ms` is the timestamp of its last frame."""

    def __init__(self, model: ServedModel, loading: asyncio.Task[None]) -> None:
        self.model = model
        self.loading = loading
        self.last_ms = 0

    @property
    def key(self) -> ModelKey:
        return self.model.key

    @property
    def is_ready(self) -> bool:
        return self.model.is_ready

    @property
    def is_alive(self) -> bool:
        return not self.loading.done() or self.model.pool.size > 0

    def next_ms(self) -> int:
        """Return the timestamp of the next frame, in milliseconds; MediaPipe refuses one that does not rise."""
        self.last_ms = max(self.last_ms + 1, int(time.monotonic() * 1000))
        return self.last_ms


class StreamTracker:
    """The tracker of one stream, or none: it comes and goes with the pressure."""

    def __init__(self, trackers: Trackers, clock: Callable[[], float]) -> None:
        self._trackers = trackers
        self._clock = clock
        self._tracker: Tracker | None = None
        self._ask_at = 0.0

    def current(self, key: ModelKey) -> Tracker | None:
        """Return the tracker for the next frame, None where the shared model of `key` is to be used."""
        present = self._tracker
        if present is not None and not _alike(present.key, key):
            self.close()
        elif present is not None and not self._trackers.may_keep(present):
            self.close()
            self._ask_at = self._clock() + _REST_SECONDS
        if self._tracker is None and self._clock() >= self._ask_at:
            self._tracker = self._trackers.grant(self._trackers.next_key(key))
            self._ask_at = self._clock() + _RETRY_SECONDS
        return self._tracker if self._tracker is not None and self._tracker.is_ready else None

    def close(self) -> None:
        if self._tracker is not None:
            self._trackers.drop(self._tracker)
            self._tracker = None


def _alike(tracker: ModelKey, key: ModelKey) -> bool:
    return (tracker.task, tracker.asset, tracker.params) == (key.task, key.asset, key.params)


def _loaded(account: ChildAccount, loading: asyncio.Task[None]) -> None:
    if account.pid is None:  # cancelled before there was a process
        account.close()
    if not loading.cancelled() and isinstance(error := loading.exception(), BallastError):
        logger.warning("a tracker could not be loaded: %s", error)
