"""What a search for faces takes, by the size in which a picture is looked at. Knows no pixels."""

from __future__ import annotations

from app.domain.units import MIB
from app.vision.tiles import count_looks

LARGEST = 4096
"""Longest side in which a picture is searched: some 3000 looks, 5 s of a core."""

CLOSE_LOOKS = 1024
"""How many close looks one search has: some 3 for a face, 7 for what looked like one."""

_TILES_BYTES = 6 * MIB

_LOOK_SECONDS = 0.02
_BASE_SECONDS = 10.0
"""A look takes 1.5 ms by itself: a machine may be 13 times as slow, or as busy, before a search is given up."""


def search_bytes(width: int, height: int) -> int:
    """Return what a search takes beside a picture of this size: the levels below it at 4 bytes a pixel, and tiles.

    The first of them has a quarter of its pixels, and is there together with the second. Tiles, their arrays and what
    the allocator keeps of them were measured at 3.5 MB.
    """
    return width * height * 5 // 4 + _TILES_BYTES


def search_seconds(width: int, height: int) -> float:
    """Return the deadline of a search in a picture of this size."""
    return _BASE_SECONDS + _LOOK_SECONDS * (count_looks(width, height) + CLOSE_LOOKS)
