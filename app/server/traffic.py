"""What the listeners have done since the start: requests by route, method and status, bytes, connections.

Every series there can be is known before the first request (`expect`), so that a rate over it misses nothing, and no
client can make new ones: what no route answers is one route, `other`, and a status that a route does not document is
counted by its class (`4xx`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from app.domain.histogram import Histogram

if TYPE_CHECKING:
    from app.server.access import AccessLog

OTHER = "other"
"""The route and the method of what no route answers."""

CLIENT_GONE = 499
"""The status of a request whose client went before it was answered (nginx's number)."""

REFUSALS = ("cap", "memory", "overflow")
"""Why a connection has no slot: all are taken; there are no bytes for it, of its address' share or at all. `overflow`:
it was cut unanswered, for others that have no slot came after it."""

STATES = ("request", "websocket", "idle", "waiting")
"""What a connection does; one that waits has not sent a whole head yet, or lingers after its last answer."""

_ANY_ROUTE = (CLIENT_GONE, 500, 503)
_NO_ROUTE = (400, 401, 403, 404, 405)
_CLASSES = ("2xx", "3xx", "4xx", "5xx")


class _Inlet(Protocol):
    @property
    def unread(self) -> Collection[int]: ...


class Peer(Protocol):
    """What is used of a connection."""

    received_bytes: int
    sent_bytes: int

    @property
    def inlet(self) -> _Inlet: ...


class Listening(Protocol):
    """What is used of a front."""

    @property
    def connections(self) -> Iterable[Peer]: ...
    @property
    def refused(self) -> Mapping[str, int]: ...
    def states(self) -> dict[str, int]: ...


@dataclass(slots=True)
class RouteTraffic:
    """Requests of one method of one route: how many had which status, and how long each took."""

    route: str
    method: str
    statuses: dict[str, int]
    seconds: Histogram = field(default_factory=Histogram)

    def count(self, status: int) -> None:
        name = str(status)
        self.statuses[name if name in self.statuses else f"{name[0]}xx"] += 1


class Mark:
    """When a request began, and what its connection had carried until then, its head included."""

    __slots__ = ("began", "peer", "received_bytes", "sent_bytes")

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.began = perf_counter()
        self.received_bytes = peer.received_bytes - len(peer.inlet.unread)
        self.sent_bytes = peer.sent_bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that is over."""

    route: str
    status: int
    seconds: float
    mark: Mark


class Traffic:
    """Counts for all listeners. `access` writes a line for each request, if it is wanted."""

    def __init__(self, access: AccessLog | None = None) -> None:
        self.access = access
        self.accepted = 0
        self.fronts: list[Listening] = []
        self._left_received_bytes = 0
        self._left_sent_bytes = 0
        self._by_endpoint: dict[tuple[int, str], RouteTraffic] = {}
        self._by_name: dict[tuple[str, str], RouteTraffic] = {}
        self._other = self._open(OTHER, OTHER, _NO_ROUTE)

    @property
    def routes(self) -> Iterable[RouteTraffic]:
        return self._by_name.values()

    @property
    def received_bytes(self) -> int:
        """What came over all connections, heads included."""
        return self._left_received_bytes + sum(peer.received_bytes for peer in self._peers())

    @property
    def sent_bytes(self) -> int:
        return self._left_sent_bytes + sum(peer.sent_bytes for peer in self._peers())

    def expect(self, endpoint: object, template: str, method: str, statuses: Collection[int]) -> None:
        """Make known that a route is there. `template` is its path, with names for what differs between requests."""
        self._by_endpoint[id(endpoint), method] = self._open(template, method, statuses)

    def answered(self, scope: Mapping[str, Any], status: int, mark: Mark) -> None:
        """Count a request that is over; `status` 0: its client had gone before an answer."""
        status = status or CLIENT_GONE
        entry = self._by_endpoint.get((id(scope.get("endpoint")), scope.get("method", "GET")), self._other)
        seconds = perf_counter() - mark.began
        entry.count(status)
        if scope["type"] == "http":  # what a stream takes is no time that anybody waits
            entry.seconds.observe(seconds)
        if self.access is not None:
            self.access.write(scope, Answered(entry.route, status, seconds, mark))

    def left(self, peer: Peer) -> None:
        """A connection is closed."""
        self._left_received_bytes += peer.received_bytes
        self._left_sent_bytes += peer.sent_bytes
        peer.received_bytes = peer.sent_bytes = 0  # it may be told twice

    def states(self) -> dict[str, int]:
        """Return how many connections are in which state, over all listeners."""
        return _sums(STATES, [front.states() for front in self.fronts])

    def refused(self) -> dict[str, int]:
        """Return how many connections were refused, by reason."""
        return _sums(REFUSALS, [front.refused for front in self.fronts])

    def _open(self, template: str, method: str, statuses: Collection[int]) -> RouteTraffic:
        names = [str(status) for status in sorted({*statuses, *_ANY_ROUTE})]
        return self._by_name.setdefault(
            (template, method), RouteTraffic(template, method, dict.fromkeys((*names, *_CLASSES), 0))
        )

    def _peers(self) -> Iterable[Peer]:
        return (peer for front in self.fronts for peer in front.connections)


def _sums(names: Iterable[str], counts: Collection[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(one.get(name, 0) for one in counts) for name in names}
