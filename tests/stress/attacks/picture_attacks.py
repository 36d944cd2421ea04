"""Pictures that cost more than they look, and models that push each other out."""

from __future__ import annotations

from functools import cache

from tests.imaging.pictures import png_bomb
from tests.media_files import photo
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target
from tests.stress.hostile import endless_scans

_TASKS = ("gestures", "face-detection", "face-landmarks", "pose", "segmentation", "hands")


@cache
def _scans() -> bytes:
    return endless_scans()


@cache
def _bomb() -> bytes:
    return png_bomb(7_000, 7_000)


async def make_pictures(target: Target) -> None:
    """Make the pictures before the time runs."""
    del target
    _scans(), _bomb()


async def _post(target: Target, path: str, body: bytes) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", path, f"Content-Length: {len(body)}"))
        await wire.send(body)
        await wire.answer()


@attack("scan bombs", "6 connections, a progressive JPEG of 1 MB with scans repeated", 6, prepare=make_pictures)
async def send_scans(target: Target) -> None:
    await _post(target, "/v1/vision/hands?cache=false", _scans())


@attack("pixel bombs", "6 connections, a PNG of 49 megapixels in 140 kB", 6, prepare=make_pictures, takes_work=True)
async def send_pixels(target: Target) -> None:
    await _post(target, "/v1/vision/hands?cache=false", _bomb())


@attack("load convoy", "6 connections, photos for all six tasks in turn", 6, takes_work=True)
async def ask_every_task(target: Target) -> None:
    for task in _TASKS:
        await _post(target, f"/v1/vision/{task}?cache=false", photo("thumb_up.jpg").read())


@attack("cut photos", "20 connections, photos, cut before the answer", 20, takes_work=True)
async def cut_a_photo(target: Target) -> None:
    picture = photo("thumb_up.jpg").read()
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/vision/hands?cache=false", f"Content-Length: {len(picture)}"))
        await wire.send(picture)
        wire.reset()
