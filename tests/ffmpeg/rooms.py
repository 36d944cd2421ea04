"""A workroom of the real parts, over a budget of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.domain.pressure import POLICIES, ModePolicy, PressureLevel
from app.domain.units import MIB
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.tools import Tools
from app.ffmpeg.workroom import Workroom, WorkroomParts
from app.memory.budget import MemoryBudget
from app.memory.governor import EnrolledProcess
from app.memory.wait_policy import WaitPolicy
from tests.ffmpeg.clips import tool


class Governor:
    """Knows a budget and a level, which a test sets; remembers which processes there were and which there are."""

    def __init__(self, total_bytes: int = 4096 * MIB, wait_seconds: float = 0.3) -> None:
        self.level = PressureLevel.LOW
        self.budget = MemoryBudget(total_bytes, working_set=lambda: 0, waiting=WaitPolicy(wait_seconds=wait_seconds))
        self.seen: list[EnrolledProcess] = []
        self.present: set[int] = set()

    @property
    def policy(self) -> ModePolicy:
        return POLICIES[self.level]

    def enroll(self, process: EnrolledProcess) -> None:
        self.seen.append(process)
        self.present.add(process.pid)

    def dismiss(self, pid: int) -> None:
        self.present.discard(pid)


T = TypeVar("T")


class Disk:
    """What disk threads do, at once."""

    async def run(self, function: Callable[[], T], /) -> T:
        return function()

    async def ensure(self, function: Callable[[], None], /) -> bool:
        function()
        return True


def workroom(governor: Governor, abilities: Abilities | None = None, waited: int = 0) -> Workroom:
    """Return a workroom that runs the real programs."""
    tools = Tools(tool("ffmpeg").resolve(), tool("ffprobe").resolve())
    parts = WorkroomParts(tools, abilities or Abilities(), FFmpegRunner(governor, "required"), governor, Disk())
    return Workroom(parts, waited=waited)
