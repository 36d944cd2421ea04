"""Inputs of jobs: found, probed, and held to what a job may work on, before anything is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from app.domain.media import MediaItem, MediaKind
from app.errors import InvalidMedia, InvalidParameter, NotFound, PayloadTooLarge, TooManyPixels, UnsupportedMedia
from app.ffmpeg.probe import Probe
from app.ffmpeg.works import FFmpegWorks
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.source import Source, absent
from app.settings import VideoSettings
from app.storage import ids
from app.storage.store import MediaStore


class SourceFinder:
    """Finds the inputs of a job."""

    def __init__(self, store: MediaStore, settings: VideoSettings) -> None:
        self._store = store
        self._settings = settings

    async def find(
        self, kind: JobKind[JobParams], media_ids: Sequence[str], works: FFmpegWorks, pins: ExitStack
    ) -> list[Source]:
        """Return the inputs, none of which can be deleted while `pins` is open.

        Raises:
            InvalidParameter: there are too many of them, or none.
            NotFound: one is not there.
            UnsupportedMedia, InvalidMedia: one is not what a job can work on.
            PayloadTooLarge, TooManyPixels: one is longer, faster or larger than a job may work on.
            Overloaded: there is no memory for a probe now.
        """
        if not media_ids:
            raise InvalidParameter("input: give the id of a stored item, or a list of ids.")
        if len(media_ids) > kind.max_inputs:
            raise InvalidParameter(f"input: {kind.name} takes at most {kind.max_inputs}, not {len(media_ids)}.")
        found: dict[str, Source] = {}
        for media_id in dict.fromkeys(media_ids):
            try:
                found[media_id] = await self.one(media_id, works, pins)
            except NotFound:
                if not (kind.goes_on_without and ids.is_id(media_id)):
                    raise
                found[media_id] = absent(media_id)
        return [found[media_id] for media_id in media_ids]

    async def one(self, media_id: str, works: FFmpegWorks, pins: ExitStack) -> Source:
        """Return one input, whatever it is for; see `find`."""
        try:
            pins.enter_context(self._store.pin(media_id))
            item = await self._store.get(media_id)
        except NotFound:
            raise NotFound(f"input: there is no media item {media_id!r}.") from None
        if item.kind is MediaKind.OTHER:
            raise UnsupportedMedia(f"input: {media_id} is neither a picture, nor a video, nor sound.")
        if item.kind is MediaKind.IMAGE:
            return Source(item)
        async with self._store.local_file(media_id) as path:
            probe = await works.probe(path, item.content_type)
        self._check(item, probe)
        return Source(item, probe)

    async def beside(self, needs: Mapping[str, str], pins: ExitStack) -> list[Source]:
        """Return the stored pictures that a plan needs beside the inputs (`Plan.needs`); see `find`.

        Raises:
            InvalidParameter: one is not there, or no picture.
        """
        found = []
        for name, media_id in needs.items():
            try:
                pins.enter_context(self._store.pin(media_id))
                item = await self._store.get(media_id)
            except NotFound:
                raise _unusable(name, "there is no stored picture of this id.") from None
            if item.kind is not MediaKind.IMAGE:
                raise _unusable(name, "the media item of this id is not a picture that can be used.")
            found.append(Source(item))
        return found

    def _check(self, item: MediaItem, probe: Probe) -> None:
        most, seconds, video = self._settings, probe.duration_seconds, probe.video
        if seconds is not None and seconds > most.max_seconds:
            raise PayloadTooLarge(
                f"input: {item.id} lasts {seconds:.0f} seconds; a job takes at most {most.max_seconds:.0f}.",
                maxSeconds=most.max_seconds,
            )
        if item.kind is MediaKind.VIDEO and video is None:
            return  # a kind that needs pictures says so
        if video is None:
            return
        if video.coded_width * video.coded_height > most.max_pixels:
            raise TooManyPixels(
                f"input: a frame of {item.id} has {video.coded_width}x{video.coded_height} pixels; "
                f"a job takes at most {most.max_pixels}.",
                maxPixels=most.max_pixels,
            )
        if video.frame_rate is not None and video.frame_rate > most.max_fps:
            raise InvalidMedia(
                f"input: {item.id} has {video.frame_rate:g} frames a second; a job takes at most {most.max_fps:g}.",
                maxFps=most.max_fps,
            )
        rate = video.coded_width * video.coded_height * (video.frame_rate or 0.0)
        if rate > most.max_pixels_per_second:
            raise TooManyPixels(
                f"input: {item.id} has {rate:.0f} pixels a second; a job takes at most {most.max_pixels_per_second}.",
                maxPixelsPerSecond=most.max_pixels_per_second,
            )


def _unusable(name: str, message: str) -> InvalidParameter:
    return InvalidParameter(f"{name}: {message}", errors=[{"where": ["params", name], "message": message}])
