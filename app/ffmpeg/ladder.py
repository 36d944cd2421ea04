"""Which rung is tried: the best that fits now, and one lower each time that memory did not do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import MemoryExceedsLimit
from app.ffmpeg.profiles import Profile, Rung
from app.ffmpeg.works import Work

HEIGHTS = (1080, 720, 480)
"""Of the smaller pictures that are the last rungs."""


@dataclass(frozen=True, slots=True)
class Choice:
    rung: Rung
    work: Work


def every_rung(highest: Profile) -> list[Rung]:
    """Return all rungs, from the best on: at the full size, then with the least profile at smaller sizes."""
    full = [Rung(profile) for profile in sorted(Profile, reverse=True) if profile <= highest]
    return [*full, *(Rung(Profile.MINIMAL, height) for height in HEIGHTS)]


def choices(make: Callable[[Rung], Work], highest: Profile) -> list[Choice]:
    """Return the ways to encode, from the dearest on; one that costs no less than the one before is left out."""
    found: list[Choice] = []
    for rung in every_rung(highest):
        work = make(rung)
        if not found or work.cost_bytes < found[-1].work.cost_bytes:
            found.append(Choice(rung, work))
    return found


def pick(
    fitting: Sequence[Choice], free_bytes: int, need: Callable[[Work], int], least: Profile = Profile.LOW
) -> Choice:
    """Return the one to try of those that can fit at all, dearest first; see `first_tried`."""
    return fitting[first_tried([(choice.rung, need(choice.work)) for choice in fitting], free_bytes, least)]


def first_tried(ways: Sequence[tuple[Rung, int]], free_bytes: int, least: Profile = Profile.LOW) -> int:
    """Return the place of the way that is tried first: rungs that can fit at all, dearest first, and what each needs.

    It is the dearest of the full size that is free now, down to `least`: LOW costs next to nothing in quality. Where
    even that is not free, it is waited for: MINIMAL makes files 2.5 times as large, and a smaller picture is not what
    was asked for. They are for where nothing better can ever fit, or has failed.
    """
    good = [place for place, (rung, _) in enumerate(ways) if rung.max_height is None and rung.profile >= least]
    free = next((place for place in good if ways[place][1] <= free_bytes), None)
    if free is not None:
        return free
    return good[-1] if good else 0


def best_rung(cost: Callable[[Rung], int], limit_bytes: int) -> tuple[Rung, int]:
    """Return the best rung that can ever fit, and its cost.

    Raises:
        MemoryExceedsLimit: not even the least can; with both numbers.
    """
    rungs = every_rung(Profile.HIGH)
    for rung in rungs:
        if cost(rung) <= limit_bytes:
            return rung, cost(rung)
    needed_bytes = cost(rungs[-1])
    raise MemoryExceedsLimit(
        f"This takes {needed_bytes} bytes of memory, even the cheapest way; {limit_bytes} are the most there can be.",
        neededBytes=needed_bytes,
        limitBytes=limit_bytes,
    )
