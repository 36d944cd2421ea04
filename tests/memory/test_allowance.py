"""What may be held for clients that have not sent all, or do not take it: a share, of which one has half."""

from __future__ import annotations

import asyncio
import time

from app.memory.allowance import Allowance


def test_a_client_has_half_of_it_and_the_next_the_other() -> None:
    allowance = Allowance(lambda: 100)

    assert allowance.take("a", 50)
    assert not allowance.take("a", 1)
    assert allowance.take("b", 50)
    assert not allowance.take("c", 1)


def test_what_is_given_back_can_be_taken_again() -> None:
    allowance = Allowance(lambda: 100)
    allowance.take("a", 50)

    allowance.give("a", 20)

    assert allowance.take("a", 20)
    assert not allowance.take("a", 1)


def test_a_smaller_cap_holds_for_what_is_taken_from_now_on() -> None:
    cap_bytes = 100.0
    allowance = Allowance(lambda: cap_bytes)
    allowance.take("a", 50)

    cap_bytes = 60.0

    assert not allowance.take("a", 1)
    assert allowance.take("b", 10)


def test_of_plenty_a_client_has_little_and_nothing_while_somebody_waits() -> None:
    allowance = Allowance(lambda: 800)

    assert allowance.take_of_plenty("a", 100)
    assert not allowance.take_of_plenty("a", 1)
    assert allowance.take("a", 300)
    assert allowance.take_of_plenty("b", 100)


async def test_who_waits_is_granted_in_order_as_others_give() -> None:
    allowance, granted = Allowance(lambda: 100), list[str]()

    async def wait(client: str, nbytes: int) -> None:
        assert await allowance.wait(client, nbytes, 30)
        granted.append(client)

    allowance.take("a", 50)
    allowance.take("b", 50)
    tasks = [asyncio.create_task(wait(client, 50)) for client in ("a", "c")]
    await asyncio.sleep(0)
    allowance.give("b", 50)
    await tasks[1]
    allowance.give("a", 50)
    await tasks[0]

    assert granted == ["c", "a"]
    assert not allowance.take("c", 1)


async def test_who_waits_in_vain_or_leaves_has_taken_nothing() -> None:
    allowance = Allowance(lambda: 100)
    allowance.take("a", 50)

    in_time = await allowance.wait("a", 10, 0.01)
    leaving = asyncio.create_task(allowance.wait("a", 10, 30))
    await asyncio.sleep(0)
    allowance.give("a", 50)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)

    assert not in_time
    assert allowance.take("a", 50)


async def test_what_is_granted_at_the_moment_when_the_wait_ends_is_not_lost() -> None:
    allowance = Allowance(lambda: 100)
    allowance.take("a", 50)
    waiting = asyncio.create_task(allowance.wait("a", 50, 0.01))
    await asyncio.sleep(0)

    asyncio.get_running_loop().call_later(0.005, allowance.give, "a", 50)
    time.sleep(0.05)  # noqa: ASYNC251 - so that both are due at once

    assert await waiting
    allowance.give("a", 50)
    assert allowance.take("a", 50)
