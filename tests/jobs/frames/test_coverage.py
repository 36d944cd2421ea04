"""What is covered: heads where they were seen, and where they must have been."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.region import Region
from app.jobs.frames.coverage import covered, tracks

HELD = 5


def head(x: float, y: float = 0.4, side: float = 0.1) -> Region:
    return Region(x, y, side, side)


def holds(covering: list[Region], wanted: Region) -> bool:
    """Whether one of the regions has all of another in it, but for rounding."""
    return any(
        one.x <= wanted.x + 1e-9
        and one.y <= wanted.y + 1e-9
        and one.right >= wanted.right - 1e-9
        and one.bottom >= wanted.bottom - 1e-9
        for one in covering
    )


def test_a_head_is_covered_where_it_was_seen() -> None:
    frames = [[head(0.1)], [head(0.12)], [head(0.14)]]

    assert [one[0] for one in covered(frames, HELD)] == [one[0] for one in frames]


def test_a_head_that_is_lost_and_found_again_is_covered_on_the_way() -> None:
    path = [head(0.1 + 0.02 * number) for number in range(8)]
    frames = [[one] if number in (0, 1, 6, 7) else [] for number, one in enumerate(path)]

    result = covered(frames, HELD)

    assert len(tracks(frames, HELD)) == 1
    assert all(holds(covering, one) for covering, one in zip(result, path, strict=True))


def test_a_head_is_covered_before_it_is_first_and_after_it_is_last_seen() -> None:
    frames: list[list[Region]] = [[] for _ in range(20)]
    frames[9], frames[10] = [head(0.5)], [head(0.52)]

    result = covered(frames, HELD)

    for number in range(4, 16):
        assert holds(result[number], head(0.5 + 0.02 * (number - 9))), "where its movement brings it"
    assert holds(result[4], head(0.5))
    assert holds(result[15], head(0.52))
    assert result[3] == result[16] == []


def test_what_is_covered_grows_with_the_time_since_it_was_seen() -> None:
    result = covered([[head(0.5)], [], [], []], HELD)

    widths = [one[0].width for one in result]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_two_heads_that_are_apart_are_two_tracks() -> None:
    frames = [[head(0.1 + 0.01 * number), head(0.7 - 0.01 * number)] for number in range(10)]

    found = tracks(frames, HELD)

    assert sorted(len(one.seen) for one in found) == [10, 10]
    assert sorted(one.seen[9].x for one in found) == [frames[9][0].x, frames[9][1].x]


def test_a_head_far_away_from_another_that_was_lost_is_another_one() -> None:
    frames = [[head(0.1)], [], [head(0.8)]]

    assert len(tracks(frames, HELD)) == 2


@given(
    st.lists(
        st.lists(st.builds(head, st.floats(-0.2, 1), st.floats(-0.2, 1), st.floats(0.02, 0.5)), max_size=3),
        max_size=25,
    )
)
def test_whatever_is_seen_is_covered_in_its_frame(frames: list[list[Region]]) -> None:
    result = covered(frames, HELD)

    assert len(result) == len(frames)
    for covering, seen in zip(result, frames, strict=True):
        assert all(one in covering for one in seen)
