"""Work that is done again and again for as long as the service runs, whatever happens in one round."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

Work = Callable[[], Awaitable[object] | object]


async def go_round(works: Mapping[str, Work], pause_seconds: Callable[[], float], logger: logging.Logger) -> NoReturn:
    """Do each piece of work, pause, and begin again, until cancelled; `works` are by what each is called in the log.

    A piece that fails is logged, and the others are done all the same: what failed may be fine in the next round.
    """
    while True:
        for name, work in works.items():
            await _attempt(name, work, logger)
        await asyncio.sleep(pause_seconds())


async def _attempt(name: str, work: Work, logger: logging.Logger) -> None:
    try:
        outcome = work()
        if inspect.isawaitable(outcome):
            await outcome
    except (Exception, asyncio.CancelledError) as error:
        is_ours = _is_cancelled()  # and not the end of something that the work waited for
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise
        logger.exception("%s failed", name)
        if is_ours:
            raise asyncio.CancelledError from error


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
