"""The attacks that there are. A family is a file of this folder; its attacks enter themselves with `attack`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.stress.attacks.wire import GONE, Target


class Done(Exception):
    """Raised by an act that is not to be done again."""


Act = Callable[[Target], Awaitable[None]]

IN_TURN = "each in turn"

_KEPT_IN_TURN_BYTES = 32_000_000
"""After a minute of ninety attacks small objects stand in many of the interpreter's arenas (12 to 20 MB): no leak, as
what it has of its own (`tracemalloc`) grew by 1.3 MB; each attack by itself is held to less."""

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.01
"""After a connection that was ended: an attacker that is refused tries again at once, but does not spin."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`act` is what is done on one connection, again and again, on `parallel` of them at a time.

    An attack that `takes_work` asks for what any client may ask for, only for much of it: an honest client beside it is
    owed its fair share of the work, not all of it. `kept_bytes` is what the service may keep afterwards.
    """

    name: str
    what: str
    parallel: int
    act: Act
    prepare: Act | None = None
    takes_work: bool = False
    kept_bytes: int = 8_000_000

    async def run(self, target: Target, seconds: float) -> None:
        """Attack for so long; whatever the service does to a connection is no error."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for _ in range(self.parallel):
                    tasks.create_task(self._keep_acting(target))

    async def _keep_acting(self, target: Target) -> None:
        while True:
            try:
                await self.act(target)
            except Done:
                return
            except GONE as error:
                target.tally[type(error).__name__] += 1
                await asyncio.sleep(_PAUSE_SECONDS)


_ATTACKS: dict[str, Attack] = {}


def attack(
    name: str, what: str, parallel: int, *, prepare: Act | None = None, takes_work: bool = False
) -> Callable[[Act], Act]:
    """Enter the attack whose connections do what the function does.

    Raises:
        ValueError: there is one of this name.
    """

    def enter(act: Act) -> Act:
        if name in _ATTACKS:
            raise ValueError(f"there are two attacks called {name!r}")
        _ATTACKS[name] = Attack(name, what, parallel, act, prepare, takes_work)
        return act

    return enter


def each_in_turn(seconds: float) -> Attack:
    """Return all attacks as one: each for so long, and after it a question whether the service is still there."""

    async def act(target: Target) -> None:
        for name, one in attacks().items():
            with suppress(*GONE):
                if one.prepare is not None:
                    await one.prepare(target)
            await one.run(target, seconds)
            if not await _is_answered(target):
                target.tally[f"unanswered after {name}"] += 1
                raise Done
        target.tally["rounds"] += 1
        raise Done

    what = "every attack of this list, one after the other"
    return Attack(IN_TURN, what, 1, act, kept_bytes=_KEPT_IN_TURN_BYTES)


async def _is_answered(target: Target) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), target.connect() as wire:
            await wire.send(target.head("GET", "/health/live", "Connection: close"))
            await wire.answer()
    except GONE:
        return False
    return True


def attacks() -> dict[str, Attack]:
    """Return all attacks by name, family by family."""
    for path in sorted(Path(__file__).parent.glob("*_attacks.py")):
        import_module(f"{__package__}.{path.stem}")
    return dict(_ATTACKS)
