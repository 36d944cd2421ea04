"""The list of a video's packets: when each frame is shown and which are key frames; nothing is decoded."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from heapq import heappush, heappushpop
from pathlib import Path

from app.domain.units import KIB, MIB
from app.errors import InvalidMedia, Overloaded, ProcessingTimeout, UnsupportedMedia
from app.ffmpeg.complaints import Complaints, Starved
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.probe import DEMUXERS, PROBE_BYTES
from app.ffmpeg.runner import FFmpegRunner, RunLimits, guarded_input
from app.memory.reservation import PendingReservation, Reservation

_MOST_BYTES = 96 * MIB
"""What ffprobe takes at most: 58 MiB for 18,000 packets, of which libraries are most, and the index of a long file."""

_FILE_PARTS = 14
"""Into how many times its index a file goes, at least: 24 bytes a packet, grown by half, and packets of 500 bytes."""

_BLOCK_FRAMES = 1 << 16
_FRAME_BYTES = 10

_DEADLINE_SECONDS = 900.0
"""For a file of 50 GB on a disk of 60 MB/s: it is read as a whole where it has no index."""

_REORDERED = 32
"""Packets come in the order of decoding: H.264 and HEVC move a frame by 16 places at most."""

_WITHOUT_SOME_TIMES = frozenset({"mpeg"})
"""In a program stream only some packets say when their frame is shown. All come at a steady rate, so that the times are
those of decoding, a constant later."""

_READ_BYTES = 64 * KIB


class PacketLister:
    """Asks ffprobe; `reserve` gives bytes of the ledger."""

    def __init__(self, ffprobe: Path, runner: FFmpegRunner, reserve: Callable[[int], PendingReservation]) -> None:
        self._ffprobe = ffprobe
        self._runner = runner
        self._reserve = reserve

    async def list(self, path: Path, content_type: str, size_bytes: int) -> PacketTimes:
        """List the packets of the first video stream of a file of this size.

        Raises:
            UnsupportedMedia: files of this type have none.
            InvalidMedia: the file is broken.
            Overloaded, MemoryExceedsLimit, ProcessingTimeout, WorkerFailed: see `FFmpegWorks`.
        """
        demuxer = DEMUXERS.get(content_type)
        if demuxer is None:
            raise UnsupportedMedia("Only videos have frames.")
        arguments = [
            *("-hide_banner", "-v", "error", "-select_streams", "V:0", "-of", "csv=nk=1"),
            *("-show_entries", "packet=pts_time,dts_time,flags:format=start_time"),
            *guarded_input(path, demuxer),
        ]
        async with self._reserve(listing_bytes(size_bytes)) as holder:
            limits = RunLimits(2 * _MOST_BYTES, _DEADLINE_SECONDS, reads=(path,))
            async with self._runner.started(self._ffprobe, arguments, limits, holder) as process:
                collector, complaints = _Collector(holder, demuxer), Complaints()
                try:
                    async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
                        tasks.create_task(_follow(process.stdout, collector.feed))
                        tasks.create_task(_follow(process.stderr, complaints.feed))
                except TimeoutError as late:
                    raise ProcessingTimeout("Listing the frames took too long.") from late
                except ExceptionGroup as group:
                    raise group.exceptions[0] from None
                problem = complaints.error(await process.wait())
            if isinstance(problem, Starved):
                raise Overloaded("There is no memory to list the frames of this video.")
            if problem is not None:
                raise problem
            return collector.result()


def listing_bytes(size_bytes: int) -> int:
    """Return what is reserved to list a file of so many bytes: that of a short one is no more than a probe of it."""
    return min(_MOST_BYTES, PROBE_BYTES + size_bytes // _FILE_PARTS)


class _Collector:
    """Takes lines such as `packet,0.040000,0.000000,K__`, and at last `format,0.000000`."""

    def __init__(self, holder: Reservation, demuxer: str) -> None:
        self._holder = holder
        self._by_decoding = demuxer in _WITHOUT_SOME_TIMES
        self._delay = 0.0
        self._times, self._keyframes = array("d"), array("d")
        self._places = array("L")
        self._packets = self._hidden = 0
        self._is_decodable = False
        self._early: list[float] = []
        self._start = 0.0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        blocks = len(self._times) // _BLOCK_FRAMES
        for line in lines:
            self._take(line.rstrip(b"\r,").split(b","))
        if len(self._times) // _BLOCK_FRAMES > blocks:
            self._pay()

    def result(self) -> PacketTimes:
        for time in sorted(self._early):
            self._times.append(time)
        if not self._times:
            raise InvalidMedia("The video has no frames.")
        shift = self._start
        times = array("d", (round(time - shift, 6) for time in self._times)) if shift else self._times
        keyframes = array("d", (round(time - shift, 6) for time in self._keyframes))
        return PacketTimes(times, keyframes, self._places, self._hidden)

    def _take(self, words: list[bytes]) -> None:
        if words[0] == b"format":
            self._start = _number(words[1:]) or 0.0
        elif words[0] == b"packet" and len(words) >= 4:
            time = self._time(words)
            self._is_decodable = self._is_decodable or b"K" in words[3]
            if time is None or not self._is_decodable:  # nothing can be made of what comes before the first key frame
                return
            if b"D" in words[3]:  # discarded: before the beginning of an edit, though what is shown may depend on it
                self._hidden += 1
                return
            if b"K" in words[3]:
                shown = _number(words[1:2])
                self._keyframes.append(time if shown is None else shown)
                self._places.append(self._packets)
            self._packets += 1
            if len(self._early) < _REORDERED:
                heappush(self._early, time)
            else:
                self._times.append(heappushpop(self._early, time))

    def _time(self, words: list[bytes]) -> float | None:
        shown, decoded = _number(words[1:2]), _number(words[2:3])
        if not self._by_decoding or decoded is None:
            return decoded if shown is None else shown
        if not self._packets and shown is not None:
            self._delay = shown - decoded
        return decoded + self._delay

    def _pay(self) -> None:
        if not self._holder.grow({"times": _BLOCK_FRAMES * _FRAME_BYTES}):
            raise Overloaded("There is no memory to list the frames of this video.")


def _number(words: list[bytes]) -> float | None:
    """Return the first that is a number (pts_time, else dts_time: AVI has no other)."""
    for word in words:
        try:
            return float(word)
        except ValueError:
            continue
    return None


async def _follow(stream: asyncio.StreamReader | None, feed: Callable[[bytes], None]) -> None:
    while stream is not None and (data := await stream.read(_READ_BYTES)):
        feed(data)
