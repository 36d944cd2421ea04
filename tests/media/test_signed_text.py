"""Texts whose addresses are signed while they are sent, however the bytes are cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import Request
from starlette.responses import StreamingResponse

from app.domain.media import MediaItem, MediaKind
from app.http.guards import EXPIRES_KEY
from app.media.signed_text import is_signed_track, signed_track
from app.media.signer import UrlSigner
from app.storage.backend import CHUNK_BYTES, MediaReader

EXPIRES = 1_900_000_000
CUE = "00:0{0}.000 --> 00:0{0}.900\n../{1}/content#xywh=0,0,160,90\n\n"
TRACK = f"WEBVTT\n\n{CUE.format(0, 'iabc')}{CUE.format(1, 'idef')}"


class Text(MediaReader):
    def __init__(self, text: str, content_type: str = "text/vtt") -> None:
        self._data = text.encode()
        self.item = MediaItem(
            id="oabc",
            timestamp_key="1",
            name="a.vtt",
            content_type=content_type,
            kind=MediaKind.OTHER,
            size_bytes=len(self._data),
            sha256=None,
            path="a.vtt",
            created_at=datetime.now(UTC),
        )

    async def open(self) -> None:
        """It is open."""

    async def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        for at in range(offset, offset + length, chunk_bytes):
            yield self._data[at : at + chunk_bytes]


def request(**more: Any) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [], **more})


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 1 << 20])
async def test_each_sheet_is_signed_until_the_track_is_not_good_any_more(chunk_bytes: int) -> None:
    signer = UrlSigner(["secret"], 100)

    answer = signed_track(request(**{EXPIRES_KEY: EXPIRES}), Text(TRACK), signer, chunk_bytes)

    assert isinstance(answer, StreamingResponse)
    sent = b"".join([bytes(one) async for one in answer.body_iterator]).decode()  # type: ignore[arg-type]
    expected = TRACK
    for name in ("iabc", "idef"):
        url = signer.sign_until(EXPIRES, f"/v1/media/{name}/content")
        expected = expected.replace(f"../{name}/content", url.replace("/v1/media", ".."))
    assert sent == expected


@pytest.mark.parametrize(
    ("content_type", "expires_at"), [("text/vtt", None), ("video/mp4", EXPIRES)], ids=["with a key", "a video"]
)
def test_all_else_is_answered_as_it_is_stored(content_type: str, expires_at: int | None) -> None:
    assert is_signed_track(Text(TRACK).item, EXPIRES)

    assert not is_signed_track(Text(TRACK, content_type).item, expires_at)
