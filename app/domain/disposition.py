"""What a browser may do with stored bytes: show or save them, under which name (RFC 6266), and keep them or not."""

from __future__ import annotations

from urllib.parse import quote

CACHE_CONTROL = "private, no-cache"
"""Stored bytes are one client's, and asked for again each time: an item may be deleted (RFC 9111, section 5.2.2)."""

_SAFE_INLINE = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm", "video/ogg"}
    | {"audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac"}
)
"""Types that a browser can only show or play; anything else is to be saved."""


def content_disposition(content_type: str, name: str) -> str:
    """Return the header: `inline` for what a browser can only show or play, else `attachment`.

    The name is given in plain ASCII, and once more in UTF-8 (RFC 8187) where that differs.
    """
    kind = "inline" if content_type in _SAFE_INLINE else "attachment"
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in name)
    header = f'{kind}; filename="{plain}"'
    if plain != name:
        header += f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return header
