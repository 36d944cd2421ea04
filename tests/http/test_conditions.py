from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.errors import PreconditionFailed
from app.http.conditions import Validators

SAME = "Fri, 20 Nov 2026 05:00:00 GMT"
BEFORE = "Fri, 20 Nov 2026 04:59:59 GMT"
AFTER = "Fri, 20 Nov 2026 05:00:01 GMT"
VALIDATORS = Validators('"abc"', datetime(2026, 11, 20, 5, 0, 0, 999, tzinfo=UTC))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"abc"'}, True),
        ({"if-none-match": '"x", "abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"'}, False),
        ({"if-none-match": '"x"', "if-modified-since": SAME}, False),
        ({"if-modified-since": SAME}, True),
        ({"if-modified-since": BEFORE}, False),
        ({"if-modified-since": "not a date"}, False),
        ({"if-modified-since": f"{AFTER[:-3]}+99999999999999999999"}, False),
        ({"if-unmodified-since": f"{BEFORE[:-3]}+99999999999999999999"}, False),
        ({"if-unmodified-since": f"Fri, 20 Nov {'9' * 5000} 04:59:59 GMT"}, False),
        ({"if-match": '"abc"'}, False),
        ({"if-match": "*"}, False),
        ({"if-unmodified-since": SAME}, False),
    ],
)
def test_a_client_that_has_the_content_is_told_so(headers: dict[str, str], expected: bool) -> None:
    assert VALIDATORS.not_modified(Headers(headers)) is expected


@given(
    date=st.text(st.characters(max_codepoint=255), max_size=60)
    | st.tuples(st.integers(), st.integers(), st.integers(), st.integers(), st.integers()).map(
        lambda n: f"Fri, {n[0]} Nov {n[1]} {n[2]}:{n[3]}:00 {n[4]:+}"
    )
)
def test_no_date_breaks_it(date: str) -> None:
    assert VALIDATORS.not_modified(Headers({"if-modified-since": date})) in (True, False)


@pytest.mark.parametrize("headers", [{"if-match": '"x"'}, {"if-match": 'W/"abc"'}, {"if-unmodified-since": BEFORE}])
def test_a_client_that_wants_other_content_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(PreconditionFailed):
        VALIDATORS.not_modified(Headers(headers))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(None, True), ('"abc"', True), ('W/"abc"', False), ('"x"', False), (SAME, True), (BEFORE, False)],
)
def test_a_range_applies_only_to_the_content_that_the_client_has(condition: str | None, expected: bool) -> None:
    headers = {} if condition is None else {"if-range": condition}

    assert VALIDATORS.range_is_wanted(Headers(headers)) is expected
