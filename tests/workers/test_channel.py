"""The child's end of the channel: the same bytes as the parent's, in both directions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from app.workers.channel import BlockingChannel, Head, Message, pack_head
from tests.workers.wire import Reader

_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())
_messages = st.builds(Message, st.dictionaries(st.text(), _values, max_size=4), st.binary(max_size=300))


@contextmanager
def channel_pair() -> Iterator[tuple[BlockingChannel, socket.socket]]:
    """Give a channel and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = BlockingChannel(ours)
        try:
            yield channel, theirs
        finally:
            channel._reader.close()


@given(st.lists(_messages, max_size=4))
def test_both_ends_write_the_same_bytes(messages: list[Message]) -> None:
    writer = Reader()
    for message in messages:
        writer.protocol.send(message.head, message.payload)

    with channel_pair() as (channel, other_end):
        for message in messages:
            channel.send(message.head, message.payload)
        other_end.setblocking(False)
        written = other_end.recv(1 << 20) if messages else b""

    assert written == writer.wire.written


@given(st.lists(_messages, max_size=4))
def test_a_child_reads_what_its_parent_writes(messages: list[Message]) -> None:
    writer = Reader()
    for message in messages:
        writer.protocol.send(message.head, message.payload)

    with channel_pair() as (channel, other_end):
        other_end.sendall(writer.wire.written)
        other_end.close()
        received = [channel.receive() for _ in range(len(messages) + 1)]

    assert received == [*messages, None]


@given(_messages, st.data())
def test_a_child_whose_parent_goes_in_mid_message_reads_the_end(message: Message, data: st.DataObject) -> None:
    whole = pack_head(message.head, len(message.payload)) + message.payload
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]

    with channel_pair() as (channel, other_end):
        other_end.sendall(part)
        other_end.close()

        assert channel.receive() is None


def test_messages_of_many_threads_do_not_mix() -> None:
    reader = Reader()
    payloads = [bytes([number]) * 300_000 for number in range(4)]

    with channel_pair() as (channel, other_end):
        threads = [
            threading.Thread(target=_send_often, args=(channel, {"number": number}, payload))
            for number, payload in enumerate(payloads)
        ]
        for thread in threads:
            thread.start()
        while len(reader.messages) < 20:
            reader.protocol.data_received(other_end.recv(1 << 16))
        for thread in threads:
            thread.join()

    assert all(message.payload == payloads[message.head["number"]] for message in reader.messages)


def _send_often(channel: BlockingChannel, head: Head, payload: bytes) -> None:
    for _ in range(5):
        channel.send(head, payload)


def test_an_input_that_lies_in_a_file_is_known_by_its_name_and_any_other_by_its_bytes() -> None:
    assert Message({}, b"", (3,), b"item").suspect == b"item"
    assert Message({}, b"picture", (3,)).suspect == b"picture"
