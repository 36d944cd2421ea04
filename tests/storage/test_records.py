"""What is known of uploads, and the ledger of memory: the one never has more than the other covers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.errors import Overloaded
from app.memory.budget import MemoryBudget
from app.storage.records import StageRecords
from app.storage.stage import Stage, StageState, new_stage_id

STEP_BYTES = 64 * 1024


def stage(metadata_bytes: int) -> Stage:
    return Stage(StageState(new_stage_id(), None, None, "x" * metadata_bytes, ""), 0, 0.0)


@given(
    st.lists(st.integers(0, 4096), max_size=30),
    st.lists(st.tuples(st.sampled_from(["add", "discard", "others", "others end"]), st.integers(0, 4096)), max_size=60),
)
def test_whatever_comes_and_goes_the_ledger_covers_it(restored: list[int], steps: list[tuple[str, int]]) -> None:
    budget = MemoryBudget(6 * STEP_BYTES, working_set=lambda: 0)
    records = StageRecords(budget)
    records.open([stage(size) for size in restored])
    others = []
    for action, size in steps:
        known = list(records)
        if action == "add":
            try:
                records.add(stage(size))
            except Overloaded:
                assert list(records) == known
        elif action == "discard" and known:
            assert records.discard(known[size % len(known)])
            assert not records.discard(known[size % len(known)])
        elif action == "others":
            taken = budget.try_reserve({"x": size * 20}, owner="other", priority=Priority.REQUEST)
            others += [] if taken is None else [taken]
        elif others:
            others.pop().release()

        used_bytes = sum(one.memory_bytes for one in records)
        assert used_bytes <= budget.reserved_bytes - sum(one.reserved_bytes for one in others) < used_bytes + STEP_BYTES

    for one in others:
        one.release()
    records.aclose()
    budget.check_empty()
    assert budget.reserved_bytes == 0
