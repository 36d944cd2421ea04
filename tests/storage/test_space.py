from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import StorageFull
from app.storage.space import LEAST_STEP_BYTES, STEP_BYTES, DiskSpace, SpaceReservation


class Disk:
    """A disk with so many free bytes."""

    def __init__(self, free: int) -> None:
        self.free = free

    async def free_bytes(self) -> int:
        return self.free


async def test_more_than_the_quota_is_refused_before_anything_is_written() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=1000, floor_bytes=0)
    space.added(600)

    with pytest.raises(StorageFull) as refusal:
        await space.reserve(401)

    assert refusal.value.extra == {"neededBytes": 401, "freeBytes": 400}
    assert space.usage().reserved_bytes == 0


async def test_two_uploads_do_not_get_the_same_bytes() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=1000, floor_bytes=0)
    first = await space.reserve(700)

    with pytest.raises(StorageFull):
        await space.reserve(301)
    first.release()

    assert (await space.reserve(1000)).reserved_bytes == 1000


async def test_the_floor_of_free_space_is_kept() -> None:
    space = DiskSpace(Disk(1000).free_bytes, quota_bytes=None, floor_bytes=900)

    with pytest.raises(StorageFull):
        await space.reserve(101)

    assert (await space.reserve(100)).reserved_bytes == 100


async def test_bytes_already_written_are_not_counted_twice() -> None:
    disk = Disk(1000)
    space = DiskSpace(disk.free_bytes, quota_bytes=None, floor_bytes=0)
    first = await space.reserve(600)
    await first.count(500)
    disk.free -= 500

    second = await space.reserve(400)

    assert second.reserved_bytes == 400


async def test_an_upload_of_unknown_length_grows_until_the_quota() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=2 * STEP_BYTES + 10, floor_bytes=0)
    reservation = await space.reserve(None)
    for _ in range(2):
        await reservation.count(STEP_BYTES)
    await reservation.count(10)

    with pytest.raises(StorageFull):
        await reservation.count(1)


@given(st.lists(st.tuples(st.sampled_from(["reserve", "unknown", "count", "release"]), st.integers(0, 5000))))
async def test_whatever_happens_nothing_stays_reserved_at_the_end(steps: list[tuple[str, int]]) -> None:
    disk = Disk(20_000)
    space = DiskSpace(disk.free_bytes, quota_bytes=15_000, floor_bytes=100)
    held = []
    for action, size in steps:
        try:
            if action in ("reserve", "unknown"):
                held.append(await space.reserve(size if action == "reserve" else None))
            elif held and action == "count":
                await held[size % len(held)].count(size)
            elif held:
                held.pop(size % len(held)).release()
        except StorageFull:
            pass
        assert 0 <= space.usage().reserved_bytes <= 15_000

    for reservation in held:
        reservation.release()
        reservation.release()

    assert space.usage().reserved_bytes == 0
    assert (await space.reserve(15_000)).reserved_bytes == 15_000


async def test_what_jobs_are_writing_counts_for_the_quota() -> None:
    others = [300]
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=1000, floor_bytes=0, other_bytes=lambda: others[0])

    with pytest.raises(StorageFull):
        await space.reserve(701)
    others[0] = 299

    assert (await space.reserve(701)).reserved_bytes == 701


async def test_what_an_earlier_run_wrote_is_reserved_again_and_no_more() -> None:
    space = DiskSpace(Disk(800).free_bytes, quota_bytes=1000, floor_bytes=0)

    restored = space.restore(written_bytes=200)

    with pytest.raises(StorageFull):
        await space.reserve(801)
    await space.check(800)
    restored.release()
    assert space.usage().reserved_bytes == 0


async def test_a_file_that_may_come_is_promised_nothing() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=1000, floor_bytes=0)

    waiting = [space.open("me") for _ in range(100)]
    await space.check(1000)
    await waiting[0].count(1000)

    with pytest.raises(StorageFull):
        await waiting[1].count(1)


async def test_who_sends_little_is_promised_little() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=None, floor_bytes=0)
    reservation = space.open("me")

    for size in (1, LEAST_STEP_BYTES, 10 * LEAST_STEP_BYTES, 3 * STEP_BYTES):
        await reservation.count(size)
        await reservation.count(reservation.passing_bytes + 1)

        assert 0 < reservation.passing_bytes < max(LEAST_STEP_BYTES, min(reservation.written_bytes, STEP_BYTES))
    assert reservation.passing_bytes == STEP_BYTES - 1


async def test_what_was_not_written_is_given_back_between_two_pieces() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=10**9, floor_bytes=0)
    reservation = space.open("me")
    await reservation.count(10)

    reservation.settle()

    assert space.usage().reserved_bytes == 10
    await reservation.count(5)
    reservation.release()
    assert space.usage().reserved_bytes == 0


async def test_a_client_is_promised_no_more_than_its_share_ahead_and_gets_the_rest_as_it_sends() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=10_000, floor_bytes=0, client_share=0.25)

    slow = [await space.reserve(5000, "slow") for _ in range(3)]
    promised = sum(reservation.reserved_bytes for reservation in slow)
    quick = await space.reserve(7000, "quick")
    await quick.count(7000)

    assert promised <= 2503  # one byte of each is always promised
    assert quick.written_bytes == 7000


async def test_the_service_itself_has_no_share_to_keep_to() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=10_000, floor_bytes=0, client_share=0.25)

    assert (await space.reserve(10_000)).reserved_bytes == 10_000


_ACTIONS = st.sampled_from(["reserve", "unknown", "open", "spool", "count", "uncount", "settle", "promise", "release"])


@given(st.lists(st.tuples(_ACTIONS, st.integers(0, 5000), st.sampled_from(["", "a", "b"]))))
async def test_whatever_clients_do_the_sums_are_right_and_spools_keep_to_their_share(
    steps: list[tuple[str, int, str]],
) -> None:
    space = DiskSpace(Disk(20_000).free_bytes, quota_bytes=15_000, floor_bytes=100, client_share=0.4)
    held: list[SpaceReservation] = []
    for action, size, client in steps:
        one = held[size % len(held)] if held else space.open(client)
        try:
            if action in ("reserve", "unknown"):
                held.append(await space.reserve(size if action == "reserve" else None, client))
            elif action in ("open", "spool"):
                held.append(space.open(client) if action == "open" else space.spool(client))
            elif action in ("count", "promise"):
                await (one.count if action == "count" else one.promise)(size * bool(held))
            elif action == "uncount":
                one.uncount(min(size, one.written_bytes))
            elif held:
                (one.settle if action == "settle" else held.pop(size % len(held)).release)()
        except StorageFull:
            pass

        assert space.usage().reserved_bytes == sum(each.reserved_bytes for each in held) <= 15_000
        assert all(0 <= each.written_bytes <= each.reserved_bytes for each in held)
        for name in ("a", "b"):
            spools = [each for each in held if each.is_spool and each.client == name]
            assert sum(each.written_bytes for each in spools) <= 0.4 * 15_000

    for reservation in held:
        reservation.release()

    assert space.usage().reserved_bytes == 0
    assert (await space.reserve(15_000)).reserved_bytes == 15_000


async def test_bytes_that_were_cut_off_again_stay_promised() -> None:
    space = DiskSpace(Disk(1000).free_bytes, quota_bytes=None, floor_bytes=0)
    reservation = await space.reserve(600)
    await reservation.count(600)

    reservation.uncount(500)

    assert reservation.written_bytes == 100
    with pytest.raises(StorageFull):
        await space.reserve(501)


async def test_a_promise_grows_to_what_is_known_later() -> None:
    space = DiskSpace(Disk(10**12).free_bytes, quota_bytes=STEP_BYTES + 1000, floor_bytes=0)
    reservation = await space.reserve(None)

    await reservation.promise(STEP_BYTES + 1000)

    assert reservation.reserved_bytes == STEP_BYTES + 1000
    with pytest.raises(StorageFull):
        await reservation.promise(STEP_BYTES + 1001)
