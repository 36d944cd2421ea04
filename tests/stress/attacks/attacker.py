"""One attack as a process of its own, which takes little CPU time that others want: real attackers have their own.

    python -m tests.stress.attacks.attacker NAME PORT CLIENTS SECONDS

NAME may be that of all in turn (`registry.IN_TURN`): they share the seconds, less a fifth for what is between them; on
a slow machine they take longer.
It prints a line when everything is prepared and the attack begins, and at the end what was counted, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.stress.attacks.registry import IN_TURN, Attack, attacks, each_in_turn
from tests.stress.attacks.wire import GONE, Target

FIRST_CLIENT = 2
"""The last number of the first attacker's address; 127.0.0.1 is the honest client."""

_NICE = 10
"""A tenth of the weight of the others (sched(7)): a little also where the machine is busy."""

_PATIENCE = 4
"""How many times longer than planned all in turn may take."""


async def _run(attack: Attack, port: int, clients: int, seconds: float) -> Counter[str]:
    tally = Counter[str]()
    targets = [Target(port, f"127.0.0.{FIRST_CLIENT + number}", tally) for number in range(clients)]
    if attack.prepare is not None:
        for target in targets:
            with suppress(*GONE):
                await attack.prepare(target)
    tally.clear()
    print("begun", flush=True)
    await asyncio.gather(*(attack.run(target, seconds) for target in targets))
    return tally


def _step_back() -> None:
    os.nice(_NICE)
    with suppress(OSError):  # sched(7): a session is weighed as a whole; no such file where the kernel does not do so
        Path("/proc/self/autogroup").write_text(str(_NICE))


def main() -> None:
    name, port, clients, seconds = sys.argv[1:]
    _step_back()
    found = attacks()
    limit, chosen = float(seconds), found.get(name)
    if name == IN_TURN:
        limit, chosen = _PATIENCE * float(seconds), each_in_turn(0.8 * float(seconds) / len(found))
    assert chosen is not None, name
    tally = asyncio.run(_run(chosen, int(port), int(clients), limit))
    print(json.dumps(tally), flush=True)


if __name__ == "__main__":
    main()
