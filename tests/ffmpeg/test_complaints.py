from __future__ import annotations

import pytest

from app.errors import InvalidMedia, StorageFull, TooManyPixels, WorkerFailed
from app.ffmpeg.complaints import Complaints, Starved


@pytest.mark.parametrize(
    ("text", "exit_code", "kind"),
    [
        (b"[h264 @ 0x1] get_buffer() failed\n", 0, Starved),
        (b"[libx264 @ 0x1] malloc of size 4177984 failed\n", 187, Starved),
        (b"", -9, Starved),
        (b"av_interleaved_write_frame(): No space left on device\n", 228, StorageFull),
        (b"Error writing trailer: File too large\n", 1, StorageFull),
        (b"", -25, StorageFull),
        (b"stream 0, offset 0x1234: partial file\n", 0, InvalidMedia),
        (b"moov atom not found\n", 1, InvalidMedia),
        (b"Picture size exceeds specified max pixel count 35389440\n", 1, TooManyPixels),
        (b"something new\n", 1, WorkerFailed),
        (b"", 0, type(None)),
        (b"[h264 @ 0x1] error while decoding MB 3 4\n", 0, type(None)),
    ],
)
def test_messages_tell_what_is_wrong_and_exit_codes_only_that(text: bytes, exit_code: int, kind: type) -> None:
    complaints = Complaints()

    complaints.feed(text)

    assert type(complaints.error(exit_code)) is kind


def test_a_sign_is_seen_in_two_pieces_and_long_before_the_end() -> None:
    complaints = Complaints()

    for piece in (b"Cannot allo", b"cate memory\n", b"x" * 100_000):
        complaints.feed(piece)

    assert isinstance(complaints.error(0), Starved)
    assert len(complaints.tail) == 4096
