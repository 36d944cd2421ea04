"""What is wanted of a stored item, and the names of it: in the cache, and in entity tags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

from app import __version__
from app.domain.media import MediaItem, MediaKind
from app.errors import InvalidParameter, UnsupportedMedia
from app.images.conversion import CONTENT_TYPES
from app.images.transform import Transform
from app.memory.cache import CacheKey

SOURCE = "images"
"""Its name in the cache."""

_VERSION = f"{__version__}, results 2, Pillow {version('pillow')}"
"""What else the bytes of a result depend on: after an upgrade they are made anew. `results` is counted up where equal
parameters give other bytes."""

_TAG_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Derivation:
    """A transform of a picture, or of the frame of a video that is shown `at_seconds` (None: of a picture).

    `digest` stands for all of it. Equal derivations of one item are equal answers, as far as the encoder's effort is
    the same (`ModePolicy.encoder_effort`): that is in their names too.
    """

    transform: Transform
    at_seconds: float | None
    digest: str

    @classmethod
    def of(cls, transform: Transform, at_seconds: float | None) -> Derivation:
        if at_seconds is not None:
            at_seconds = round(at_seconds, 3)
        wanted = f"{_VERSION}\n{at_seconds}\n{transform.key}"
        return cls(transform, at_seconds, hashlib.sha256(wanted.encode()).hexdigest())

    def key(self, media_id: str, effort: float) -> CacheKey:
        """Return its name in the cache."""
        return CacheKey(SOURCE, media_id, self.digest + _suffix(effort), self.watermark)

    @property
    def watermark(self) -> str:
        """The id of the second item that is needed for it; empty for none."""
        params = self.transform.params("watermark")
        return "" if params is None else str(params.watermark)

    def tag(self, media_id: str, effort: float) -> str:
        """Return the entity tag (RFC 9110, section 8.8.3), with its quotes; a strong one."""
        return f'"{media_id}-{self.digest[:_TAG_CHARACTERS]}{_suffix(effort)}"'

    def is_known(self, media_id: str, if_none_match: str) -> bool:
        """Whether an If-None-Match lists this derivation, made with whatever effort: that is no reason for another."""
        wanted = f'"{media_id}-{self.digest[:_TAG_CHARACTERS]}'
        tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
        return any(tag == "*" or tag in (f'{wanted}"',) or tag.startswith(f"{wanted}-") for tag in tags)

    def check_item(self, item: MediaItem) -> None:
        """Make sure that this can be done with an item of its kind.

        Raises:
            UnsupportedMedia: it is neither picture nor video.
            InvalidParameter: a time is given for a picture, or none for a video.
        """
        if item.kind not in (MediaKind.IMAGE, MediaKind.VIDEO):
            raise UnsupportedMedia("Only pictures and videos can be shown as a picture.")
        is_video = item.kind is MediaKind.VIDEO
        if is_video and self.at_seconds is None:
            raise InvalidParameter("at: say which frame of the video, in seconds from its beginning.")
        if not is_video and self.at_seconds is not None:
            raise InvalidParameter("at: only videos have frames; leave it out for a picture.")

    def content_type(self, item: MediaItem) -> str | None:
        """Return the type that the result will have; None where that depends on the pixels."""
        source = "jpeg" if item.kind is MediaKind.VIDEO else item.content_type.partition("/")[2]
        name = self.transform.conversion.foretold(source, self.transform.accepted)
        return CONTENT_TYPES.get(name or "")


def _suffix(effort: float) -> str:
    return "" if effort == 1.0 else f"-{round(effort * 100)}"
