from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.media import MediaKind
from app.errors import InvalidParameter, NotFound
from app.storage import ids

moments = st.datetimes(datetime(2020, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC))


@given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=400)), st.sampled_from(MediaKind))
def test_a_newer_id_sorts_before_an_older_one(moment: datetime, later: timedelta, kind: MediaKind) -> None:
    older, newer = ids.new_id(kind, moment), ids.new_id(kind, moment + later)

    assert newer < older
    assert ids.bucket_of(newer) <= ids.bucket_of(older)


@given(moments, st.sampled_from(MediaKind))
def test_an_id_carries_its_kind_and_its_time(moment: datetime, kind: MediaKind) -> None:
    media_id = ids.new_id(kind, moment)

    assert ids.kind_of(media_id) is kind
    assert ids.created_at(media_id) == moment


def test_timestamp_keys_sort_by_time() -> None:
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    keys = [
        ids.timestamp_key(ids.new_id(MediaKind.VIDEO, at), at, ".mp4")
        for at in (moment, moment + timedelta(milliseconds=1), moment + timedelta(days=9))
    ]

    assert keys == sorted(keys)
    assert keys[0].endswith(".mp4")


@pytest.mark.parametrize(
    "text", ["", "i", "../../etc/passwd", "i" + "0" * 22, "x" + "0" * 21, "i" + "U" * 21, "i" + "0" * 21 + "\n"]
)
def test_what_is_no_id_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.kind_of(text)


def test_what_is_no_cursor_is_an_invalid_parameter() -> None:
    with pytest.raises(InvalidParameter):
        ids.bucket_of_cursor("../x")


def test_the_cursor_of_a_time_is_behind_what_is_newer_and_before_what_is_older() -> None:
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    cursor = ids.cursor_at(moment)

    for seconds in (0, 1e-6, 1, 10**6):
        newer = ids.new_id(MediaKind.VIDEO, moment + timedelta(seconds=seconds))
        assert newer[1:] <= cursor
    for seconds in (1e-6, 1, 10**6):
        older = ids.new_id(MediaKind.VIDEO, moment - timedelta(seconds=seconds))
        assert older[1:] > cursor
