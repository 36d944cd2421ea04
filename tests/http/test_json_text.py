"""JSON within bounds: nothing larger is built, and nothing that is within them is refused."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.http.json_text import JsonBounds, parse_json

BOUNDS = JsonBounds(depth=3, values=12)
TEXTS = st.text(alphabet=st.characters() | st.sampled_from('[]{},:"\\'), max_size=12)

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = list(value.values()) if isinstance(value, dict) else value
        return 1 + max((depth_of(one) for one in inner), default=0)
    return 0


def count_of(value: Any) -> int:
    """Return how many values there are; an empty array or object counts as if it had one."""
    if isinstance(value, dict | list):
        inner = list(value.values()) if isinstance(value, dict) else value
        return 1 + (sum(count_of(one) for one in inner) or 1)
    return 1


@given(documents, st.booleans())
def test_a_document_is_read_if_and_only_if_it_is_within_the_bounds(document: Any, is_ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=is_ascii)
    is_within = depth_of(document) <= BOUNDS.depth and count_of(document) <= BOUNDS.values
    try:
        read = parse_json(text, BOUNDS)
    except BadRequest:
        assert not is_within
    else:
        assert is_within
        assert read == document


@given(st.text(alphabet=st.sampled_from('[]{},:"\\ 1eE.-antrufls\n\x00'), max_size=40))
def test_any_text_is_a_document_or_a_bad_request(text: str) -> None:
    try:
        read = parse_json(text, BOUNDS)
    except BadRequest:
        return
    assert depth_of(read) <= BOUNDS.depth
    assert count_of(read) <= BOUNDS.values
    assert json.loads(text) == read


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "-Infinity", "1e999", "-1e999", "9" * 5000, '"\\x"', "\ufeff1", ""]
)
def test_what_is_no_json_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_json(text, BOUNDS)


@pytest.mark.parametrize("text", ["[" * 2000, "[[]," * 1000, "{" * 2000, "[" + "[]," * 1300 + "[]]", "," * 4000])
def test_what_is_too_much_is_refused_before_it_is_built(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest):
            parse_json(text, BOUNDS)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 20_000


def test_brackets_and_commas_in_a_string_do_not_count() -> None:
    text = json.dumps({"a": "[{,]}" * 100 + '"' + "\\"})

    assert parse_json(text, BOUNDS) == json.loads(text)
