"""What a child says that was taken over by what it decoded."""

from __future__ import annotations

import json

import pytest

from app.errors import ProcessingTimeout, WorkerFailed
from app.workers.channel import MAX_HEAD_BYTES, MAX_PAYLOAD_BYTES
from app.workers.spec import PoolLimits
from tests.workers.entries import framed
from tests.workers.pools import answered, ask, is_gone, open_pool, until

_MEMORY = {"peakBytes": 0, "residentBytes": 0}


def _answer(**members: object) -> bytes:
    """Return an answer to the second call of a child, right but for `members` (None: left out)."""
    whole = {"call": 2, "pid": 1, "memory": _MEMORY} | members
    return framed(json.dumps({name: value for name, value in whole.items() if value is not None}).encode())


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(framed(b"{}", head_bytes=MAX_HEAD_BYTES + 1), id="a head above the limit"),
        pytest.param(framed(b"{}", payload_bytes=MAX_PAYLOAD_BYTES + 1), id="a payload above the limit"),
        pytest.param(framed(b"{not json"), id="no JSON"),
        pytest.param(framed(b"\xff\xfe"), id="no UTF-8"),
        pytest.param(framed(b"[1, 2]"), id="no object"),
        pytest.param(framed(b"[" * 100_000), id="nested beyond reason"),
        pytest.param(framed(b"{}"), id="no call"),
        pytest.param(_answer(call=[2]), id="a call that is no number"),
        pytest.param(_answer(memory=None), id="no memory"),
        pytest.param(_answer(memory=7), id="memory that is a number"),
        pytest.param(_answer(memory={"residentBytes": "all"}), id="memory as text"),
        pytest.param(_answer(pid=None), id="no pid"),
        pytest.param(_answer(error="invalid_media"), id="an error without a message"),
        pytest.param(_answer(error=["x"], detail="x"), id="an error that is no code"),
        pytest.param(_answer(error="invalid_media", detail="x", extra={"detail": "y"}), id="an error said twice"),
    ],
)
async def test_a_hijacked_child_is_cut_off_and_costs_one_call(said: bytes) -> None:
    async with open_pool() as pool:
        first = await answered(ask(pool, "echo"))

        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "say", said, repeatable=False))

        reply = await answered(ask(pool, "echo", b"after"))
        await until(lambda: is_gone(first.pid))

    assert reply.payload == b"after"


async def test_an_answer_to_a_call_that_nobody_made_changes_nothing() -> None:
    async with open_pool(limits=PoolLimits(workers=2)) as pool:
        await answered(ask(pool, "echo"))
        liar = ask(pool, "say", _answer(call=99), repeatable=False, deadline=1.0)

        replies = [await answered(ask(pool, "echo", value=number)) for number in range(5)]

        with pytest.raises(ProcessingTimeout):
            await answered(liar)
    assert [reply.head["value"] for reply in replies] == list(range(5))
