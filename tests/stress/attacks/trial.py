"""One attack, tried on a fresh service in a memory control group, and what it did to the service and to others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.units import GIB
from app.settings import Settings
from benchmarks.group_watch import GroupWatch
from benchmarks.usage import ProcessEnded, anonymous_bytes, cpu_seconds
from soak.cgroup import MemoryGroup, memory_group
from soak.cold import drop_from_cache, program_folders
from soak.http import LOST, HttpClient
from soak.runner import unfinished
from soak.service import OUR_TREE, Service, ServiceFault, run_service
from tests.stress.attacks.honest import newcomers, probing, send_photos
from tests.stress.attacks.outcome import Outcome
from tests.stress.attacks.registry import Attack

LAUNCHER = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What `scripts/ballast` sets before Python starts."""

SETTINGS = {"BALLAST_SERVER__PROBE_PORT": "0"} | LAUNCHER

_WARM_UP_SECONDS = 1.0
_SETTLE_SECONDS = 120.0
"""What a client had sent before it left is read first, in turns; a stream that says nothing is closed after 40 s."""
_GRACE_SECONDS = 120.0
_ATTACKER_BYTES = 2 * GIB
"""What the attackers together may take: a mistake of theirs must not hurt the machine."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long an attack goes on, and for how long the honest client is measured alone before and after it."""

    seconds: float = 10.0
    alone_seconds: float = 3.0


@dataclass(slots=True)
class Trial:
    """A service in its group, and what is found out of it."""

    folder: Path
    group: MemoryGroup
    plan: Plan = field(default_factory=Plan)
    tree: Path = OUR_TREE

    async def run(self, attack: Attack, clients: int) -> Outcome:
        """Start the service, measure it alone, under the attack, and afterwards.

        Raises:
            ServiceFault: it did not start, or answers no photo before the attack began.
        """
        outcome = Outcome(attack.name, attack.what, clients, attack.takes_work, attack.kept_bytes)
        folders = program_folders(Settings().models.dir)
        await asyncio.to_thread(drop_from_cache, folders)
        async with run_service(self.folder, self.group, SETTINGS | _models(self.tree), tree=self.tree) as service:
            await send_photos(service.port, _WARM_UP_SECONDS)
            outcome.alone.append(await send_photos(service.port, self.plan.alone_seconds))
            if not outcome.alone[0].analysed:
                raise ServiceFault(f"no photo is answered before anything began: {dict(outcome.alone[0].faults)}")
            before_bytes = _held_bytes(service)
            with GroupWatch(self.group) as watch:
                await self._attack(service, attack, outcome)
                await self._look_after(service, outcome, before_bytes)
            outcome.peak_bytes = watch.peak_bytes
            outcome.oom_kills = self.group.oom_kills()
            outcome.ended = service.exit_code is not None
            outcome.read_log(service.log_lines())
        return outcome

    async def _attack(self, service: Service, attack: Attack, outcome: Outcome) -> None:
        async with _attacking(attack, service.port, outcome.clients, self.plan.seconds) as attacker:
            busy_before, began = _busy_seconds(service), time.monotonic()
            async with probing(service.probe_port or service.port) as live, newcomers(service.port) as others:
                outcome.beside = await send_photos(service.port, self.plan.seconds)
            outcome.live, outcome.newcomers = live, others
            outcome.api_busy = max(0.0, _busy_seconds(service) - busy_before) / (time.monotonic() - began)
            outcome.tally = await _told(attacker)

    async def _look_after(self, service: Service, outcome: Outcome, before_bytes: int) -> None:
        """See what is left once the attackers have gone: bytes, reservations, and whether a photo is answered."""
        give_up_at = time.monotonic() + _SETTLE_SECONDS
        while service.exit_code is None:
            outcome.kept_bytes = _held_bytes(service) - before_bytes
            outcome.left = await _left(service)
            if (outcome.is_back and not outcome.left) or time.monotonic() > give_up_at:
                break
            await asyncio.sleep(0.25)
        outcome.alone.append(await send_photos(service.port, self.plan.alone_seconds))
        outcome.answered_after = outcome.alone[-1].analysed > 0


def _held_bytes(service: Service) -> int:
    """Return what the API process holds of its own; 0 where it has ended."""
    with contextlib.suppress(ProcessEnded):
        return anonymous_bytes(service.pid)
    return 0


async def _left(service: Service) -> list[str]:
    with contextlib.closing(HttpClient(service.port, 5.0)) as client:
        try:
            return unfinished((await client.get("/metrics/memory")).json())
        except LOST as error:
            return [f"no report: {type(error).__name__}"]


def _busy_seconds(service: Service) -> float:
    return cpu_seconds(service.pid) if service.exit_code is None else 0.0


@asynccontextmanager
async def _attacking(attack: Attack, port: int, clients: int, seconds: float) -> AsyncIterator[Process]:
    """Lend the attacker's process from the moment when it begins to attack."""
    arguments = [attack.name, str(port), str(clients), str(seconds)]
    with memory_group(_ATTACKER_BYTES) as group:
        command = group.joining([sys.executable, "-m", "tests.stress.attacks.attacker", *arguments])
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=OUR_TREE, start_new_session=True)
        assert process.stdout is not None
        try:
            await process.stdout.readline()
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _told(process: Process) -> dict[str, int]:
    """Return what the attacker counted; it ends by itself, though late where the CPU is wanted by others."""
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError, ValueError):
        async with asyncio.timeout(_GRACE_SECONDS):
            told: dict[str, int] = json.loads(await process.stdout.read())
            return told
    return {"the attacker did not end": 1}


def _models(tree: Path) -> dict[str, str]:
    """Return the setting that names the models of another tree."""
    is_known = tree == OUR_TREE or "BALLAST_MODELS__DIR" in os.environ
    return {} if is_known else {"BALLAST_MODELS__DIR": str(tree / "models")}
