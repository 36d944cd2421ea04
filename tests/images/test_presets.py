"""Presets: read from the settings, put in place of their names, checked at the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.errors import InvalidParameter
from app.images.presets import Presets
from app.images.wishes import open_presets
from app.settings import ImageSettings, UnusableSettings

EXPECTED = {"thumb": "width=320&fit=cover", "card": "crop=0%2C0%2C50%25%2C50%25"}


@pytest.mark.parametrize(
    "text",
    [
        "thumb:width=320&fit=cover; card:crop=0%2C0%2C50%25%2C50%25",
        "thumb:width=320&fit=cover card:crop=0%2C0%2C50%25%2C50%25",
        '{"thumb": "width=320&fit=cover", "card": {"crop": "0,0,50%,50%"}}',
        '{"thumb": {"width": 320, "fit": "cover"}, "card": {"crop": "0,0,50%,50%"}}',
    ],
)
def test_both_ways_to_write_them_are_read(text: str) -> None:
    settings = ImageSettings.model_validate({"presets": text})

    assert settings.presets == EXPECTED


@pytest.mark.parametrize("text", ["thumb", "th umb/x:width=3", "{", '{"a b": "width=3"}', '["thumb"]'])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ImageSettings.model_validate({"presets": text})


def test_booleans_are_written_as_a_query_has_them() -> None:
    settings = ImageSettings.model_validate({"presets": '{"grey": {"grayscale": true}}'})

    assert settings.presets == {"grey": "grayscale=true"}


def test_a_name_is_replaced_by_what_it_stands_for_and_others_override_it() -> None:
    presets = Presets(EXPECTED)

    assert presets.applied({"preset": "thumb", "width": "10"}) == {"width": "10", "fit": "cover"}
    assert presets.applied({"width": "10"}) == {"width": "10"}


def test_a_name_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidParameter, match="preset: There is no such preset; there are: thumb, card"):
        Presets(EXPECTED).applied({"preset": "none"})


@pytest.mark.parametrize(
    ("query", "words"),
    [("width=0", "width"), ("widht=10", "widht: There is no such parameter")],
)
def test_one_that_could_never_be_answered_stops_the_start(query: str, words: str) -> None:
    with pytest.raises(UnusableSettings, match=f"BALLAST_IMAGE__PRESETS: bad: {words}"):
        open_presets({"bad": query})
