"""What a process shares with the processes it was forked from or has forked (proc_pid_smaps(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.memory.kernel_file import parse_table, read_once

_PRIVATE = (b"Private_Clean", b"Private_Dirty", b"Private_Hugetlb")


@dataclass(frozen=True, slots=True)
class Rollup:
    """`uss_bytes` would be free if the process ended now.

    Of its resident pages, `anonymous_away_bytes` and `shmem_away_bytes` are the parts of others: a page that n
    processes map is 1/n each one's.
    """

    uss_bytes: int
    anonymous_away_bytes: int
    shmem_away_bytes: int

    @property
    def away_bytes(self) -> int:
        return self.anonymous_away_bytes + self.shmem_away_bytes


NOTHING_SHARED = Rollup(0, 0, 0)


def read_rollup(path: Path, shmem_bytes: int) -> Rollup | None:
    """Read the file of a process whose resident shared memory (RssShmem) has `shmem_bytes`: 0.3-1.5 ms, measured.

    The kernel walks its page tables. Before Linux 5.4 there is no `Pss_Anon`: there only private pages are its own,
    so what is shared counts nowhere. None: no permission, no such file, or the process has just ended.
    """
    table = parse_table(read_once(path))
    if not table:
        return None
    uss_bytes = sum(table.get(name, 0) for name in _PRIVATE)
    own_bytes = table.get(b"Pss_Anon", uss_bytes)
    return Rollup(
        uss_bytes,
        max(0, table.get(b"Anonymous", 0) - own_bytes),
        max(0, shmem_bytes - table[b"Pss_Shmem"]) if b"Pss_Shmem" in table else 0,
    )
