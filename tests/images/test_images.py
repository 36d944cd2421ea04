"""The use case of the room: what is left when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from app.images.images import Images
from app.images.transform import Transform
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.settings import ImageSettings
from tests.samples import png


class Rendered:
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class SlowMarks:
    """Whose file takes for ever to be closed."""

    def __init__(self) -> None:
        self.leaving = asyncio.Event()

    @asynccontextmanager
    async def opened(self, _: Transform) -> AsyncIterator[None]:
        yield None
        self.leaving.set()
        await asyncio.Event().wait()


class EncodedPicture:
    def __init__(self) -> None:
        self.data = png(30, 20)
        self.size_bytes = len(self.data)

    def read_header(self) -> PictureHeader:
        return read_header(self.data)


async def test_a_picture_is_closed_when_its_request_is_cancelled_after_it_was_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered, marks, unused = Rendered(), SlowMarks(), Any

    async def done(*_: object) -> Rendered:
        return rendered

    monkeypatch.setattr(Images, "_rendered", done)
    images = Images(unused, unused, ImageSettings(), marks, unused, unused)  # type: ignore[arg-type]

    async def ask() -> None:
        async with AsyncExitStack() as until:
            await images.render(EncodedPicture(), Transform.of({"width": 10}), until)  # type: ignore[arg-type]

    asking = asyncio.create_task(ask())
    await marks.leaving.wait()
    asking.cancel()
    await asyncio.wait((asking,))

    assert asking.cancelled()
    assert rendered.is_closed
