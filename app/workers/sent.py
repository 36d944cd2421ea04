"""A call that a child has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.workers.call import Call
from app.workers.reply import Outcome

if TYPE_CHECKING:
    from app.workers.process import WorkerProcess

OnEnd = Callable[["WorkerProcess", Call, Outcome], None]
"""Told how a call of a child ended."""


@dataclass(slots=True)
class Sent:
    """`timer` runs from when the child works on it."""

    call: Call
    on_end: OnEnd
    timer: asyncio.TimerHandle | None = None
    is_recalled: bool = False
