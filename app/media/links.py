"""The URLs that answers hand out: an item's bytes, a picture's presets, where a player begins, a job's events."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from app.domain.media import MediaItem, MediaKind
from app.media.packages import HLS_PACKAGE
from app.media.signer import Pairs, UrlSigner


class Links:
    """Makes them; with a signer they are good without a key, for a while."""

    def __init__(self, signer: UrlSigner | None = None, presets: Iterable[str] = ()) -> None:
        """`presets`: the names of `BALLAST_IMAGE__PRESETS`."""
        self._signer = signer
        self._presets = tuple(presets)

    def content(self, item: MediaItem) -> str:
        return self._link(f"/v1/media/{item.id}/content")

    def presets(self, item: MediaItem) -> dict[str, str]:
        """Return where each preset of a picture is, by its name; nothing of what is no picture."""
        if item.kind is not MediaKind.IMAGE:
            return {}
        path = f"/v1/media/{item.id}/image"
        return {name: self._link(path, [("preset", name)]) for name in self._presets}

    def hls(self, item: MediaItem) -> str | None:
        """Return where the master playlist of an item is; None: it is not made for HTTP Live Streaming."""
        if item.content_type != HLS_PACKAGE.content_type:
            return None
        return self._link(f"/v1/media/{item.id}/hls/master.m3u8")

    def stream(self, path: str) -> str:
        """Return an address below `hls/` of an item, as it is to be handed out."""
        return self._link(path)

    def job_events(self, job_id: str) -> str:
        return self._link(f"/v1/jobs/{job_id}/events")

    def _link(self, path: str, parameters: Pairs = ()) -> str:
        if self._signer is not None:
            return self._signer.sign(path, parameters)
        return f"{path}?{urlencode(parameters)}" if parameters else path
