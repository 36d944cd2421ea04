"""What a query of a derived picture asks for, and its names in the cache and in tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest, InvalidParameter
from app.images.derivation import Derivation
from app.images.presets import Presets
from app.images.wishes import Wish, Wishes

ITEM, OTHER = "i" + "0" * 21, "i" + "1" * 21


@pytest.fixture
def wishes() -> Wishes:
    return Wishes(Presets({"thumb": "width=100&fit=cover"}))


def derivation(wishes: Wishes, query: str, accept: str = "") -> Derivation:
    return wishes.read(query.encode(), accept).derivation


@pytest.mark.parametrize(
    "query",
    [
        "width=100&fit=cover",
        "fit=cover&width=100",
        "preset=thumb",
        "width=100&fit=cover&expires=99&sig=a-B_",
        "width=100&fit=cover&dpr=1",
    ],
)
def test_equal_wishes_have_one_name_however_they_are_written(wishes: Wishes, query: str) -> None:
    assert derivation(wishes, query).digest == derivation(wishes, "width=100&fit=cover").digest


@pytest.mark.parametrize(
    "query", ["width=101&fit=cover", "width=100&height=50", "preset=thumb&at=1", "preset=thumb&format=webp"]
)
def test_other_wishes_have_other_names(wishes: Wishes, query: str) -> None:
    assert derivation(wishes, query).digest != derivation(wishes, "preset=thumb").digest


def test_accept_counts_with_auto_only(wishes: Wishes) -> None:
    plain = {derivation(wishes, "width=100", accept).digest for accept in ("", "image/avif")}
    auto = {derivation(wishes, "width=100&format=auto", accept).digest for accept in ("", "image/avif")}

    assert (len(plain), len(auto)) == (1, 2)


def test_what_a_signature_adds_is_no_parameter_and_cannot_hide_one(wishes: Wishes) -> None:
    assert derivation(wishes, "expires=1&sig=x").digest == derivation(wishes, "").digest
    assert derivation(wishes, "expires=1&sig=x&width=5").digest == derivation(wishes, "width=5").digest


@pytest.mark.parametrize("query", ["width=1&width=2", "store=perhaps", "at=inf", "inline=x", "no=1"])
def test_wrong_queries_are_refused(wishes: Wishes, query: str) -> None:
    with pytest.raises(InvalidParameter):
        wishes.read(query.encode(), "")


def test_a_query_that_is_not_ascii_is_refused(wishes: Wishes) -> None:
    with pytest.raises(BadRequest):
        wishes.read(b"width=\xff", "")


def test_many_different_queries_are_not_remembered_for_ever(wishes: Wishes) -> None:
    for width in range(1, 400):
        wishes.read(f"width={width}".encode(), "")
    wishes.read(b"width=7&name=" + b"x" * 1020, "")

    assert len(wishes._remembered) == 256


@given(st.integers(1, 8192), st.sampled_from([1.0, 0.5, 0.25, 0.0]), st.sampled_from([1.0, 0.5, 0.25, 0.0]))
def test_a_tag_is_known_whatever_effort_it_was_made_with_and_no_other_is(width: int, made: float, asked: float) -> None:
    wishes = Wishes(Presets({}))
    wanted, other = (wishes.read(f"width={one}".encode(), "").derivation for one in (width, width % 8192 + 1))

    assert wanted.is_known(ITEM, f'"x", W/{wanted.tag(ITEM, made)}')
    assert not wanted.is_known(ITEM, other.tag(ITEM, made))
    assert not wanted.is_known(OTHER, wanted.tag(ITEM, made))
    assert (wanted.tag(ITEM, made) == wanted.tag(ITEM, asked)) == (made == asked)
    assert (wanted.key(ITEM, made) == wanted.key(ITEM, asked)) == (made == asked)


def test_what_is_made_of_a_second_item_says_so(wishes: Wishes) -> None:
    wish: Wish = wishes.read(f"watermark={OTHER}".encode(), "")

    assert wish.derivation.key(ITEM, 1.0).subjects == (ITEM, OTHER)
