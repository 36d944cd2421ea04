"""Runs of ffmpeg under the ledger: reserved before they start, watched, held to what they reserved, and checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from app.ffmpeg.abilities import Abilities
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.probe import Probe
from app.ffmpeg.profiles import Profile, Rung

OnProgress: TypeAlias = Callable[[float], Awaitable[None]]
"""Told the share of a run that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the output must have, or the run has failed, whatever ffmpeg's exit code (it may stop early with 0).

    `frames`: exactly so many, give or take `frames_slack`; `seconds`: give or take `seconds_slack`. None: not checked.
    """

    frames: int | None = None
    frames_slack: int = 0
    seconds: float | None = None
    seconds_slack: float = 0.1


@dataclass(frozen=True, slots=True)
class Work:
    """One run. `arguments`: all after the general options (`-hide_banner -nostdin -v error ... -progress`), made by us
    alone (inputs by `guarded_input`); the last is the output.

    `cost_bytes`: its predicted peak (`predictor`); it is reserved with the margin that is usual. `threads`: of all its
    decoders and encoders, for the data limit. It may open what is in `reads`, and write what is in `writes` (files or
    folders), each file no larger than `file_bytes`. `seconds`: the length of what it makes, for progress and deadline.
    `texts` are files (lists of parts) that are written before it starts, and are gone when it has ended; `reads` has
    the folder that they are in.
    """

    arguments: Sequence[str]
    cost_bytes: int
    threads: int
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    file_bytes: int
    seconds: float
    expect: Expectation = Expectation()
    texts: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`peak_bytes` as the kernel says (VmHWM). `retries`: runs before this one that lacked memory. `frames`, `seconds`:
    of what was made, where ffmpeg told."""

    predicted_bytes: int
    peak_bytes: int
    retries: int
    rung: Rung | None
    frames: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Raw frames that come out of a pipe: rgb24, `width` x `height` x 3 bytes each, without gaps.

    `descriptor` is the reading end; whoever takes them reads it to its end. Frame k is at `start + k / rate` where the
    rate is regular. `peak_bytes` returns what the run has held so far (VmHWM).
    """

    descriptor: int
    width: int
    height: int
    peak_bytes: Callable[[], int] = int


class FFmpegWorks(Protocol):
    """What steps of jobs may have ffmpeg do. Priority BATCH; a cancelled task kills its run.

    All raise Overloaded where there is no memory within a bounded time (the step is tried again later),
    MemoryExceedsLimit where it can never fit, InvalidMedia where the input is broken or the output came out short,
    StorageFull, ProcessingTimeout (deadline or stall), WorkerFailed (also where it lacked memory that there was: then
    the prediction is wrong).
    """

    abilities: Abilities

    async def run(self, work: Work, on_progress: OnProgress | None = None) -> Report:
        """Run one work to its end; its outputs are gone if it fails."""
        ...

    async def encode(
        self,
        make: Callable[[Rung], Work],
        highest: Profile,
        on_progress: OnProgress | None = None,
        least: Profile = Profile.LOW,
    ) -> Report:
        """Run `make(rung)` on the highest rung that fits now, at most `highest` and what the processing mode allows;
        one rung lower each time that memory did not do. Down to `least` it takes what is free, and waits for that."""
        ...

    def sample(self, work: Work, width: int, height: int) -> AbstractAsyncContextManager[Sampled]:
        """Run a work whose output is raw frames on `pipe:1`, for the block; what it has not read is dropped."""
        ...

    async def probe(self, path: Path, content_type: str) -> Probe: ...

    async def frames(self, path: Path, content_type: str) -> PacketTimes:
        """Return when frames and key frames are shown (a packet list: nothing is decoded)."""
        ...

    async def timestamps(self, path: Path, content_type: str) -> Sequence[float]:
        """Return only the times of all frames (`frames`)."""
        ...
