"""Who may begin how many resumable uploads, and whose finished ones are forgotten first."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import QueueFull
from app.media.shares import UploadShares
from app.storage.stage import Stage, StageState, new_stage_id


def stage(client: str, touched_at: float = 0.0, *, finished: bool = False) -> Stage:
    media_id = "m" if finished else None
    return Stage(StageState(new_stage_id(), 1, None, "", "", media_id=media_id, client=client), 1, touched_at)


@given(st.lists(st.sampled_from("abcdef")))
def test_no_client_has_more_than_its_share_and_all_together_no_more_than_there_are(clients: list[str]) -> None:
    shares, stages = UploadShares(12, 0.25), [stage("a", finished=True) for _ in range(20)]
    for client in clients:
        unfinished = Counter(one.state.client for one in stages if not one.finished)
        may = unfinished[client] < 3 and unfinished.total() < 12
        if may:
            shares.check(stages, client)
            stages.append(stage(client))
        else:
            with pytest.raises(QueueFull) as refusal:
                shares.check(stages, client)
            assert refusal.value.retry_after_seconds


def test_everybody_may_begin_at_least_one() -> None:
    UploadShares(2, 0.1).check([stage("other")], "me")
    with pytest.raises(QueueFull):
        UploadShares(2, 0.1).check([stage("me")], "me")


@given(st.lists(st.tuples(st.sampled_from("aab"), st.integers(0, 1000), st.booleans()), unique_by=lambda one: one[1]))
def test_the_oldest_of_whoever_has_most_are_forgotten(known: list[tuple[str, int, bool]]) -> None:
    stages = [stage(client, age, finished=finished) for client, age, finished in known]

    surplus = UploadShares(10, 0.25, max_finished=4).surplus(stages)

    kept = [one for one in stages if one.finished and one not in surplus]
    assert all(one.finished for one in surplus)
    assert len(kept) == min(4, sum(one.finished for one in stages))
    counts = Counter(one.state.client for one in kept)
    for client in {one.state.client for one in surplus}:
        assert counts[client] >= max(counts.values()) - 1
        newest_gone = max(one.touched_at for one in surplus if one.state.client == client)
        assert all(one.touched_at > newest_gone for one in kept if one.state.client == client)
