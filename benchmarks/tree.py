"""The memory of a process and its descendants, by psutil."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bytes of one process. `pss_bytes` counts a shared page by the part of it that falls to this process."""

    pid: int
    rss_bytes: int
    file_bytes: int
    pss_bytes: int

    @property
    def anonymous_bytes(self) -> int:
        return self.rss_bytes - self.file_bytes


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


def find_tree(root_pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, parents before their children; empty where it is gone."""
    try:
        root = psutil.Process(root_pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def measure_tree(root_pid: int) -> TreeMemory:
    """Measure a process and its descendants; one that ends meanwhile is left out."""
    measured = (measure_process(process) for process in find_tree(root_pid))
    return TreeMemory(tuple(memory for memory in measured if memory is not None))


def measure_process(process: psutil.Process) -> ProcessMemory | None:
    """Measure one process; None where it is gone."""
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return None
    # An ended process that nobody has waited for has no memory; `shared` are file pages and shared memory (statm).
    return ProcessMemory(process.pid, memory.rss, memory.shared, memory.pss) if memory.rss else None


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
