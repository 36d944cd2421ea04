from __future__ import annotations

import pytest

from app.ffmpeg.cutting import Grid, Span, chunk_count, chunks, end_of, keyframe_span, span_of

TIMES = [number / 25 for number in range(250)]
KEYFRAMES = [0.0, 2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize(
    ("seconds", "chunked", "count"),
    [
        (600, None, 24),
        (60, None, 6),
        (19, None, 1),
        (36_000, None, 120),
        (600, False, 1),
        (9, True, 4),
        (1, True, 1),
        (0, None, 1),
    ],
)
def test_chunks_are_neither_too_short_nor_too_long(seconds: float, chunked: bool | None, count: int) -> None:
    assert chunk_count(seconds, chunked) == count


def test_chunks_begin_at_key_frames_and_have_every_frame_once() -> None:
    cut = chunks(TIMES, KEYFRAMES, 10.0, 4)

    assert [span.start for span in cut] == [0, 4, 6, 8]
    assert sum(span.frames for span in cut) == 250
    assert [one.end for one in cut[:-1]] == [one.start for one in cut[1:]]


def test_where_there_are_few_key_frames_there_are_few_chunks() -> None:
    assert chunks(TIMES, [0.0], 10.0, 4) == [Span(0.0, 10.0, 250)]


def test_a_span_has_the_frames_that_begin_in_it() -> None:
    assert span_of(TIMES, 1.01, 1.1) == Span(1.04, 1.12, 2)
    assert span_of(TIMES, 1.0004, 1.08) == Span(1.0, 1.08, 2)
    assert span_of(TIMES, 11, 12).frames == 0


def test_a_copy_goes_from_the_key_frame_before_to_the_one_after() -> None:
    assert keyframe_span(TIMES, KEYFRAMES, Span(2.5, 5.0, 62), 10.0) == Span(2.0, 6.0, 100)
    assert keyframe_span(TIMES, KEYFRAMES, Span(8.5, 10.0, 37), 10.0) == Span(8.0, 10.0, 50)


def test_the_last_frame_is_shown_as_long_as_the_one_before() -> None:
    assert end_of(TIMES, 10.0) == pytest.approx(10.0)
    assert end_of(TIMES, 500.0) < 11
    assert end_of([3.0], 3.0) == pytest.approx(3.04)


def test_the_frames_of_all_parts_stand_on_one_grid() -> None:
    parts = [Span(0, 3.97, 1), Span(3.97, 8.01, 1), Span(8.01, 10, 1)]
    grids = [Grid.of(part, 12) for part in parts]

    assert sum(grid.frames(part) for grid, part in zip(grids, parts, strict=True)) == 120
    assert [round(grid.start * 12, 6) for grid in grids] == [0, 48, 97]
