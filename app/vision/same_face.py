"""One face that was seen several times, counted once. Knows no pixels."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.landmarks import Box, Detection

_SAME_SHARE = 0.4
"""Of the smaller of two boxes, how much the other one covers where both are of one face: two heads side by side share
less, a box drawn around the same face at another scale more."""


def distinct(faces: Iterable[Detection]) -> list[Detection]:
    """Return the faces, surest first, each only once: of those that lie upon each other, the surest."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda one: one["score"], reverse=True):
        if all(_shared(face["box"], other["box"]) < _SAME_SHARE for other in kept):
            kept.append(face)
    return kept


def _shared(one: Box, other: Box) -> float:
    """Return the part of the smaller box that both cover."""
    across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / min(one["width"] * one["height"], other["width"] * other["height"])
