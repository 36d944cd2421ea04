"""The waiting line: who is next, by class, client and arrival.

The order is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) between the three classes, weighted by
*bytes*, because bytes are what is scarce: each class has a tag, the class with the smallest tag is next (LIVE on a
tie), and a grant of n bytes moves its class on by n / weight. While all classes wait, the bytes granted to them are
therefore in the ratio of the weights, up to one grant each; a class that was not waiting starts at the tag of the class
that is next, so it neither saved up credit nor has to wait for what others took meanwhile; and a class pays for a
large grant after it, not before. Inside a class clients are served round robin, each in its own order,
but for those that pass one that does not fit (`backfill`).
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from app.domain.priority import Priority


class Queued(Protocol):
    """What the line has to know of one that waits. `nbytes` is its weight: bytes, or 1 where everybody counts alike."""

    @property
    def client(self) -> str: ...
    @property
    def priority(self) -> Priority: ...
    @property
    def nbytes(self) -> int: ...


W = TypeVar("W", bound=Queued)


@dataclass(slots=True, eq=False)
class ClassLine(Generic[W]):
    """The waiters of one class: clients in a ring, the front one is next."""

    priority: Priority
    weight: float
    tag: float = 0.0
    clients: OrderedDict[str, deque[W]] = field(default_factory=OrderedDict)


class WaitingLine(Generic[W]):
    """All waiters. `len()` costs nothing; finding somebody costs one step per waiting client."""

    def __init__(self, weights: Mapping[Priority, float]) -> None:
        self._lines: dict[Priority, ClassLine[W]] = {of: ClassLine(of, weight) for of, weight in weights.items()}
        self._paused: frozenset[Priority] = frozenset()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, waiter: W) -> None:
        """Put a waiter behind the others of its client."""
        line = self._lines[waiter.priority]
        line.tag = self.start_tag(waiter.priority)
        line.clients.setdefault(waiter.client, deque()).append(waiter)
        self._length += 1

    def discard(self, waiter: W) -> None:
        """Take a waiter out, wherever it stands, if it is in the line."""
        clients = self._lines[waiter.priority].clients
        queue = clients.get(waiter.client)
        if queue is None or waiter not in queue:
            return
        queue.remove(waiter)
        if not queue:
            del clients[waiter.client]
        self._length -= 1
        if not self._length:
            for emptied in self._lines.values():
                emptied.tag = 0.0

    def serve(self, waiter: W) -> None:
        """Take out a waiter that is granted its bytes: its class pays for them, its client goes to the back."""
        self.charge(waiter.priority, waiter.nbytes)
        self._rotate(waiter)
        self.discard(waiter)

    def charge(self, priority: Priority, nbytes: int) -> None:
        """Move a class on by what it is granted; nobody pays while nobody waits."""
        if self._length:
            line = self._lines[priority]
            line.tag = self.start_tag(priority) + max(nbytes, 1) / line.weight

    def pass_over(self, waiter: W) -> None:
        """Put a waiter that could not be served behind the next client, and its class behind the next class."""
        line = self._lines[waiter.priority]
        others = [other.tag for other in self._active() if other is not line]
        if others:
            line.tag = max(line.tag, math.nextafter(min(others), math.inf))
        self._rotate(waiter)

    def head(self) -> W | None:
        """Return the waiter that is first in order."""
        return self.first(lambda _: True)

    def first(self, can_be_served: Callable[[W], bool]) -> W | None:
        """Return the first in order that can be served; no client passes itself."""
        for line in self._in_order():
            for queue in line.clients.values():
                if can_be_served(queue[0]):
                    return queue[0]
        return None

    def first_fitting(self, free_bytes: int, may_pass: Callable[[float], bool]) -> W | None:
        """Return the first in order that needs at most `free_bytes`, if its class may pass.

        A client's small ones may pass its own large one too: a client is an address, behind which many may be.
        """
        for line in self._in_order():
            for queue in line.clients.values():
                for waiter in queue:
                    if waiter.nbytes <= free_bytes:
                        return waiter if may_pass(line.tag) else None
        return None

    def start_tag(self, priority: Priority) -> float:
        """Return the tag with which a class is served next, or would be if it came to wait now."""
        line = self._lines[priority]
        others = [other.tag for other in self._active() if other is not line]
        return line.tag if line.clients or not others else max(line.tag, min(others))

    def finish_tag(self, waiter: W) -> float:
        """Return the tag of the waiter's class as it will be after its grant."""
        line = self._lines[waiter.priority]
        return line.tag + max(waiter.nbytes, 1) / line.weight

    def pause(self, priorities: Collection[Priority]) -> None:
        """Let these classes wait, and every other one be served, from now on."""
        resumed = self._paused.difference(priorities)
        active_tags = [line.tag for line in self._active()]
        self._paused = frozenset(priorities)
        for line in (self._lines[priority] for priority in resumed if active_tags):
            line.tag = max(line.tag, min(active_tags))

    def to_drop(self, newcomer: W, elsewhere: int = 0) -> W:
        """Return who leaves a line that is too long: the last waiter of the client that has most of them in one class.

        Of several such clients one of the lowest class is taken, but the newcomer itself if its client has as many;
        `elsewhere` of that client's wait, and are not in the line.
        """
        queues = [queue for line in self._lines.values() for queue in line.clients.values()]
        if not queues:
            return newcomer
        longest = max(queues, key=lambda queue: (len(queue), queue[0].priority))
        own = len(self._lines[newcomer.priority].clients.get(newcomer.client, ())) + elsewhere
        return longest[-1] if len(longest) > own else newcomer

    def count_of(self, client: str) -> int:
        """Return how many of a client wait, over all classes."""
        return sum(len(line.clients.get(client, ())) for line in self._lines.values())

    def least_of(self, newcomer: W) -> W:
        """Return who leaves where the newcomer's client has too many: its last waiter of a lower class, or itself."""
        for priority in sorted(self._lines, reverse=True):
            if priority > newcomer.priority and (queue := self._lines[priority].clients.get(newcomer.client)):
                return queue[-1]
        return newcomer

    def waiters(self, priority: Priority) -> list[W]:
        return [waiter for queue in self._lines[priority].clients.values() for waiter in queue]

    def by_client(self) -> dict[str, int]:
        """Return how many waiters each client has, over all classes."""
        counts: Counter[str] = Counter()
        for line in self._lines.values():
            counts.update({client: len(queue) for client, queue in line.clients.items()})
        return counts

    def _active(self) -> list[ClassLine[W]]:
        return [line for line in self._lines.values() if line.clients and line.priority not in self._paused]

    def _in_order(self) -> list[ClassLine[W]]:
        return sorted(self._active(), key=lambda line: (line.tag, line.priority))

    def _rotate(self, waiter: W) -> None:
        clients = self._lines[waiter.priority].clients
        if waiter.client in clients:
            clients.move_to_end(waiter.client)
