"""Accounts of connections: one holder of the ledger, a share for all, half of it for an address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.budget import MemoryBudget
from app.server.accounts import CONNECTION_BYTES, OWNER, Accounts, Loan


@pytest.fixture
def budget() -> Iterator[MemoryBudget]:
    budget = MemoryBudget(100 * MIB, working_set=lambda: 0)
    yield budget
    budget.check_empty()


@pytest.fixture
def accounts(budget: MemoryBudget) -> Iterator[Accounts]:
    holder = budget.record({}, owner=OWNER)
    yield Accounts(holder, 8 * MIB, is_shared=lambda address: address == "proxy")
    holder.release()


def test_a_connection_is_charged_as_it_comes_and_gives_everything_back(
    accounts: Accounts, budget: MemoryBudget
) -> None:
    account = accounts.open("a")

    assert account is not None
    assert accounts.used_bytes == CONNECTION_BYTES
    assert budget.reserved_bytes == MIB
    account.take(3 * MIB)
    account.close()
    assert accounts.used_bytes == 0
    assert budget.reserved_bytes <= 2 * MIB


def test_the_ledger_is_asked_in_steps(accounts: Accounts, budget: MemoryBudget) -> None:
    opened = [accounts.open("a") for _ in range(30)]

    assert all(opened)
    assert budget.reserved_bytes == MIB


def test_an_address_has_half_of_the_share_and_a_proxy_all_of_it(accounts: Accounts) -> None:
    one, other, proxy = accounts.open("a"), accounts.open("b"), accounts.open("proxy")
    assert one is not None
    assert other is not None
    assert proxy is not None

    assert not one.take(4 * MIB)
    assert one.take(3 * MIB)
    assert not other.take(5 * MIB)
    assert proxy.take(4 * MIB + 512)
    assert not other.take(MIB)


def test_nothing_is_taken_that_the_ledger_does_not_have(accounts: Accounts, budget: MemoryBudget) -> None:
    account = accounts.open("a")
    assert account is not None
    taken = budget.try_reserve({"x": budget.free_bytes}, owner="other", priority=Priority.LIVE)
    assert taken is not None

    assert not account.take(2 * MIB)
    taken.release()
    assert account.take(2 * MIB)


def test_what_is_held_already_is_charged_beyond_the_share(accounts: Accounts) -> None:
    account = accounts.open("a")
    assert account is not None

    account.enter(20 * MIB)

    assert accounts.used_bytes == 20 * MIB + CONNECTION_BYTES
    assert accounts.open("b") is None
    account.give(20 * MIB)
    assert accounts.open("b") is not None


async def test_those_who_wait_are_served_in_their_order(accounts: Accounts) -> None:
    holder, first, second = accounts.open("a"), accounts.open("b"), accounts.open("c")
    assert holder is not None
    assert first is not None
    assert second is not None
    holder.enter(7 * MIB)
    order: list[str] = []

    async def wait(name: str, account: object, nbytes: int) -> None:
        assert await account.wait(nbytes, 5)  # type: ignore[attr-defined]
        order.append(name)

    waiting = [asyncio.create_task(wait("large", first, 2 * MIB)), asyncio.create_task(wait("small", second, 10))]
    await asyncio.sleep(0.1)
    before = list(order)
    holder.give(7 * MIB)
    await asyncio.gather(*waiting)

    assert before == []
    assert order == ["large", "small"]


async def test_who_waits_in_vain_is_told_and_leaves_the_line(accounts: Accounts) -> None:
    account, other = accounts.open("a"), accounts.open("b")
    assert account is not None
    assert other is not None

    assert not await account.wait(20 * MIB, 0.01)
    assert await other.wait(10, 0.01)


def test_a_loan_shrinks_and_comes_back_once(accounts: Accounts) -> None:
    account = accounts.open("a")
    assert account is not None
    account.take(1000)
    loan = Loan(account, 1000)

    loan.shrink(400)
    within = account.used_bytes
    loan.release()
    loan.release()

    assert within == CONNECTION_BYTES + 400
    assert account.used_bytes == CONNECTION_BYTES


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["take", "enter", "give", "close"]), st.integers(0, MIB))))
def test_the_sums_are_right_whatever_is_done(steps: list[tuple[int, str, int]]) -> None:
    budget = MemoryBudget(100 * MIB, working_set=lambda: 0)
    holder = budget.record({}, owner=OWNER)
    accounts = Accounts(holder, 8 * MIB)
    opened = [account for name in "aabb" if (account := accounts.open(name)) is not None]

    for number, name, nbytes in steps:
        account = opened[number]
        account.close() if name == "close" else getattr(account, name)(nbytes)

        assert accounts.used_bytes == sum(one.used_bytes for one in opened)
        assert all(one.used_bytes >= 0 for one in opened)
        assert holder.reserved_bytes >= min(accounts.used_bytes, 8 * MIB)
    for account in opened:
        account.close()
    assert holder.reserved_bytes <= 2 * MIB
    holder.release()
    budget.check_empty()
