from __future__ import annotations

import pytest

from benchmarks.stream import Round, StreamAnswer, lags_without_slot


def answer(seq: int, received: float, sent: float, busy: float = 0.01, dropped: int = 0) -> StreamAnswer:
    return StreamAnswer(seq, received, received - sent, busy, hands=1, dropped=dropped)


def test_frames_are_accounted_for_when_answered_dropped_skipped_or_refused() -> None:
    result = Round(
        sent={seq: seq / 100 for seq in range(1, 8)},
        answers=[answer(1, 0.02, 0.01), answer(7, 0.09, 0.07, dropped=3)],
        skipped=1,
        errors=1,
    )

    assert result.unaccounted == 0
    result.sent[8] = 0.08
    assert result.unaccounted == 1


def test_an_answer_is_outdated_if_a_newer_frame_had_been_sent_when_its_work_could_begin() -> None:
    sent = {1: 0.010, 2: 0.020, 3: 0.030, 4: 0.040}
    result = Round(sent, [answer(1, 0.035, 0.010), answer(2, 0.050, 0.020), answer(4, 0.060, 0.040)])

    assert result.outdated(0) == 1
    assert result.outdated(0.004) == 1
    assert result.outdated(0.006) == 0


def test_without_a_slot_the_lag_grows_with_each_frame_that_takes_longer_than_the_frame_time() -> None:
    answers = [answer(1, 0.305, 0.0, busy=0.3)]

    lags = lags_without_slot(answers, frames=3, fps=10)

    assert lags == pytest.approx([0.305, 0.505, 0.705])


def test_without_a_slot_nothing_waits_where_the_work_is_fast_enough() -> None:
    answers = [answer(1, 0.055, 0.0, busy=0.05), answer(2, 0.1 + 0.11, 0.1, busy=0.1)]

    lags = lags_without_slot(answers, frames=4, fps=10)

    assert lags == pytest.approx([0.055, 0.105, 0.055, 0.105])
