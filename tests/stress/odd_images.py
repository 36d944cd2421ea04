"""Odd inputs for images: pictures of every kind, whole and mutated; wishes that are right, borderline and wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from tests.imaging.pictures import samples
from tests.stress.hostile import hostile_pictures

_GRAVITIES = ["center", "north", "southeast", "smart", "up"]
_VALUES: dict[str, list[str]] = {
    "width": ["1", "7", "64", "333", "2000", "8192", "0", "8193", "-3", "1e9", "", "٣"],
    "height": ["1", "7", "64", "333", "8192", "0", "99999999999999999999"],
    "dpr": ["1", "2", "3.7", "4", "4.1", "nan", "inf"],
    "fit": ["inside", "cover", "contain", "fill", "outside"],
    "gravity": _GRAVITIES,
    "enlarge": ["true", "false", "2"],
    "crop": ["0,0,10,10", "50%,50%,50%,50%", "0,0,1,1", "0,0,0,0", "99999,0,1,1", "1,1,99999.9999,5%", "a", ",,,"],
    "rotate": ["0", "90", "180", "270", "45"],
    "flip": ["horizontal", "vertical", "both", "none"],
    "blur": ["0.3", "8", "100", "101", "x"],
    "sharpen": ["0.3", "10", "11"],
    "pixelate": ["2", "256", "1"],
    "grayscale": ["true", "x"],
    "brightness": ["0", "1.5", "4", "-1", "1e400"],
    "contrast": ["0", "4", "4.01"],
    "saturation": ["0", "2", "nan"],
    "background": ["ff0000", "00000000", "red", "#ffffff"],
    "watermark": ["0" * 22, "../../etc/passwd"],
    "format": ["jpeg", "png", "webp", "avif", "auto", "gif"],
    "quality": ["1", "50", "100", "0", "101"],
    "lossless": ["true", "false"],
    "frames": ["first", "all", "3"],
    "metadata": ["none", "copyright", "all"],
    "preset": ["none"],
    "\x00": ["1"],
}


def odd_inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give `count` pairs of a query and a body; the same ones for the same seed."""
    rng = random.Random(seed)
    known = [*samples().values()]
    hostile = hostile_pictures(90)
    for _ in range(count):
        chance = rng.random()
        if chance < 0.2:
            body = rng.choice(known)
        elif chance < 0.95:
            body = _mutated(rng.choice(known), rng)
        else:
            body = rng.choice(hostile)
        yield _query(rng), body


def _query(rng: random.Random) -> str:
    names = rng.sample([*_VALUES], rng.choice((0, 1, 1, 2, 3, 5)))
    pairs = [(name, rng.choice(_VALUES[name])) for name in names]
    if rng.random() < 0.8:  # what is wrong by its parameters alone says nothing of decoders
        pairs = [(name, _VALUES[name][0]) for name in names if name not in ("watermark", "preset", "\x00")]
    return urlencode(pairs)


def _mutated(data: bytes, rng: random.Random) -> bytes:
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        rng.choice(_MUTATIONS)(body, rng)
    return bytes(body)


def _place(body: bytearray, rng: random.Random) -> int:
    """Most of what a decoder believes stands at the beginning."""
    return rng.randrange(max(1, min(len(body), rng.choice((64, 512, len(body) or 1)))))


def _flip(body: bytearray, rng: random.Random) -> None:
    if body:
        body[_place(body, rng) % len(body)] ^= 1 << rng.randrange(8)


def _write(body: bytearray, rng: random.Random) -> None:
    at = _place(body, rng)
    body[at : at + 4] = rng.choice(
        (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\x40\0", rng.randbytes(4))
    )


def _cut(body: bytearray, rng: random.Random) -> None:
    del body[_place(body, rng) :]


def _drop(body: bytearray, rng: random.Random) -> None:
    at = _place(body, rng)
    del body[at : at + rng.randrange(1, 64)]


def _repeat(body: bytearray, rng: random.Random) -> None:
    at = _place(body, rng)
    body[at:at] = bytes(body[at : at + rng.randrange(1, 256)]) * rng.randrange(1, 4)


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _write,
    _write,
    _cut,
    _drop,
    _repeat,
)
