"""Who leaves when room is needed.

First what nobody uses: instances beyond the first of their model, and models that another one answers for as well;
then models by how long they have not been used, over what it takes to bring them back (the longer unused and the
quicker back, the sooner); then trackers, whose streams go on with the shared model. Nothing that is in use is taken.

Where that is not enough, demand for the models that are there is served together before memory changes hands, for
`TURN_SECONDS`: then the one that has been loaded for longest is closed to newcomers, who wait for its next load; it
goes when those have finished who had it. Models that streams use have their turn last. Where it is the bytes of a
call that are waited for, the model that is to answer it stays: it would be loaded again for the same call.

Work in the background that needs more than a probe, or more than all of them hold, takes none that was used a short
while ago: an encode holds what it has for minutes, and photos would wait for their model each time that the next one
looks for room (measured in 300 MiB beside jobs: 59 photos were answered in ten minutes). But beside a stream that never
ends it would never begin: when it has waited for `PATIENCE_SECONDS` in all, every tracker gives way to it, once, and
every model where those are not enough.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator

from app.domain.pressure import PressureLevel
from app.ffmpeg.probe import PROBE_BYTES
from app.memory.governor import Governor
from app.memory.reclaim import ReclaimPriority
from app.vision.accounts import ChildAccount
from app.vision.model import ServedModel
from app.vision.models import Models
from app.workers.process import WorkerProcess

logger = logging.getLogger("ballast.vision")

TURN_SECONDS = 0.5
"""Some ten answers of one child: a load, which takes 0.03 to 0.15 s, is a small part of it."""

_LOOK_SECONDS = 0.02
"""How often it is looked for room while a load waits: a fraction of an answer."""

_REST_SECONDS = 1.0
"""How long a model must have been unused to go where no other is waited for: its next call may be coming in."""

_BATCH_REST_SECONDS = 10.0
"""The same for long work in the background, and where all of them would not be enough."""

PATIENCE_SECONDS = 30.0
"""Photos wait some seconds for what is done then, such as a part of a video: a tenth of the time, at most."""

_BRIEF_BYTES = PROBE_BYTES
"""Work that takes no more is over in a moment."""

_RECLAIM_SECONDS = 0.05


class Eviction:
    """Finds room for the waiter who is next (`run`), for the ledger and for the level (as a reclaimer)."""

    def __init__(self, models: Models, governor: Governor, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._governor = governor
        self._clock = clock
        self._wanted = asyncio.Event()
        self._short_since: float | None = None
        self._starved_seconds = 0.0
        self._starved_at = clock()
        governor.budget.notify_waiting(self._wanted.set)
        self._undo: list[Callable[[], None]] = [
            governor.subscribe(self._follow),
            governor.reclaim.register(
                "idle models", ReclaimPriority.IDLE_MODELS, self._reclaim, min_interval_seconds=_RECLAIM_SECONDS
            ),
        ]

    async def run(self) -> None:
        """Look for room as long as somebody waits, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                if not self.look():
                    self._wanted.clear()
            except Exception:  # this loop must not end: others would wait for room in vain
                logger.exception("looking for room failed")
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> bool:
        """Find room for the waiter who is next in the ledger; False: nobody waits."""
        missing_bytes = self._governor.budget.missing_bytes
        if missing_bytes is None:
            self._short_since = None
            return False
        if missing_bytes == 0:
            self._short_since = None
            return True
        missing_bytes -= self._returning_bytes()
        if missing_bytes > 0:
            missing_bytes -= sum(
                account.reserved_bytes for account in self.make_room(missing_bytes, self._rest_seconds)
            )
        if missing_bytes <= 0:
            self._governor.budget.hold_for_next()
            return True
        if self._short_since is None:
            self._short_since = self._clock()
        if self._is_batch_next:
            self._give_way(missing_bytes)
        if not self._must_rest:
            self._end_turn()
        return True

    def make_room(self, wanted_bytes: int | None, rest_seconds: float = 0.0) -> list[ChildAccount]:
        """Let idle children go until so many bytes are on their way back (None: all); return their accounts."""
        leaving: list[ChildAccount] = []
        for model, worker in list(self._candidates(rest_seconds)):
            if wanted_bytes is not None and sum(account.reserved_bytes for account in leaving) >= wanted_bytes:
                break
            account = self._models.dismiss(model, worker)
            if account is not None:
                leaving.append(account)
        return leaving

    def close(self) -> None:
        for undo in self._undo:
            undo()

    @property
    def _rest_seconds(self) -> float:
        """How long what goes must have been unused: for a load not at all; for what calls need a moment, at first."""
        if self._must_rest:
            return _BATCH_REST_SECONDS
        is_urgent = self._is_turn_over or any(model.is_waiting for model in self._models)
        return 0.0 if is_urgent else _REST_SECONDS

    @property
    def _must_rest(self) -> bool:
        """Whether a batch is next that is long, or misses more than all children hold, and no model is waited for."""
        budget = self._governor.budget
        if not self._is_batch_next:
            return False
        if budget.next_batch_bytes > _BRIEF_BYTES:
            return True
        return _held_bytes(self._models) < (budget.missing_bytes or 0)

    @property
    def _is_batch_next(self) -> bool:
        return self._governor.budget.next_batch_bytes > 0 and not any(model.is_waiting for model in self._models)

    @property
    def _is_turn_over(self) -> bool:
        return self._short_since is not None and self._short_since <= self._clock() - TURN_SECONDS

    def _candidates(self, rest_seconds: float) -> Iterator[tuple[ServedModel, WorkerProcess]]:
        """Give idle children in the order in which they go."""
        for model in self._models:
            if not model.is_leaving:
                further = model.pool.children[:-1]
                yield from ((model, worker) for worker in further if worker.calls_in_flight == 0)
        idle = [model for model in self._models if model.is_idle and model.idle_seconds >= rest_seconds]
        for model in sorted(idle, key=self._rank):
            yield from ((model, worker) for worker in model.pool.children[-1:])

    def _rank(self, model: ServedModel) -> tuple[bool, bool, float]:
        """Return by what idle models are sorted: the least comes first."""
        return model.key.is_tracker, not self._is_redundant(model), -model.idle_seconds / model.load_seconds

    def _is_redundant(self, model: ServedModel) -> bool:
        """Whether another model answers for it as well."""
        return any(other.is_ready and other.key.serves(model.key) for other in self._models)

    def _returning_bytes(self) -> int:
        """What children hold that are on their way out."""
        return sum(account.reserved_bytes for model in self._models for account in model.accounts if account.is_leaving)

    def _give_way(self, missing_bytes: int) -> None:
        """Have instances beyond the first go when they have answered, after a turn; after `PATIENCE_SECONDS`, if that
        makes room, take the trackers back, and close every model to newcomers where those are not enough."""
        now = self._clock()
        self._starved_seconds += min(now - self._starved_at, 10 * _LOOK_SECONDS)  # it may have been away in between
        self._starved_at = now
        trackers = [model for model in self._models if model.pool.children and model.key.is_tracker]
        models = [model for model in self._models if model.pool.children and not model.key.is_tracker]
        for model in models if self._is_turn_over else ():
            for worker in tuple(model.pool.children)[:-1]:
                self._models.dismiss(model, worker)
        if self._starved_seconds < PATIENCE_SECONDS or _held_bytes([*trackers, *models]) < missing_bytes:
            return
        self._starved_seconds = 0.0
        for tracker in trackers:
            self._models.dismiss(tracker, tracker.pool.children[-1])
        for model in models if _held_bytes(trackers) < missing_bytes else ():
            model.is_leaving = True
            self._models.release(model)

    def _end_turn(self) -> None:
        """Close a model to newcomers whose turn is over, if no other is leaving already."""
        present = [model for model in self._models if model.pool.children and not model.key.is_tracker]
        if any(model.is_leaving for model in present):
            return
        caller = self._governor.budget.next_lease
        others = [model for model in present if caller not in model.awaited_by]
        is_for_call = len(others) < len(present)
        due = [model for model in others if self._is_due(model, is_for_call)]
        if due:
            model = min(due, key=lambda model: (model.is_live, model.is_used, model.loaded_at))
            model.is_leaving = True
            self._models.release(model)

    def _is_due(self, model: ServedModel, is_for_call: bool) -> bool:
        """Whether it is to give way to a call of another model that is there, or to a load."""
        is_wanted = is_for_call or any(other.is_waiting for other in self._models if other is not model)
        is_standstill = not any(other.is_used or other.is_loading for other in self._models)
        if is_standstill and (is_wanted or model.is_awaited):
            return True
        if not self._is_turn_over or model.loaded_at > self._clock() - TURN_SECONDS:
            return False
        return is_wanted or not (model.is_used or model.is_live)

    async def _reclaim(self, wanted_bytes: int | None) -> int:
        """Free idle children; what is not needed by anybody in particular may rest a little first."""
        leaving = self.make_room(wanted_bytes, _REST_SECONDS if wanted_bytes is None else self._rest_seconds)
        nbytes = sum(account.reserved_bytes for account in leaving)
        await asyncio.gather(*(account.closed.wait() for account in leaving))
        return nbytes

    def _follow(self, level: PressureLevel) -> None:
        if level >= PressureLevel.CRITICAL:
            self._dismiss_largest()
        elif level >= PressureLevel.HIGH:
            for model in self._models:
                for worker in tuple(model.pool.children)[1:]:
                    self._models.dismiss(model, worker)

    def _dismiss_largest(self) -> None:
        children = [(model, worker) for model in self._models for worker in model.pool.children]
        if children:
            self._models.dismiss(*max(children, key=lambda child: child[1].resident_bytes))


def _held_bytes(models: Iterable[ServedModel]) -> int:
    """Return what is reserved for the children of all of them."""
    return sum(account.reserved_bytes for model in models for account in model.accounts)
