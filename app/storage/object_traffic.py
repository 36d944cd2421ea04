"""What was asked of the object store: how often, how long it took, and how often it failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from app.domain.histogram import Histogram

VERBS = ("put", "get", "head", "list", "delete")


class ObjectTraffic:
    """Counts requests by verb; one that is repeated by the library counts once."""

    def __init__(self) -> None:
        self.seconds = {verb: Histogram() for verb in VERBS}
        self.errors = dict.fromkeys(VERBS, 0)

    @contextmanager
    def timed(self, verb: str) -> Iterator[None]:
        """Count one request, for the block. That something is not there is an answer, and no error."""
        began = perf_counter()
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception:
            self.errors[verb] += 1
            raise
        finally:
            self.seconds[verb].observe(perf_counter() - began)
