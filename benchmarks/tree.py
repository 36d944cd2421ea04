"""The memory of a process and its descendants, read from /proc (proc(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KIB = 1024


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bytes of one process. `pss_bytes` counts a shared page by the part of it that falls to this process."""

    pid: int
    rss_bytes: int
    anonymous_bytes: int
    file_bytes: int
    pss_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """Bytes of a process (the first) and its descendants; a page that several share counts in the RSS of each."""

    processes: tuple[ProcessMemory, ...]

    @property
    def rss_bytes(self) -> int:
        return sum(process.rss_bytes for process in self.processes)

    @property
    def pss_bytes(self) -> int:
        return sum(process.pss_bytes for process in self.processes)


@dataclass(frozen=True, slots=True)
class ProcessName:
    """A process by its id and start time: ids are used again, the pair is not."""

    pid: int
    started_ticks: int

    def is_alive(self) -> bool:
        """Whether it still runs; one that ended and waits for its parent to notice does not."""
        found = _read_stat(Path(f"/proc/{self.pid}"))
        return found is not None and found.name == self and found.state != "Z"


@dataclass(frozen=True, slots=True)
class _Stat:
    name: ProcessName
    parent_pid: int
    state: str


def find_tree(root_pid: int) -> list[ProcessName]:
    """Return a process and its descendants, parents before their children; empty where it is gone."""
    stats = {stat.name.pid: stat for stat in _read_stats()}
    if root_pid not in stats:
        return []
    found = [stats[root_pid].name]
    for parent in found:  # grows while it is walked
        found += [stat.name for stat in stats.values() if stat.parent_pid == parent.pid]
    return found


def measure_tree(root_pid: int) -> TreeMemory:
    """Measure a process and its descendants; one that ends meanwhile is left out."""
    measured = (measure_process(name.pid) for name in find_tree(root_pid))
    return TreeMemory(tuple(process for process in measured if process is not None))


def measure_process(pid: int) -> ProcessMemory | None:
    """Measure one process; None where it is gone."""
    try:
        status = _read_fields(Path(f"/proc/{pid}/status"))
        rollup = _read_fields(Path(f"/proc/{pid}/smaps_rollup"))
        return ProcessMemory(
            pid,
            rss_bytes=status["VmRSS"],
            anonymous_bytes=status["RssAnon"],
            file_bytes=status["RssFile"],
            pss_bytes=rollup["Pss"],
            peak_bytes=status["VmHWM"],
        )
    except (OSError, KeyError):  # a zombie has a status without memory
        return None


def _read_fields(path: Path) -> dict[str, int]:
    """Return the lines `Name:   12 kB` in bytes."""
    fields = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            fields[words[0].rstrip(":")] = int(words[1]) * KIB
    return fields


def _read_stats() -> Iterator[_Stat]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (stat := _read_stat(folder)) is not None:
            yield stat


def _read_stat(folder: Path) -> _Stat | None:
    try:
        # The name of the program, in parentheses, may hold spaces and parentheses itself.
        words = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(ProcessName(int(folder.name), int(words[19])), int(words[1]), words[0])
