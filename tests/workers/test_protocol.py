"""The API's end of the channel: messages survive any splitting, and what is no message cuts the connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workers.channel import MAX_HEAD_BYTES, MAX_PAYLOAD_BYTES, Message, pack_head
from tests.workers.entries import framed
from tests.workers.wire import Reader

_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())
_messages = st.builds(Message, st.dictionaries(st.text(), _values, max_size=4), st.binary(max_size=300))


@given(st.lists(_messages, max_size=6), st.data())
def test_messages_come_out_as_they_were_however_the_bytes_are_split(
    messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(pack_head(message.head, len(message.payload)) + message.payload for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reader = Reader()

    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.protocol.data_received(stream[begin:end])

    assert reader.messages == messages
    assert not reader.wire.is_aborted


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(framed(b"{}", head_bytes=MAX_HEAD_BYTES + 1), id="a head above the limit"),
        pytest.param(framed(b"{}", payload_bytes=MAX_PAYLOAD_BYTES + 1), id="a payload above the limit"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="another protocol"),
        pytest.param(framed(b"{not json"), id="no JSON"),
        pytest.param(framed(b""), id="an empty head"),
        pytest.param(framed(b"[]"), id="no object"),
        pytest.param(framed(b"[" * 100_000), id="nested beyond reason"),
    ],
)
def test_what_is_no_frame_cuts_the_connection_and_is_forgotten(garbage: bytes) -> None:
    reader = Reader()
    reader.protocol.data_received(framed(b'{"before":1}'))

    reader.protocol.data_received(garbage + framed(b'{"after":1}'))

    assert reader.wire.is_aborted
    assert [message.head for message in reader.messages] == [{"before": 1}]


def test_a_frame_at_the_limits_is_accepted() -> None:
    reader = Reader()
    head = b'{"x":"' + b"y" * (MAX_HEAD_BYTES - 8) + b'"}'

    reader.protocol.data_received(framed(head, b"payload"))

    assert [message.payload for message in reader.messages] == [b"payload"]


def test_the_loss_of_the_connection_is_told_once_and_nothing_is_sent_any_more() -> None:
    reader = Reader()

    reader.protocol.close()
    reader.protocol.send({"late": True}, b"x")
    reader.protocol.connection_lost(None)

    assert reader.closed == 1
    assert reader.wire.written == b""
