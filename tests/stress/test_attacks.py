"""What one client, or ten, without a key can do to the service and to an honest client beside them: as good as nothing.

The full form (`-m stress`) gives each attack a fresh service; `python -m tests.stress.attacks` makes the table of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.cgroup import MemoryGroup
from tests.stress.attacks.outcome import Outcome
from tests.stress.attacks.registry import Attack, attacks, each_in_turn
from tests.stress.attacks.trial import Plan, Trial

pytestmark = [pytest.mark.model, pytest.mark.photo]

_SHORT_SECONDS = 35.0


@pytest.mark.stress
@pytest.mark.timeout(400)
@pytest.mark.parametrize("clients", [1, 10])
@pytest.mark.parametrize("attack", attacks().values(), ids=lambda attack: attack.name)
async def test_an_attack_hurts_nobody(folder: Path, group: MemoryGroup, attack: Attack, clients: int) -> None:
    outcome = await Trial(folder, group).run(attack, clients)

    assert outcome.faults() == [], told(outcome)


@pytest.mark.timeout(600)
async def test_each_attack_in_turn_leaves_the_service_as_it_was(folder: Path, group: MemoryGroup) -> None:
    outcome = await Trial(folder, group, Plan(_SHORT_SECONDS, alone_seconds=1.0)).run(each_in_turn(0.1), 1)

    assert outcome.harm()[:10] == [], told(outcome)
    assert outcome.tally["rounds"] == 1
    assert outcome.live.answered > 0


def test_there_are_attacks_of_every_family_and_no_two_do_the_same() -> None:
    found = attacks()

    assert len(found) >= 30
    assert len({attack.act for attack in found.values()}) == len(found)
    assert len({attack.what for attack in found.values()}) == len(found)


def told(outcome: Outcome) -> str:
    return (
        f"{outcome.name}: {outcome.told()}; beside it {outcome.beside.analysed} photos, {dict(outcome.beside.faults)}"
    )
