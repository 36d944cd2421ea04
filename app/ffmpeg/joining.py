"""Parts put together to one file, without encoding the pictures again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.ffmpeg.predictor import COPY_BYTES, index_bytes, join_bytes
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.runner import MAX_PIXELS, guarded_input
from app.ffmpeg.works import Expectation, Work

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Joined:
    """`parts` are paths and seconds, in order; the pictures begin `delay` seconds after the sound. `size_bytes`: what
    the file may take."""

    parts: Sequence[tuple[Path, float]]
    frames: int
    size_bytes: int
    delay: float = 0.0

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.parts)


@dataclass(frozen=True, slots=True)
class MediaSize:
    """How long something lasts, and what it may take on the disk."""

    seconds: float
    nbytes: int


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """Input arguments that name one file or list of `seconds`, and options for what becomes of its sound. `text`: the
    list, where it is one, to be written to `path`."""

    path: Path
    inputs: Sequence[str]
    options: Sequence[str]
    seconds: float
    text: str | None = None


def list_input(path: Path, demuxer: str) -> list[str]:
    """Return the arguments that open a list of our own parts, which are of one format."""
    allowed = ["-protocol_whitelist", "file,pipe", "-format_whitelist", f"concat,{demuxer}"]
    return [*allowed, "-max_pixels", str(MAX_PIXELS), "-f", "concat", "-safe", "0", "-i", f"file:{path}"]


def list_text(parts: Sequence[tuple[Path, float]]) -> str:
    """Return the list: each part lasts exactly so long, whatever its last frame says."""
    lines = ["ffconcat version 1.0"]
    for path, seconds in parts:
        quoted = str(path).replace("'", "'\\''")
        lines += [f"file 'file:{quoted}'", f"duration {seconds:.6f}"]
    return "\n".join([*lines, ""])


def join_work(joined: Joined, sound: SoundTrack | None, listing: Path, target: Path, muxer: str) -> Work:
    """Return the run that joins parts, and puts sound to them; `listing` is where the list of the parts is written."""
    delay = ["-itsoffset", f"{joined.delay:.6f}"] if joined.delay > 0 else []
    texts = [(listing, list_text(joined.parts))]
    if sound is not None and sound.text is not None:
        texts.append((sound.path, sound.text))
    mapped = ["-map", "0:v:0"] if sound is None else ["-map", "0:v:0", "-map", "1:a:0"]
    folder = listing.parent
    reads = (folder,) if sound is None else (folder, sound.path)
    return Work(
        arguments=[
            *(*delay, *list_input(listing, "mov")),
            *([] if sound is None else sound.inputs),
            *(*mapped, "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy"),
            *([] if sound is None else sound.options),
            *(*muxer_options(muxer), f"file:{target}"),
        ],
        cost_bytes=join_bytes(len(joined.parts))
        + index_bytes(joined.seconds, joined.frames / max(joined.seconds, 0.001))
        + (0 if sound is None else index_bytes(sound.seconds, None)),
        threads=_THREADS,
        reads=reads,
        writes=(target,),
        file_bytes=joined.size_bytes,
        seconds=joined.seconds,
        expect=Expectation(frames=joined.frames),
        texts=tuple(texts),
    )


def copy_work(
    source: tuple[Path, str], target: Path, container: str, sound: Sequence[str], expect: Expectation, size: MediaSize
) -> Work:
    """Return the run that copies the pictures of a file (path and content type) into another container."""
    path, content_type = source
    return Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[content_type])),
            *("-map", "0:V:0", *sound, "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy"),
            *(*muxer_options(container), f"file:{target}"),
        ],
        cost_bytes=COPY_BYTES + 2 * index_bytes(size.seconds, None),
        threads=_THREADS,
        reads=(path,),
        writes=(target,),
        file_bytes=size.nbytes,
        seconds=size.seconds,
        expect=expect,
    )


def muxer_options(container: str) -> list[str]:
    """Return the options of a container, `mp4` or `webm`: what comes over a network plays before all of it is there."""
    if container == "webm":
        return ["-f", "webm"]
    return ["-movflags", "+faststart", "-f", "mp4"]
