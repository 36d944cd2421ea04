"""What a client may say in a stream, and how often."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest, TooManyRequests
from app.vision.messages import MAX_TEXT, TINY_BYTES, MessageRate, TextMessage, parse_message

PICTURES = [b"a", b"ab", b"abc", bytes(range(256)), bytes(range(256)) * 400]
PREFIXES = ["", "data:image/jpeg;base64,", "data:;base64,", "data:image/png;name=a;base64,"]


def frame(**members: Any) -> TextMessage:
    return parse_message(json.dumps({"type": "frame", **members}))


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


class TestPictures:
    @pytest.mark.parametrize("prefix", PREFIXES)
    @pytest.mark.parametrize("picture", PICTURES, ids=len)
    def test_base64_and_data_urls_are_read(self, prefix: str, picture: bytes) -> None:
        found = frame(image=prefix + encoded(picture)).encoded()

        assert found.decode() == picture
        assert found.size_bytes == len(picture)

    @pytest.mark.parametrize("picture", PICTURES, ids=len)
    def test_a_slash_may_be_escaped(self, picture: bytes) -> None:
        text = json.dumps({"type": "frame", "image": encoded(picture)}).replace("/", "\\/")

        found = parse_message(text).encoded()

        assert found.decode() == picture
        assert found.size_bytes == len(picture)

    @pytest.mark.parametrize(
        "image", [None, 17, [], {}, True, "%", "abc", "ab=c", "a b c d", "é", "\ud800", "data:image/jpeg;base64,%",
                  "data:" + "x" * 10_000, 'a"b', "YQ==\\"]
    )  # fmt: skip
    def test_what_is_no_base64_is_a_bad_request(self, image: object) -> None:
        with pytest.raises(BadRequest):
            frame(image=image).encoded().decode()

    def test_a_message_without_a_picture_is_a_bad_request(self) -> None:
        with pytest.raises(BadRequest):
            frame().encoded()

    def test_a_picture_inside_of_something_else_is_none(self) -> None:
        with pytest.raises(BadRequest):
            frame(id={"image": "YQ=="})

    @given(st.text())
    def test_any_text_is_a_picture_or_a_bad_request(self, text: str) -> None:
        try:
            picture: bytes | None = frame(image=text).encoded().decode()
        except BadRequest:
            picture = None

        assert picture is None or len(picture) <= len(text)

    @given(st.binary(max_size=300), st.sampled_from(PREFIXES), st.integers() | st.text(max_size=20))
    def test_whatever_stands_around_it_a_picture_is_found(self, picture: bytes, prefix: str, name: object) -> None:
        members = {"note": 'an "image": "', "id": name, "image": prefix + encoded(picture), "type": "frame"}

        message = parse_message(json.dumps(members))

        assert message.encoded().decode() == picture
        assert message.id == name

    def test_reading_a_large_message_takes_no_memory_of_its_size(self) -> None:
        text = json.dumps({"type": "frame", "image": "A" * 4_000_000, "id": 1})
        tracemalloc.start()

        found = parse_message(text).encoded()
        size_bytes = found.size_bytes

        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size_bytes == 3_000_000
        assert peak_bytes < 50_000


class TestBounds:
    @pytest.mark.parametrize(
        "text",
        [
            "", "x", "[]", "null", "17", "[" * 100_000, "9" * 10_000, '{"image": "', '{"image": ',
            '{"a":' * 5 + "1" + "}" * 5, '{"a": [' + "1," * 500 + "1]}", '{"a": "' + "x" * MAX_TEXT + '"}',
            '{"image": "", "a": "' + "x" * MAX_TEXT + '"}', " " * MAX_TEXT + "{}", '{"a": NaN}', '{"a": 1e999}',
        ],
    )  # fmt: skip
    def test_what_is_no_message_or_too_much_is_a_bad_request(self, text: str) -> None:
        with pytest.raises(BadRequest):
            parse_message(text)

    def test_a_text_as_long_as_it_may_be_is_read(self) -> None:
        text = '{"type": "configure", "a": "'
        text += "x" * (MAX_TEXT - len(text) - 2) + '"}'

        assert parse_message(text).members["type"] == "configure"

    @given(st.text())
    def test_any_text_is_a_message_or_a_bad_request(self, text: str) -> None:
        try:
            parse_message(text)
        except BadRequest:
            return
        assert isinstance(json.loads(text), dict)

    @pytest.mark.parametrize("name", ["x" * 129, True, False, [], {}, 10**128])
    def test_a_name_is_a_number_or_a_short_text(self, name: object) -> None:
        with pytest.raises(BadRequest):
            _ = frame(id=name).id

    @pytest.mark.parametrize("name", [None, "", "x" * 128, 0, -1, 2.5])
    def test_a_name_is_read(self, name: object) -> None:
        assert frame(id=name).id == name


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestRate:
    def test_frames_at_the_highest_rate_are_never_held_up(self) -> None:
        clock = Clock()
        rate = MessageRate(clock)
        waits = []
        for _ in range(10_000):
            waits.append(rate.spend(TINY_BYTES))
            clock.now += 1 / 240

        assert set(waits) == {0.0}

    def test_more_frames_than_that_wait(self) -> None:
        clock = Clock()
        rate = MessageRate(clock)
        for _ in range(10_000):
            clock.now += rate.spend(TINY_BYTES)

        assert 10_000 / 300 - 5 < clock.now < 10_000 / 300

    def test_small_messages_may_come_in_a_burst_but_not_for_long(self) -> None:
        rate = MessageRate(Clock())
        waits = [rate.spend(0) for _ in range(240)]

        assert set(waits) == {0.0}
        with pytest.raises(TooManyRequests):
            rate.spend(0)

    def test_small_messages_now_and_then_are_always_taken(self) -> None:
        clock = Clock()
        rate = MessageRate(clock)
        for _ in range(10_000):
            clock.now += 1 / 50
            assert rate.spend(20) == 0
