"""Inputs that children crashed on: the second time is the last for a while."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import InvalidMedia

_CRASHES = 2
_SECONDS = 600.0
_MOST = 256
"""How many inputs are remembered; the brake, which different inputs close, lets through fewer in ten minutes."""

_Key = tuple[int, bytes]


@dataclass(slots=True)
class _Suspect:
    crashes: int
    accused_at: float


class Suspects:
    """Remembers inputs by length and SHA-256. An input is hashed only when a child crashed on one of its length."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._suspects: OrderedDict[_Key, _Suspect] = OrderedDict()
        self._lengths: Counter[int] = Counter()

    def accuse(self, payload: bytes) -> bytes | None:
        """Note that a child crashed on this input. Return its fingerprint; None for the empty one, which is none."""
        if not payload:
            return None
        self._forget()
        key = _key(payload)
        known = self._suspects.pop(key, None)
        if known is None:
            self._lengths[key[0]] += 1
        self._suspects[key] = _Suspect(known.crashes + 1 if known else 1, self._clock())
        if len(self._suspects) > _MOST:
            self._drop_oldest()
        return key[1]

    def is_refused(self, payload: bytes) -> bool:
        """Whether children crashed on this input twice, the last time less than ten minutes ago."""
        self._forget()
        if len(payload) not in self._lengths:
            return False
        suspect = self._suspects.get(_key(payload))
        return suspect is not None and suspect.crashes >= _CRASHES

    def check(self, payload: bytes) -> None:
        """Raise InvalidMedia where it is refused."""
        if self.is_refused(payload):
            raise refusal()

    def _forget(self) -> None:
        while self._suspects and next(iter(self._suspects.values())).accused_at <= self._clock() - _SECONDS:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        (nbytes, _), _ = self._suspects.popitem(last=False)
        self._lengths[nbytes] -= 1
        if not self._lengths[nbytes]:
            del self._lengths[nbytes]


def refusal() -> InvalidMedia:
    return InvalidMedia("Workers crashed on this input; it is refused for some minutes.")


def _key(payload: bytes) -> _Key:
    return len(payload), hashlib.sha256(payload).digest()
