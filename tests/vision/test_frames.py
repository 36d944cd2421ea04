from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.vision.frames import Frame, NewestSlot


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
