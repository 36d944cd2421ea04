"""A rendered picture as an HTTP answer."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response, StreamingResponse

from app.domain.disposition import content_disposition
from app.http.receipts import receipt_headers
from app.images.rendered import PIECE_BYTES, RenderedImage, Timing

FACES = "Ballast-Faces"

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox",
}
"""What is shown comes from strangers, though we wrote it anew."""


async def image_response(rendered: RenderedImage, headers: Mapping[str, str]) -> Response:
    """Return a picture with our headers and these; it must stay open until the answer is sent.

    A small one is read at once, and closed: it goes out with its head.
    """
    facts = rendered.facts
    fields = {
        **SECURITY,
        "Content-Disposition": content_disposition(facts.content_type, f"image.{facts.content_type.partition('/')[2]}"),
        "Content-Length": str(facts.size_bytes),
        **receipt_headers(facts.receipt),
        **headers,
    }
    if facts.faces is not None:
        fields[FACES] = str(facts.faces)
    if facts.size_bytes <= PIECE_BYTES:
        body = b"".join([piece async for piece in rendered.chunks()])
        rendered.close()
        return Response(body, headers=fields, media_type=facts.content_type)
    return StreamingResponse(rendered.chunks(), headers=fields, media_type=facts.content_type)


def server_timing(timing: Timing, cache: str) -> str:
    """Return the Server-Timing header (W3C), in milliseconds; `cache` is `hit` or `miss`."""
    phases = {
        "decode": timing.decode_seconds,
        "transform": timing.transform_seconds,
        "encode": timing.encode_seconds,
    }
    return ", ".join([*(f"{name};dur={seconds * 1000:.1f}" for name, seconds in phases.items()), f"cache;desc={cache}"])


HIT_TIMING = server_timing(Timing(0.0, 0.0, 0.0), "hit")
"""What is found in the cache takes no work."""
