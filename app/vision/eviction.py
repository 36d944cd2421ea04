"""Who leaves when room is needed.

First what nobody uses: instances beyond the first of their model, and models that another one answers for as well;
then models by how long they have not been used, over what it takes to bring them back (the longer unused and the
quicker back, the sooner); then trackers, whose streams go on with the shared model. Nothing that is in use is taken.

Where that is not enough, demand for the models that are there is served together before memory changes hands, for
`TURN_SECONDS`: then the one that has been loaded for longest is closed to newcomers, who wait for its next load; it
goes when those have finished who had it. Models that streams use have their turn last. A model whose callers all
still wait for the bytes of their calls is not in use: it gives way at once where no other model is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from app.domain.pressure import PressureLevel
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

_RECLAIM_SECONDS = 0.05


class Eviction:
    """Finds room for loads that wait (`run`), for the ledger and for the level (as a reclaimer)."""

    def __init__(self, models: Models, governor: Governor, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._governor = governor
        self._clock = clock
        self._wanted = asyncio.Event()
        self._short_since: float | None = None
        models.on_wait = self._wanted.set
        self._undo: list[Callable[[], None]] = [
            governor.subscribe(self._follow),
            governor.reclaim.register(
                "idle models", ReclaimPriority.IDLE_MODELS, self._reclaim, min_interval_seconds=_RECLAIM_SECONDS
            ),
        ]

    async def run(self) -> None:
        """Look for room as long as loads wait, until cancelled."""
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
        self._end_turn(self._short_since)
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
        """How long what goes must have been unused: for a load not at all, for what calls need, a moment."""
        return 0.0 if any(model.is_waiting for model in self._models) else _REST_SECONDS

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

    def _end_turn(self, short_since: float) -> None:
        """Close a model to newcomers whose turn is over, if no other is leaving already."""
        present = [model for model in self._models if model.pool.children and not model.key.is_tracker]
        if any(model.is_leaving for model in present):
            return
        if not any(model.is_waiting for model in self._models) and len(present) < 2:
            return  # who waits wants the bytes of calls of this very model
        over = self._clock() - TURN_SECONDS
        is_standstill = not any(model.is_used or model.is_loading for model in self._models)
        due = [
            model
            for model in present
            if is_standstill or (max(model.loaded_at, short_since) <= over and self._is_to_give_way(model))
        ]
        if due:
            model = min(due, key=lambda model: (model.is_live, model.is_used, model.loaded_at))
            model.is_leaving = True
            self._models.release(model)

    def _is_to_give_way(self, model: ServedModel) -> bool:
        """Whether a load of another model waits, or its own callers only wait for bytes themselves."""
        return not model.is_used or any(other.is_waiting and other is not model for other in self._models)

    async def _reclaim(self, wanted_bytes: int | None) -> int:
        """Free idle children; what is not needed by anybody in particular may rest a little first."""
        if wanted_bytes is not None:
            self._wanted.set()  # where idle ones are not enough, others have their turn
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
