"""All six tasks in a real 300 MiB control group, alone and beside a webcam stream, and what one process makes of it.

    python -m benchmarks.mixed [--rounds 3] [--count 120] [--photos FOLDER] [--limit 300] [--against CHECKOUT] [--short]

Four clients send photos, each to the next of the six tasks, nothing answered from the cache, nothing sent twice. Each
turn is a fresh server in a fresh group, with none of its files in the page cache, as a new container begins; each round
has every server alone and beside one `hands` stream of 15 frames a second, in another order every time. Seconds are the
client's; "after the first" leaves out the first photo of each task, and lost ones. The peak is the kernel's figure of
the group, from before the start of the server on. The peer is what a user would write: one process that holds all six
models (of pose the lite one, where ours has what the level lets it have).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.domain.units import MIB
from benchmarks.claim import Claim, print_claims
from benchmarks.contenders import run_peer
from benchmarks.group_watch import GroupWatch
from benchmarks.media import MEDIA, extract_frames
from benchmarks.mixed_load import (
    CLIENTS,
    TASKS,
    MixedAnswers,
    Target,
    send_photos,
    send_photos_beside_a_stream,
    told_ms,
)
from benchmarks.server import REPOSITORY, add_against, run_service
from benchmarks.service_report import DIED, KILLED, count, watched_levels
from benchmarks.table import percentile, print_heading, print_table
from soak.cgroup import GroupUnavailable, MemoryGroup, memory_group
from soak.cold import drop_from_cache, program_folders
from soak.http import LOST
from soak.pictures import Picture, read_pictures

ALONE, BESIDE = "photos alone", "beside a stream of 15 fps"
_MAX_BYTES = 5 * MIB
"""BALLAST_VISION__MAX_BYTES, as it is by default."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be started in a control group; `tells`: it is one of ours, and can be asked how it went."""

    name: str
    start: Callable[[MemoryGroup], AbstractContextManager[Target]]
    folders: tuple[Path, ...]
    tells: bool


@dataclass(frozen=True, slots=True)
class Workload:
    pictures: Sequence[Picture]
    count: int
    frames: Sequence[bytes]
    limit_bytes: int


@dataclass(slots=True)
class Turn:
    """What came of one server's turn. `killed` and `died` count children; -1: it could not be asked any more."""

    answers: MixedAnswers = field(default_factory=MixedAnswers)
    levels: set[str] = field(default_factory=set)
    killed: int = 0
    died: int = 0
    peak_bytes: int = 0
    oom_kills: int = 0


def main() -> None:
    arguments = _arguments()
    print_heading("benchmarks.mixed", f"Six tasks in turn, {CLIENTS} clients, in {arguments.limit} MiB")
    rounds, photos = (1, 2 * len(TASKS)) if arguments.short else (arguments.rounds, arguments.count)
    pictures = read_pictures(arguments.photos, _MAX_BYTES).photos
    frames = extract_frames("hand_202_frames.mp4", 640, 360)
    workload = Workload(pictures, photos, frames, arguments.limit * MIB)
    try:
        turns = measure(contenders(arguments.against), workload, rounds)
    except GroupUnavailable as error:
        raise SystemExit(f"this needs a memory control group: {error}") from None
    print(f"{rounds} rounds of {photos} photos ({len(pictures)} different ones); the worst of all rounds\n")
    for scene in (ALONE, BESIDE):
        names = [name for name, of in turns if of == scene]
        print_table(_HEADER, [_row(f"{name}, {scene}", turns[name, scene]) for name in names])
        print()
    print_claims(claim for scene in (ALONE, BESIDE) for claim in _claims(scene, turns["ballast", scene]))


def contenders(against: Path | None) -> list[Contender]:
    """Return ours, that of another checkout if there is one, and the peer."""
    trees = {"ballast": REPOSITORY} | ({"the other checkout": against} if against is not None else {})
    found = [Contender(name, partial(_ballast, tree), _folders(tree), tells=True) for name, tree in trees.items()]
    return [*found, Contender("one process, six models", _peer, _folders(REPOSITORY), tells=False)]


def measure(found: Sequence[Contender], workload: Workload, rounds: int) -> dict[tuple[str, str], list[Turn]]:
    """Give every server its turns, in another order each round; return them by its name and the scene.

    Raises:
        GroupUnavailable: no control group can be made.
    """
    turns: dict[tuple[str, str], list[Turn]] = {(one.name, scene): [] for scene in (ALONE, BESIDE) for one in found}
    works = [(one, scene) for one in found for scene in (ALONE, BESIDE)]
    order = random.Random(1)
    for _ in range(rounds):
        for one, scene in order.sample(works, len(works)):
            turn = take_turn(one, workload, scene)
            print(f"{one.name}, {scene}: {turn.answers.sentence()}, peak {turn.peak_bytes / MIB:.0f} MiB", flush=True)
            turns[one.name, scene].append(turn)
    print()
    return turns


def take_turn(contender: Contender, workload: Workload, scene: str) -> Turn:
    """Start a server in a group of its own, with nothing in the page cache, and load it."""
    drop_from_cache(contender.folders)
    turn = Turn()
    with memory_group(workload.limit_bytes) as group, GroupWatch(group) as watch:
        with contender.start(group) as target:
            asyncio.run(_drive(contender, target, workload, scene, turn))
        turn.oom_kills = group.oom_kills()
    turn.peak_bytes = watch.peak_bytes
    return turn


async def _drive(contender: Contender, target: Target, workload: Workload, scene: str, turn: Turn) -> None:
    if not contender.tells:
        turn.answers = await _load(target, workload, scene)
        return
    async with watched_levels(target.port) as turn.levels:
        turn.answers = await _load(target, workload, scene)
    try:
        turn.killed, turn.died = await count(target.port, KILLED), await count(target.port, DIED)
    except LOST:
        turn.killed = turn.died = -1


async def _load(target: Target, workload: Workload, scene: str) -> MixedAnswers:
    if scene == ALONE:
        return await send_photos(target, workload.pictures, workload.count)
    return await send_photos_beside_a_stream(target, workload.pictures, workload.count, workload.frames)


@contextmanager
def _ballast(tree: Path, group: MemoryGroup) -> Iterator[Target]:
    with run_service(tree=tree, group=group) as service:
        yield Target(service.port)


@contextmanager
def _peer(group: MemoryGroup) -> Iterator[Target]:
    with run_peer("vision_six", _models(REPOSITORY), group=group) as (_, port):
        yield Target(port, "/{task}", "/{task}/stream")


def _models(tree: Path) -> Path:
    return tree / os.environ.get("BALLAST_MODELS__DIR", "models")


def _folders(tree: Path) -> tuple[Path, ...]:
    """Return where the files are that a server of this tree maps."""
    own = (folder for folder in (tree / ".venv", tree / "app") if folder.is_dir())
    return (*program_folders(_models(tree)), *own)


_HEADER = [
    "",
    "answered %",
    "longest s",
    "after the first: p50 ms",
    "p99 ms",
    "all in s",
    "peak MiB",
    "levels",
    "children killed",
    "died",
    "OOM kills",
    "stream answers/s",
    "their lag p95 ms",
]


def _row(name: str, turns: Sequence[Turn]) -> list[str]:
    later = [seconds for turn in turns for seconds in turn.answers.later_seconds]
    lags = [seconds for turn in turns for seconds in turn.answers.frames.lags]
    levels = sorted(set[str]().union(*(turn.levels for turn in turns)))
    return [
        name,
        f"{100 * min(turn.answers.share_answered for turn in turns):.1f}",
        f"{max(turn.answers.longest_seconds for turn in turns):.2f}",
        told_ms(later, 50),
        told_ms(later, 99),
        f"{statistics.median(turn.answers.seconds for turn in turns):.1f}",
        f"{max(turn.peak_bytes for turn in turns) / MIB:.0f}",
        " ".join(levels),
        *(str(sum(values)) for values in zip(*((one.killed, one.died, one.oom_kills) for one in turns), strict=True)),
        f"{min(turn.answers.frame_rate for turn in turns):.1f}",
        told_ms(lags, 95),
    ]


def _claims(scene: str, turns: Sequence[Turn]) -> list[Claim]:
    """Return what issue 10 asks, of the worst of all rounds."""
    later = [seconds for turn in turns for seconds in turn.answers.later_seconds]
    kills = [turn.killed + turn.died + turn.oom_kills for turn in turns]
    critical = sum("CRITICAL" in turn.levels for turn in turns)
    share = 100 * min(turn.answers.share_answered for turn in turns)
    claims = [
        Claim(f"{scene}: answered", [share], "%", 99, at_least=True, digits=1),
        Claim(f"{scene}: the longest", [max(turn.answers.longest_seconds for turn in turns)], "s", 3),
        Claim(f"{scene}: p99 after the first", [percentile(later, 99)], "s", 1.5),
        Claim(f"{scene}: peak working set", [max(turn.peak_bytes for turn in turns) / MIB], "MiB", 270, digits=0),
        Claim(f"{scene}: rounds that were CRITICAL", [critical], "", 0, digits=0),
        Claim(f"{scene}: killed or died", [sum(kills)], "", 0, digits=0),
    ]
    if scene == BESIDE:
        rate = min(turn.answers.frame_rate for turn in turns)
        claims.append(Claim(f"{scene}: stream answers a second", [rate], "", 5, at_least=True, digits=1))
    return claims


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=120, help="photos of a turn")
    parser.add_argument("--photos", type=Path, default=MEDIA, help="a folder of JPEG, PNG and WebP files")
    parser.add_argument("--limit", type=int, default=300, help="MiB of each group")
    add_against(parser)
    parser.add_argument("--short", action="store_true", help="one round of 12 photos")
    return parser.parse_args()


if __name__ == "__main__":
    main()
