"""Content-Disposition (RFC 6266): how a browser treats stored bytes, and the name it offers for them."""

from __future__ import annotations

from urllib.parse import quote

_SAFE_INLINE = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm", "video/ogg"}
    | {"audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac"}
)
"""Types that a browser only shows or plays; anything else is saved."""


def content_disposition(content_type: str, name: str) -> str:
    """Return the header: `inline` for what a browser can only show, else `attachment`.

    The name is given twice: in plain ASCII for old clients, and in UTF-8 (RFC 8187) where that says more.
    """
    kind = "inline" if content_type in _SAFE_INLINE else "attachment"
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in name)
    header = f'{kind}; filename="{plain}"'
    if plain != name:
        header += f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return header
