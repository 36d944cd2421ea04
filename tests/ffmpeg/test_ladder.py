from __future__ import annotations

import pytest

from app.domain.units import MIB
from app.errors import MemoryExceedsLimit
from app.ffmpeg.ladder import best_rung, choices, pick
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.works import Work


def work(rung: Rung) -> Work:
    """A work of 400 MiB with HIGH and 100 with MINIMAL; a smaller picture takes less."""
    cost = (100 + 100 * rung.profile) - (0 if rung.max_height is None else (1200 - rung.max_height) // 20)
    return Work([], cost * MIB, 1, (), (), 0, 1.0)


def need(one: Work) -> int:
    return one.cost_bytes


def test_rungs_fall_from_the_best_that_is_allowed_to_the_smallest_picture() -> None:
    rungs = [choice.rung for choice in choices(work, Profile.BALANCED)]

    assert rungs == [
        Rung(Profile.BALANCED),
        Rung(Profile.LOW),
        Rung(Profile.MINIMAL),
        Rung(Profile.MINIMAL, 1080),
        Rung(Profile.MINIMAL, 720),
        Rung(Profile.MINIMAL, 480),
    ]


def test_a_rung_that_costs_no_less_is_left_out() -> None:
    rungs = [choice.rung for choice in choices(lambda rung: work(Rung(rung.profile)), Profile.LOW)]

    assert rungs == [Rung(Profile.LOW), Rung(Profile.MINIMAL)]


@pytest.mark.parametrize(("free", "profile"), [(500, 3), (350, 2), (250, 1), (50, 1)])
def test_the_best_that_is_free_is_used_and_low_is_waited_for(free: int, profile: int) -> None:
    assert pick(choices(work, Profile.HIGH), free * MIB, need).rung == Rung(Profile(profile))


def test_what_is_worse_than_low_is_for_where_nothing_better_can_ever_fit() -> None:
    small = [choice for choice in choices(work, Profile.HIGH) if need(choice.work) < 90 * MIB]

    assert pick(small, 1000 * MIB, need).rung == Rung(Profile.MINIMAL, 720)


def test_a_plan_has_the_best_rung_that_can_fit_or_says_both_numbers() -> None:
    def cost(rung: Rung) -> int:
        return work(rung).cost_bytes

    assert best_rung(cost, 350 * MIB) == (Rung(Profile.BALANCED), 300 * MIB)
    with pytest.raises(MemoryExceedsLimit) as refused:
        best_rung(cost, 10 * MIB)
    assert refused.value.extra == {"neededBytes": 64 * MIB, "limitBytes": 10 * MIB}
