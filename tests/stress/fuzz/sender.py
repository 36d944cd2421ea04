"""Sends cases, some at a time, for as long as is wanted, and keeps what no answer should be."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.stress.attacks.wire import GONE, Target, Wire
from tests.stress.fuzz.cases import Case, make_case
from tests.stress.fuzz.recorded import Recording

_IN_FLIGHT = 12
_ANSWER_SECONDS = 0.3
_SEND_SECONDS = 2.0
_KEPT_BYTES = 4000
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass(slots=True)
class Fuzz:
    """`wrong` has the numbers of cases that were answered with a 500, or with what is no answer, and that answer."""

    seed: str
    known: Sequence[Recording]
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, str] = field(default_factory=dict)

    async def run(self, port: int, seconds: float, first: int = 0) -> None:
        """Send the cases from this number on for so long."""
        until, numbers = time.monotonic() + seconds, itertools.count(first)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_IN_FLIGHT):
                tasks.create_task(self._work(port, until, numbers))

    async def _work(self, port: int, until: float, numbers: Iterator[int]) -> None:
        while time.monotonic() < until:
            case = make_case(self.seed, next(numbers), self.known)
            self.judge(case, await self.send(port, case))

    async def send(self, port: int, case: Case) -> bytes:
        """Send one case and return the beginning of what was answered."""
        read = bytearray()
        with suppress(*GONE):
            async with Target(port, "127.0.0.1").connect() as wire:
                self.sent += 1
                with suppress(*GONE):
                    async with asyncio.timeout(_SEND_SECONDS):
                        for piece in case.pieces:
                            await wire.send(piece)
                            await asyncio.sleep(0)
                await _finish(wire, case.ending, read)
        return bytes(read)

    def judge(self, case: Case, answer: bytes) -> None:
        statuses = [status.decode() for status in _STATUS_LINE.findall(answer)]
        self.answers.update(statuses[:1] or ["none"])
        if "500" in statuses or (answer and not answer.startswith(b"HTTP/1.1 ")):
            self.wrong[case.number] = f"{case.name}: {answer[:300]!r}"


async def _finish(wire: Wire, ending: str, read: bytearray) -> None:
    if ending == "reset":
        wire.reset()
    if ending == "half-close":
        wire.half_close()
    if ending not in ("read", "half-close"):
        return
    async with asyncio.timeout(_ANSWER_SECONDS):
        while True:
            data = await wire.receive()
            read += data[: _KEPT_BYTES - len(read)] if len(read) < _KEPT_BYTES else b""
