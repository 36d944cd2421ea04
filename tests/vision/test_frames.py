from __future__ import annotations

import asyncio
import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.vision.frames import Frame, NewestSlot, picture_of


def frame(seq: int) -> Frame:
    return Frame(seq, b"picture")


async def test_a_slot_gives_what_was_put() -> None:
    slot = NewestSlot()
    slot.put(frame(1))

    await slot.filled()

    assert slot.take() == frame(1)
    assert slot.dropped == 0


async def test_a_newer_frame_drops_the_older_one() -> None:
    slot = NewestSlot()

    assert [slot.put(frame(seq)) for seq in (1, 2, 3)] == [False, True, True]
    assert slot.take().seq == 3
    assert slot.dropped == 2


async def test_an_empty_slot_is_waited_for() -> None:
    slot = NewestSlot()
    waiting = asyncio.create_task(slot.filled())
    await asyncio.sleep(0)
    waited = not waiting.done()

    slot.put(frame(1))

    await waiting
    assert waited


async def test_a_slot_that_was_emptied_is_waited_for_again() -> None:
    slot = NewestSlot()
    slot.put(frame(1))
    slot.take()

    waiting = asyncio.create_task(slot.filled())
    await asyncio.sleep(0)
    waited = not waiting.done()
    slot.put(frame(2))

    await waiting
    assert waited
    assert slot.take().seq == 2


@given(st.lists(st.booleans(), max_size=60))
def test_every_frame_is_taken_dropped_or_still_there(steps: list[bool]) -> None:
    """True puts the next frame, False takes one if there is one."""
    slot, put, taken, held = NewestSlot(), 0, [], False
    for puts in steps:
        if puts:
            put += 1
            slot.put(frame(put))
            held = True
        elif held:
            taken.append((slot.take().seq, put))
            held = False

    assert len(taken) + slot.dropped + held == put
    assert all(seq == newest for seq, newest in taken)
    assert all(first < second for first, second in pairwise(taken))


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "data:;base64,", "data:image/png;name=a;base64,"])
@pytest.mark.parametrize("picture", [b"a", b"ab", b"abc", bytes(range(256))])
def test_base64_and_data_urls_are_read(prefix: str, picture: bytes) -> None:
    message = {"type": "frame", "image": prefix + base64.b64encode(picture).decode()}

    assert picture_of(message) == picture


@pytest.mark.parametrize(
    "image", [None, 17, [], {}, True, "%", "abc", "ab=c", "a b c d", "é", "\ud800", "data:image/jpeg;base64,%"]
)
def test_what_is_no_base64_is_a_bad_request(image: object) -> None:
    with pytest.raises(BadRequest):
        picture_of({"type": "frame", "image": image})


def test_a_message_without_a_picture_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        picture_of({"type": "frame"})


@given(st.text())
def test_any_text_is_a_picture_or_a_bad_request(text: str) -> None:
    try:
        picture: bytes | None = picture_of({"image": text})
    except BadRequest:
        picture = None

    assert picture is None or len(picture) <= len(text)
