"""Metrics of what is stored: media, temporary files, the disk, the object store."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from app.media.room import MediaRoom
from app.status.families import counter, counters, gauge, gauges, histogram
from app.storage.watch import StorageWatch

_SOURCES = ("batch", "copy", "list", "picture", "upload")
"""What makes temporary files: so that a series is there before its first file."""


class StorageMetrics:
    def __init__(self, media: MediaRoom, watch: StorageWatch) -> None:
        self._media = media
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._stored()
        yield from self._uploads()
        yield from self._disk()
        yield from self._objects()

    def _stored(self) -> Iterator[Metric]:
        store = self._media.store
        files = store.temp_files.statistics()
        by_source = dict.fromkeys(_SOURCES, 0) | {name: one.total_bytes for name, one in files.by_source.items()}
        yield gauge("tempfiles", "Temporary files.", files.count)
        yield gauges("tempfiles_bytes", "Bytes in temporary files by source.", "source", by_source)
        usage = store.usage()
        yield gauge("storage_stored_bytes", "Bytes of stored media.", usage.stored_bytes)
        yield gauge("storage_reserved_bytes", "Bytes promised to what is being written.", usage.reserved_bytes)
        quota = float("inf") if usage.quota_bytes is None else usage.quota_bytes
        yield gauge("storage_quota_bytes", "What stored and incoming media may take; infinite without a quota.", quota)
        yield gauge("storage_items", "Stored media items.", usage.items)

    def _uploads(self) -> Iterator[Metric]:
        uploads, totals = self._media.uploads.statistics(), self._media.uploads.totals()
        yield gauge("uploads_active", "Uploads that are coming in.", uploads.active)
        yield counter("uploads", "Requests that brought bytes of an upload.", totals.begun)
        yield counter("uploads_failed", "Those of them that were refused or broke off.", totals.failed)
        yield counter("upload_received_bytes", "Bytes of uploads that came in.", totals.received_bytes)

    def _disk(self) -> Iterator[Metric]:
        """What the disk said when it was looked at last; NaN before that, and where it does not say."""
        disk, nan = self._watch.disk, float("nan")
        yield gauge(
            "disk_capacity_bytes", "Size of the file system of the storage root.", disk.total_bytes if disk else nan
        )
        yield gauge("disk_free_bytes", "Free bytes of the same.", disk.free_bytes if disk else nan)
        yield gauge("disk_inodes", "Files that it can have; 0: no fixed number.", disk.total_inodes if disk else nan)
        yield gauge("disk_free_inodes", "Files that can still be made on it.", disk.free_inodes if disk else nan)
        hangs, full = self._watch.disk_hangs, self._watch.disk_is_full
        yield gauge("disk_hanging", "Whether a write of one byte does not come back.", hangs)
        yield gauge("disk_full", "Whether no room is left above the floor, or no inode.", full)

    def _objects(self) -> Iterator[Metric]:
        traffic = self._media.store.traffic
        if traffic is None:
            return
        yield gauge("object_store_away", "Whether the object store does not answer.", self._watch.store_is_away)
        seconds = (((verb,), taken) for verb, taken in traffic.seconds.items())
        words = "How long requests to the object store took, repetitions included."
        yield histogram("object_store_request_seconds", words, ("verb",), seconds)
        yield counters("object_store_errors", "Those of them that failed.", "verb", traffic.errors)
