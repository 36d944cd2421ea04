"""What is covered in each frame: heads as they were seen, and where they must have been when nobody saw them.

A head that was found is followed from frame to frame. Where it is lost for a while and found again, it is covered on
the way between; before it was first seen and after it was last seen, for some time, where it was and where its movement
would have brought it, and more of it the further away in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from app.domain.region import Region

HELD_SECONDS = 0.8
"""How long a head stays covered that is not seen any more, and how long one may be lost and found again as the same."""

_NEAR = 0.75
"""From one frame to the next a head moves by less than so many of its sides; each frame that it is lost for adds
`_NEARER`."""

_NEARER = 0.15
_ALIKE = 2.0
_GROWTH, _MOST_GROWTH = 0.03, 0.35
"""By what part of its sides what is covered grows with each frame in which the head was not seen, and at most."""

_PACE_FRAMES = 5
"""Of how many sightings the movement at the beginning and the end is taken."""


@dataclass(slots=True)
class Track:
    """One head: where it was seen, by the number of the frame, in rising order."""

    seen: dict[int, Region] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return next(iter(self.seen))

    @property
    def last(self) -> int:
        return next(reversed(self.seen))


def tracks(frames: Sequence[Sequence[Region]], held: int) -> list[Track]:
    """Return the heads in frames; one that is not seen for more than `held` of them is another one afterwards."""
    done: list[Track] = []
    open_tracks: list[Track] = []
    for number, regions in enumerate(frames):
        left = list(regions)
        for track in sorted(open_tracks, key=lambda one: one.last, reverse=True):
            nearest = min(left, key=lambda one: _distance(track, number, one), default=None)
            if nearest is not None and _distance(track, number, nearest) <= 1.0:
                track.seen[number] = nearest
                left.remove(nearest)
        open_tracks += [Track({number: region}) for region in left]
        done += [track for track in open_tracks if number - track.last >= held]
        open_tracks = [track for track in open_tracks if number - track.last < held]
    return done + open_tracks


def covered(frames: Sequence[Sequence[Region]], held: int) -> list[list[Region]]:
    """Return what is covered in each frame; `held`: `HELD_SECONDS` in frames."""
    result: list[list[Region]] = [[] for _ in frames]
    for track in tracks(frames, held):
        for number, region in track.seen.items():
            result[number].append(region)
        _fill_gaps(track, result)
        _extend(track, result, held, -1)
        _extend(track, result, held, 1)
    return result


def _distance(track: Track, number: int, region: Region) -> float:
    """Return how far a region is from where a head may be, of how far it may be; above 1 it is another one."""
    last, lost = track.seen[track.last], number - track.last
    ratio = max(region.width / last.width, last.width / region.width)
    if ratio > _ALIKE:
        return math.inf
    expected = _moved(last, _pace(track, 1), lost)
    reach = _NEAR + _NEARER * (lost - 1)
    return min(_apart(expected, region), _apart(last, region)) / reach


def _apart(one: Region, other: Region) -> float:
    """Return the distance of two regions' middles, in sides of the larger one."""
    (x, y), (other_x, other_y) = one.centre, other.centre
    across, down = max(one.width, other.width), max(one.height, other.height)
    return math.hypot((x - other_x) / across, (y - other_y) / down)


def _fill_gaps(track: Track, result: list[list[Region]]) -> None:
    numbers = list(track.seen)
    for before, after in pairwise(numbers):
        for number in range(before + 1, after):
            share = (number - before) / (after - before)
            between = _between(track.seen[before], track.seen[after], share)
            result[number].append(_grown(between, min(number - before, after - number)))


def _extend(track: Track, result: list[list[Region]], held: int, direction: int) -> None:
    """Cover what comes before the first sighting (`direction` -1), or after the last one (1)."""
    edge = track.last if direction > 0 else track.first
    region, pace = track.seen[edge], _pace(track, direction)
    for away in range(1, held + 1):
        number = edge + direction * away
        if not 0 <= number < len(result):
            return
        result[number].append(_grown(region, away))
        if pace != (0.0, 0.0):
            result[number].append(_grown(_moved(region, pace, away), away))


def _pace(track: Track, direction: int) -> tuple[float, float]:
    """Return by how much a head moves from frame to frame at its end (1), or backwards at its beginning (-1)."""
    numbers = list(track.seen)[-_PACE_FRAMES:] if direction > 0 else list(track.seen)[:_PACE_FRAMES]
    if len(numbers) < 2:
        return 0.0, 0.0
    first, last = numbers[0], numbers[-1]
    (x, y), (later_x, later_y) = track.seen[first].centre, track.seen[last].centre
    frames = (last - first) * direction
    return (later_x - x) / frames, (later_y - y) / frames


def _moved(region: Region, pace: tuple[float, float], frames: int) -> Region:
    return Region(region.x + pace[0] * frames, region.y + pace[1] * frames, region.width, region.height)


def _between(one: Region, other: Region, share: float) -> Region:
    sides = zip(_sides(one), _sides(other), strict=True)
    return Region(*(side + (later - side) * share for side, later in sides))


def _grown(region: Region, frames: int) -> Region:
    growth = min(_MOST_GROWTH, _GROWTH * frames)
    across, down = region.width * growth, region.height * growth
    return Region(region.x - across / 2, region.y - down / 2, region.width + across, region.height + down)


def _sides(region: Region) -> tuple[float, float, float, float]:
    return region.x, region.y, region.width, region.height
