"""What a job works on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.media import MediaItem, MediaKind
from app.errors import InvalidParameter, UnsupportedMedia
from app.ffmpeg.probe import DEMUXERS, AudioStream, Probe, VideoStream


@dataclass(frozen=True, slots=True)
class Source:
    """One input: an item of the store, pinned while the job is not finished. `probe` is None for a picture."""

    item: MediaItem
    probe: Probe | None = None

    @property
    def is_picture(self) -> bool:
        return self.item.kind is MediaKind.IMAGE

    @property
    def video(self) -> VideoStream:
        """Its video stream.

        Raises:
            UnsupportedMedia: it is no video.
            InvalidParameter: it is one without pictures.
        """
        if self.item.kind is not MediaKind.VIDEO:
            raise UnsupportedMedia(f"input: {self.item.id} is {self.item.content_type}; a video is needed.")
        if self.probe is None or self.probe.video is None:
            raise InvalidParameter(f"input: {self.item.id} has no video.")
        return self.probe.video

    @property
    def audio(self) -> AudioStream | None:
        return None if self.probe is None else self.probe.audio

    @property
    def duration_seconds(self) -> float:
        """How long it lasts.

        Raises:
            UnsupportedMedia: it is a picture.
            InvalidParameter: it is not known.
        """
        if self.is_picture:
            raise UnsupportedMedia(f"input: {self.item.id} is a picture; a video is needed.")
        if self.probe is None or self.probe.duration_seconds is None:
            raise InvalidParameter(f"input: nobody knows how long {self.item.id} lasts.")
        return self.probe.duration_seconds

    @property
    def picture_seconds(self) -> float:
        """Until when its pictures are shown, which may be before its sound ends; that of the file, where its container
        does not tell, as a program stream does not for its last frames. Raises as `duration_seconds` and `video` do."""
        seconds, video = self.duration_seconds, self.video
        known = None if DEMUXERS[self.item.content_type] == "mpeg" else video.duration_seconds
        return seconds if known is None else min(seconds, video.late_seconds + known)


def absent(media_id: str) -> Source:
    """Return what stands for a picture that is not there, for kinds that go on without it: reading it is NotFound."""
    item = MediaItem(
        id=media_id,
        timestamp_key="",
        name="",
        content_type="",
        kind=MediaKind.IMAGE,
        size_bytes=0,
        sha256=None,
        path="",
        created_at=datetime.fromtimestamp(0, UTC),
    )
    return Source(item)
