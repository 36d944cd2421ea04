"""Runs of ffmpeg for HTTP Live Streaming: encoded parts with regular key frames, and segments of fragmented MP4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.units import MIB
from app.ffmpeg.joining import list_input, list_text
from app.ffmpeg.parts import PartOrder, part_work
from app.ffmpeg.playlists import INDEX, INITIALISATION, SEGMENTS
from app.ffmpeg.predictor import index_bytes
from app.ffmpeg.probe import DEMUXERS, AudioStream
from app.ffmpeg.profiles import Rung
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import lead_seconds, seek
from app.ffmpeg.works import Expectation, Work

_CUT_BYTES = 94 * MIB
"""A copy of 906 MB into 101 segments (facts)."""

_SOUND_BYTES = 66 * MIB
_EARLY_SECONDS = 0.0005
"""Segments end with the key frame at their end, or half a millisecond before: times are rounded to ticks."""

AUDIO_BITS_A_SECOND = 128_000


@dataclass(frozen=True, slots=True)
class Segments:
    """Where segments go (a folder that is there), and how long each is, in seconds."""

    folder: Path
    seconds: float

    def arguments(self) -> list[str]:
        return [
            *("-f", "hls", "-hls_time", f"{self.seconds - _EARLY_SECONDS:.4f}", "-hls_playlist_type", "vod"),
            *("-hls_segment_type", "fmp4", "-hls_flags", "independent_segments"),
            # The first picture is shown at 0, by an edit list that is as long as reordering delays it. FFmpeg would
            # move all of it instead. (With negative offsets and no edit list, FFmpeg's own players show it late.)
            *("-avoid_negative_ts", "disabled"),
            *("-hls_fmp4_init_filename", INITIALISATION),
            *("-hls_segment_filename", f"{str(self.folder.absolute()).replace('%', '%%')}/{SEGMENTS}"),
            f"{self.folder.absolute()}/{INDEX}",
        ]


def keyed_part(order: PartOrder, rung: Rung, target: Path, segment_seconds: float) -> Work:
    """Return the run that encodes a part with a key frame at the beginning of each segment, and nowhere else.

    The same times in every rendition: a player may change between them at each segment.
    """
    times = f"expr:gte(t,n_forced*{segment_seconds:g})"
    options = ("-an", "-force_key_frames", times, "-sc_threshold", "0", "-g", "100000", "-forced-idr", "1")
    return part_work(order, Rung(rung.profile), target, options)


def cut_work(
    parts: Sequence[tuple[Path, float]], frames: int, rate: float | None, size_bytes: int, to: Segments
) -> Work:
    """Return the run that joins encoded parts (paths and seconds) and cuts them into segments; nothing is encoded."""
    folder = parts[0][0].parent
    listing = folder / f"{to.folder.name}.txt"
    seconds = sum(length for _, length in parts)
    return Work(
        arguments=[
            *list_input(listing, "mov"),
            *("-map", "0:v:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-c", "copy"),
            *to.arguments(),
        ],
        cost_bytes=_CUT_BYTES + index_bytes(seconds, rate),
        threads=2,
        reads=(folder,),
        writes=(to.folder,),
        file_bytes=size_bytes,
        seconds=seconds,
        expect=Expectation(frames=frames),
        texts=((listing, list_text(parts)),),
    )


def sound_work(path: Path, content_type: str, audio: AudioStream, span: tuple[float, float], to: Segments) -> Work:
    """Return the run that encodes the sound into segments: from `span[0]` on, when the first picture is shown.

    Where it begins later there is silence before, so that both begin together.
    """
    start, end = span
    seconds, ahead = end - start, lead_seconds(content_type, start)
    cut = [f"atrim=start={ahead:.6f}", "asetpts=PTS-STARTPTS"] if ahead else []
    return Work(
        arguments=[
            *("-threads", "1", *seek(content_type, start - ahead)),
            *guarded_input(path, DEMUXERS[content_type]),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *(
                "-af",
                ",".join(["aresample=async=1:first_pts=0", *cut]),
                "-c:a",
                "aac",
                "-b:a",
                str(AUDIO_BITS_A_SECOND),
            ),
            *("-ar", "48000", "-ac", str(min(2, audio.channels or 2)), *to.arguments()),
        ],
        cost_bytes=_SOUND_BYTES + index_bytes(seconds, None),
        threads=2,
        reads=(path,),
        writes=(to.folder,),
        file_bytes=sound_bytes(to.seconds) + sound_bytes(seconds) // 100,
        seconds=seconds,
    )


def sound_bytes(seconds: float) -> int:
    """Return what so much sound takes on the disk, and some."""
    return int(1.5 * AUDIO_BITS_A_SECOND / 8 * seconds) + MIB
